"""Bad replies, failing calls, dead models and hanging ones: the run ends with the best so far, and says why."""

import http.server
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import dspy
import pytest
from dspy.lm15 import AuthError, BillingError, RateLimitError
from event_logs import events
from scripted import engine, fields, result_of, scripted_lm
from waiting import PATIENCE

from dspy_dlpo import Budget, DLPOTeleprompter, ModelError
from dspy_dlpo.simulation import Faults, simulated_lm, simulated_task

KINDS = ("rate_limit", "server_error", "timeout", "malformed", "truncated", "empty")
TRANSPORT = ("rate_limit", "server_error", "timeout")
TASK = simulated_task("object_counting", n_train=40, n_val=40)


def compiled(task_lm, prompt_lm, *, calls=300, log_dir=None, **settings):
    optimizer = DLPOTeleprompter(
        TASK.metric,
        task_model=task_lm,
        prompt_model=prompt_lm,
        budget=Budget(metric_calls=calls),
        log_dir=log_dir,
        **settings,
    )
    return optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset).detailed_results


def ended(*models, **settings):
    """The result, also of a run that failed before it found anything better."""
    try:
        return compiled(*models, **settings)
    except ModelError as error:
        return error.result


def faulty(seed, kinds, total=0.2):
    """A model of whose calls a share fails; each try is a call, so that DSPy's retries hide nothing."""
    lm = simulated_lm(seed, faults=Faults(**dict.fromkeys(kinds, total / len(kinds))))
    lm.num_retries = 0
    return lm


@pytest.mark.few(3)
@pytest.mark.parametrize("kinds", [KINDS, *((kind,) for kind in KINDS)], ids="+".join)
@pytest.mark.parametrize("where", ["both", "task", "prompt"])
def test_a_fifth_of_all_calls_may_fail(kinds, where, tmp_path):
    task_lm = faulty(0, kinds) if where != "prompt" else simulated_lm(0)
    prompt_lm = faulty(1, kinds) if where != "task" else simulated_lm(1)
    result = compiled(task_lm, prompt_lm, log_dir=tmp_path, num_threads=4)
    assert result.ended == "the budget is spent" or result.ended.startswith("every training example is right")
    assert result.comparison.best >= result.comparison.start
    assert any(record.accepted for record in result.history.steps()), "the run learns in spite of it"
    rows = [event["row"] for event in events(tmp_path, "RunDone")]
    lost = [row for row in rows if row["failure"] == "transport"]
    broken = [row for row in rows if row["failure"] == "program"]
    assert all(row["score"] is None for row in lost), "what is lost in transport is no wrong answer"
    assert all(row["score"] == 0.0 and row["error"] for row in broken), "what cannot be read scores the low end"
    if where != "prompt":
        share = (len(lost) + len(broken)) / len(rows)
        assert 0.1 <= share <= 0.3 if len(kinds) == 1 and kinds[0] in TRANSPORT else share <= 0.3
        assert bool(lost) == bool(set(kinds) & set(TRANSPORT))


def dies(error, after, answer=None):
    """A model that answers so many calls, and then never again."""
    count = []

    def reply(system, user):
        count.append(1)
        if len(count) > after:
            raise error
        return answer(system, user) if answer else fields(answer=str(len(count) % 5))

    return scripted_lm(reply, name="scripted/mortal")


@pytest.mark.parametrize("error", [AuthError("no key"), BillingError("no quota is left")], ids=["key", "quota"])
@pytest.mark.parametrize("threads", [1, 8])
def test_a_task_model_that_dies_ends_the_run_at_once_with_the_best_so_far(error, threads, tmp_path):
    lm = dies(error, after=90)
    result = ended(lm, simulated_lm(1), num_threads=threads, log_dir=tmp_path)
    assert result.ended.startswith("The task model cannot be used: [scripted/mortal]")
    assert str(error).splitlines()[0] in result.ended
    assert "\n" not in result.verdict
    # One call shows it, with those in flight; one more shows it to each comparison at the end.
    assert len(engine(lm).asked) <= 90 + threads + 5 * threads
    assert "not compared on valset" in result.verdict or "before anything better was found" in result.verdict


@pytest.mark.parametrize("error", [AuthError("no key"), BillingError("no quota is left")], ids=["key", "quota"])
def test_a_prompt_model_that_dies_ends_the_run_at_once_and_what_was_found_is_compared(error):
    helper = simulated_lm(1)

    class Mortal(type(helper.engine)):
        asked = 0

        def complete(self, request):
            Mortal.asked += 1
            if Mortal.asked > 4:
                raise error
            return super().complete(request)

    lm = dspy.LM("mortal/writer", engine=Mortal(helper.engine.settings), cache=False, callbacks=helper.callbacks)
    result = compiled(simulated_lm(0), lm)
    assert result.ended.startswith("The prompt model cannot be used: [mortal/writer]")
    assert 5 <= Mortal.asked <= 6  # with what was in flight
    assert result.comparison.start is not None
    assert result.best_prompts != result.start_prompts


def test_a_task_model_that_dies_after_a_gain_gives_the_gain_without_a_claim():
    helper = simulated_lm(0)

    class Mortal(type(helper.engine)):
        asked = 0

        def complete(self, request):
            Mortal.asked += 1
            if Mortal.asked > 210:
                raise BillingError("no quota is left")
            return super().complete(request)

    lm = dspy.LM("mortal/reader", engine=Mortal(helper.engine.settings), cache=False, callbacks=helper.callbacks)
    result = compiled(lm, simulated_lm(1), num_threads=1)
    assert result.best_prompts != result.start_prompts
    assert result.verdict.startswith("not compared on valset, so no gain can be claimed: the best on the training")
    assert "no quota is left" in result.verdict


@pytest.mark.parametrize("role", ["task", "prompt"])
def test_nobody_at_the_address_ends_the_run_at_once(role):
    lm = dspy.LM("openai/nobody", api_base="http://127.0.0.1:9/v1", api_key="none", num_retries=0, cache=False)
    if role == "task":
        with pytest.raises(ModelError, match=r"The task model cannot be used: \[openai/nobody\].*refused"):
            compiled(lm, simulated_lm(1))
    else:
        result = ended(simulated_lm(0), lm)
        assert result.ended.startswith("The prompt model cannot be used: [openai/nobody]")
        assert "refused" in result.ended


def test_a_model_without_a_key_ends_the_run_at_once(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="The task model cannot be used"):
        compiled(dspy.LM("openai/gpt-4o-mini", cache=False), simulated_lm(1))


class Wrapped(dspy.Module):
    """A program that hides what failed behind an error of its own, or behind DSPy's threads."""

    def __init__(self, how):
        super().__init__()
        self.solve, self.how = dspy.Predict(dspy.Signature("question -> answer", "Answer the question.")), how

    def forward(self, question):
        if self.how == "raise":
            try:
                return self.solve(question=question)
            except Exception as error:
                raise RuntimeError("the helper failed") from error
        found = dspy.Parallel(num_threads=2, max_errors=1, disable_progress_bar=True)(
            [(self.solve, {"question": question})]
        )
        return found[0]


@pytest.mark.parametrize("how", ["raise", "parallel"])
def test_a_dead_model_behind_another_error_is_found(how):
    lm = dies(AuthError("no key"), after=40)
    optimizer = DLPOTeleprompter(
        TASK.metric, task_model=lm, prompt_model=simulated_lm(1), budget=Budget(metric_calls=300), num_threads=2
    )
    result = result_of(lambda: optimizer.compile(Wrapped(how), trainset=TASK.trainset, valset=TASK.valset))
    assert result.ended.startswith("The task model cannot be used: [scripted/mortal] no key")
    assert len(engine(lm).asked) < 60


@pytest.mark.parametrize("how", ["raise", "parallel"])
def test_a_lost_call_behind_another_error_is_missing_and_not_wrong(how, tmp_path):
    optimizer = DLPOTeleprompter(
        TASK.metric,
        task_model=faulty(0, ("server_error",), total=0.3),
        prompt_model=simulated_lm(1),
        budget=Budget(metric_calls=60),
        log_dir=tmp_path,
    )
    optimizer.compile(Wrapped(how), trainset=TASK.trainset, valset=TASK.valset)
    failures = {event["row"]["failure"] for event in events(tmp_path, "RunDone")}
    assert failures == {"", "transport"}


def test_what_an_abandoned_call_had_used_stays_on_the_bill(tmp_path):
    class Twice(dspy.Module):
        def __init__(self):
            super().__init__()
            self.solve = dspy.Predict(dspy.Signature("question -> answer", "Answer the question about what I have."))

        def forward(self, question):
            self.solve(question=question)
            return self.solve(question=question)

    task_lm = hanging(0, every=30)

    def run():
        optimizer = DLPOTeleprompter(
            TASK.metric,
            task_model=task_lm,
            prompt_model=simulated_lm(1),
            budget=Budget(metric_calls=60),
            log_dir=tmp_path,
            call_timeout=0.3,
            num_threads=4,
        )
        return optimizer.compile(Twice(), trainset=TASK.trainset, valset=TASK.valset).detailed_results

    first, again = run(), run()
    assert again.spent["task"] == first.spent["task"]
    assert first.spent["task"]["calls"] > 60


def test_a_service_that_goes_down_for_good_ends_the_run_before_the_budget_does():
    lm = dies(RateLimitError("busy"), after=60)
    result = ended(lm, simulated_lm(1), calls=600, num_threads=1)
    assert "No call of the task model was answered" in result.ended
    assert "in a row" in result.ended
    assert len(engine(lm).asked) < 60 + 120


def hanging(seed, every):
    """A model of whose calls every so many hangs for ten minutes."""
    helper = simulated_lm(seed)

    class Hanging(type(helper.engine)):
        asked = 0

        def complete(self, request):
            Hanging.asked += 1
            if Hanging.asked % every == 0:
                time.sleep(600)
            return super().complete(request)

    return dspy.LM(f"hanging/{seed}", engine=Hanging(helper.engine.settings), cache=False, callbacks=helper.callbacks)


@pytest.mark.parametrize("role", ["task", "prompt"])
def test_a_call_that_hangs_is_abandoned_after_its_time(role, tmp_path):
    task_lm = hanging(0, every=40) if role == "task" else simulated_lm(0)
    prompt_lm = hanging(1, every=3) if role == "prompt" else simulated_lm(1)
    began = time.monotonic()
    result = compiled(task_lm, prompt_lm, calls=200, call_timeout=0.3, num_threads=8, log_dir=tmp_path)
    assert time.monotonic() - began < 600, "no call that hangs was waited for"
    assert result.ended == "the budget is spent"
    assert "abandoned: nothing happened for 0.3 s" in (tmp_path / "events.jsonl").read_text()


def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_process(request):
    script = """
import sys, time
sys.path[:0] = sys.argv[1:]
from test_faults import compiled, hanging, simulated_lm
result = compiled(hanging(0, every=60), simulated_lm(1), calls=150, call_timeout=0.3, num_threads=4)
print(result.ended)
"""
    folder = Path(request.path).parent
    command = [sys.executable, "-c", script, str(folder), str(folder / "host")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "the budget is spent\n", done.stderr


@pytest.mark.slow
def test_a_slow_program_that_makes_progress_is_not_abandoned():
    def slow(system, user):
        time.sleep(0.5)
        return fields(answer="4", reasoning="x")

    class Chain(dspy.Module):
        def __init__(self):
            super().__init__()
            self.steps = [dspy.Predict("question -> answer") for _ in range(5)]

        def forward(self, question):
            for step in self.steps:
                last = step(question=question)
            return last

    optimizer = DLPOTeleprompter(
        TASK.metric,
        task_model=scripted_lm(slow),
        prompt_model=simulated_lm(1),
        budget=Budget(metric_calls=17),
        call_timeout=2.0,
        num_threads=12,
    )
    result = optimizer.compile(Chain(), trainset=TASK.trainset[:8], valset=[]).detailed_results
    assert result.history[0].score is not None
    assert len(result.history[0].scores) == 8


@pytest.mark.parametrize("value", [0, -1, "fast", True, float("inf")])
def test_an_illegal_timeout_is_refused(value):
    with pytest.raises((ValueError, TypeError), match="call_timeout="):
        DLPOTeleprompter(TASK.metric, call_timeout=value)


class Refusing(http.server.BaseHTTPRequestHandler):
    """Refuses every request, and says the key that it was shown."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"error": {"message": f"Incorrect API key: {self.headers['Authorization']}"}}).encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Be quiet."""


@pytest.fixture
def refusing():
    """The address of a server that refuses every request."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_a_program_that_looks_at_images_is_criticized_in_words():
    picture = dspy.Image(url=f"data:image/png;base64,{PIXEL}")
    train = [dspy.Example(picture=picture, answer=str(i % 2)).with_inputs("picture") for i in range(20)]

    def answer(system, user):
        wanted = user.split("Respond with")[-1]
        if "critique" in wanted:
            return fields(critique="Look closely.")
        return (
            fields(edits='[{"op": "add", "at": 1, "text": "Look closely."}]')
            if "edits" in wanted
            else fields(answer="1")
        )

    lm = scripted_lm(answer)
    program = dspy.Predict(
        dspy.Signature({"picture": (dspy.Image, dspy.InputField()), "answer": (str, dspy.OutputField())})
    )
    with dspy.context(lm=lm):
        optimizer = DLPOTeleprompter(TASK.metric, budget=Budget(metric_calls=60))
        told = optimizer.estimate(program, trainset=train)
        result = optimizer.compile(program, trainset=train).detailed_results
    asked = [user for _, user in engine(lm).asked if "[[ ## failures ## ]]" in user]
    assert asked
    assert all("input picture: [Image image/png, " in user and PIXEL not in user for user in asked)
    assert result.history.steps()[0].gradients
    assert told.tokens.high < 200_000


def test_whatever_a_client_raises_costs_a_step_and_not_the_run():
    class Odd(type(simulated_lm(1).engine)):
        asked = 0

        def complete(self, request):
            Odd.asked += 1
            if Odd.asked == 3:
                raise KeyError("a bug in the client")
            return super().complete(request)

    helper = simulated_lm(1)
    lm = dspy.LM("odd/writer", engine=Odd(helper.engine.settings), cache=False, callbacks=helper.callbacks)
    result = compiled(simulated_lm(0), lm)
    assert [len(record.asked) for record in result.history.steps()][:2] == [2, 1]
    assert any(record.accepted for record in result.history.steps())


def test_a_refused_key_is_told_without_the_key(refusing, tmp_path, caplog):
    key = "marker-key-31415926"
    lm = dspy.LM("openai/refusing", api_base=refusing, api_key=key, num_retries=0, cache=False)
    with pytest.raises(ModelError, match="The task model cannot be used") as caught:
        compiled(lm, simulated_lm(1), log_dir=tmp_path)
    chain, link = [], caught.value
    while link is not None:
        chain.append(str(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    assert key not in "".join(chain)
    result = ended(simulated_lm(0), lm)
    assert result.ended.startswith("The prompt model cannot be used: [openai/refusing]")
    assert key not in json.dumps(result.to_dict()) + caplog.text
