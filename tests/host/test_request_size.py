"""Requests to critic and writer are bounded: examples go first, long values next, instructions never."""

import contextlib
from dataclasses import replace

import dspy
import pytest
from dspy.lm15 import ContextLengthError
from dspy.utils.exceptions import LMInvalidRequestError, LMRateLimitError
from scripted import ScriptedEngine, engine, fields, given, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.errors import ModelError
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.core.update import Note, Update
from dspy_dlpo.host.critic import FOR_WRITER, Critic
from dspy_dlpo.host.fitting import LEAST_TOKENS, MOST_TOKENS, clipped, most_tokens, tokens, window_of
from dspy_dlpo.host.lm_errors import is_too_long
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.prompting import LOST_IN_A_ROW, PromptModel
from dspy_dlpo.host.writer import EditWriter

PROMPT = "Say the class of the thing."
SCRIPTS = {
    "English": "The quick brown fox jumps over the lazy dog, and nobody minds. ",
    "Chinese": "本文提出了一种新的优化方法，用于自动改进提示词。",
    "Russian": "Быстрая лиса перепрыгивает через ленивую собаку. ",
    "Thai": "บทความนี้เสนอวิธีการใหม่ในการปรับปรุงคำสั่ง",
    "numbers": "0.1234 5678 99,120.5 ",
    "code": "if (x[i] != y[j]) { return f(x, y); }\n",
}


def answer(system: str, user: str) -> str:
    return fields(critique="Facts are missing.", edits="[]")


def row(i: int, text: str, calls: int = 1) -> Row:
    steps = tuple(TraceStep("tag", {"text": f"{text} {n}"}, {"label": f"blue {n}"}) for n in range(calls))
    return Row(i, 0.0, {"text": f"case {i} {text}"}, {"label": "red"}, {"label": "blue"}, "told so", trace=steps)


class Talk:
    """A critic and a writer of one predictor, and what they ask."""

    def __init__(self, lm=None, log=None, **how) -> None:
        self.lm = lm or scripted_lm(answer)
        self.model = PromptModel(self.lm, Meter(), log=log)
        self.critic = Critic(self.model, "- tag: text -> label", ["tag"], **how)
        self.writer = EditWriter(self.model, {"tag": "tag"}, {"tag": PROMPT}, evidence=self.critic.evidence)

    def ask(self, rows, prompt=PROMPT, critique="", notes=(), form="edits"):
        """Ask both; `critique` stands in for what the critic said."""
        gradients = self.critic({"tag": prompt}, rows, 1)
        told = tuple(replace(each, text=critique or each.text) for each in gradients)
        self.writer([Update("tag", prompt, told, notes=notes, form=form)], 1)
        return gradients

    @property
    def asked(self) -> list[str]:
        return [system + user for system, user in engine(self.lm).asked]

    def count(self, name: str) -> list[int]:
        return [given(user, name).count("\nscore: ") for _, user in engine(self.lm).asked]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("calls", [1, 5, 60, 400])
def test_no_request_is_longer_than_the_bound_and_each_shows_an_example_to_its_end(script, calls):
    talk = Talk()
    talk.ask([row(i, SCRIPTS[script] * 100, calls) for i in range(8)])
    assert [tokens(text) <= MOST_TOKENS for text in talk.asked] == [True, True]
    for _, user in engine(talk.lm).asked:
        failures = given(user, "failures")
        assert failures.startswith("Example 1\ninput text: case 0 ")
        assert "expected label: red\nfeedback: told so\nscore: 0" in failures


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_one_request_without_a_critic_keeps_to_the_bound_and_shows_an_example_to_its_end(script):
    talk = Talk(asks=False)
    talk.ask([row(i, SCRIPTS[script] * 100, 60) for i in range(8)], form="lines")
    [text] = talk.asked
    assert tokens(text) <= MOST_TOKENS
    assert "Example 1\ninput text: case 0 " in text
    assert "expected label: red\nfeedback: told so\nscore: 0" in text


def test_short_examples_are_all_shown_whole():
    talk = Talk()
    gradients = talk.ask([row(i, "a text of some length") for i in range(8)])
    assert talk.count("failures") == [8, FOR_WRITER]
    assert "[...]" not in "".join(talk.asked)
    assert gradients[0].examples == tuple(range(8))


def test_without_a_critic_the_writer_is_shown_all_short_examples_whole():
    talk = Talk(asks=False)
    gradients = talk.ask([row(i, "a text of some length") for i in range(8)], form="lines")
    [text] = talk.asked
    assert text.count("\nscore: ") == 8
    assert "[...]" not in text
    assert gradients[0].examples == tuple(range(8))


def test_the_last_examples_go_first_and_the_critique_rests_on_the_others():
    talk = Talk()
    gradients = talk.ask([row(i, SCRIPTS["English"] * 22) for i in range(8)])
    shown = talk.count("failures")[0]
    assert 1 < shown < 8
    assert gradients[0].examples == tuple(range(shown))
    assert SCRIPTS["English"] * 20 in talk.asked[0], "what is left is not shortened"


def test_lines_in_the_middle_of_hundreds_of_calls_are_left_out_and_counted():
    talk = Talk()
    talk.ask([row(0, SCRIPTS["English"], 400)])
    failures = given(engine(talk.lm).asked[0][1], "failures")
    assert "lines are left out here]" in failures
    assert "tag was given text: The quick" in failures


def test_instructions_are_whole_whatever_their_length_and_a_warning_says_so(caplog):
    talk, prompt = Talk(), "Mind the step. " * 2000
    talk.ask([row(i, SCRIPTS["English"] * 20) for i in range(8)], prompt)
    assert prompt.strip() in talk.asked[0]
    assert f"[2000] {'Mind the step.'}" in talk.asked[1]
    assert talk.count("failures") == [1, 1]
    assert all(tokens(given(user, "failures")) <= LEAST_TOKENS for _, user in engine(talk.lm).asked)
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert "The instructions of tag" in told[0]
    assert "Shorten them" in told[0]


def test_a_long_critique_and_long_advice_are_bounded():
    talk = Talk()
    long = "A rule is missing here. " * 2000
    talk.ask([row(0, "x")], critique=long, notes=(Note("Before", long),))
    assert tokens(talk.asked[1]) <= MOST_TOKENS
    user = engine(talk.lm).asked[1][1]
    assert min(tokens(given(user, name)) for name in ("critique", "advice")) >= LEAST_TOKENS * 0.8


def test_demos_go_before_the_last_example_is_shortened():
    talk = Talk(demos={"tag": [{"text": SCRIPTS["English"] * 24, "label": "red"}] * 16})
    talk.ask([row(0, "x")])
    assert tokens(talk.asked[0]) <= MOST_TOKENS
    assert 0 < talk.asked[0].count("\nDemo ") < 16


# --- the window of the model ------------------------------------------------------------------------------------------


class WindowedEngine(ScriptedEngine):
    context_window = 9000


def test_a_small_window_makes_smaller_requests():
    lm = dspy.LM("own/small", engine=WindowedEngine(answer), cache=False)
    assert most_tokens(lm) == 2250
    talk = Talk(lm)
    talk.ask([row(i, SCRIPTS["English"] * 10) for i in range(8)])
    assert all(tokens(text) <= 2250 for text in talk.asked)


def test_a_window_is_known_from_the_model_or_from_the_tables():
    assert window_of(dspy.LM("ollama_chat/my-own", num_ctx=2048)) == 2048
    assert window_of(dspy.LM("openai/gpt-4")) == 8192
    assert window_of(scripted_lm(answer)) is None
    assert window_of(scripted_lm(answer, "openai/gpt-4")) is None, "an engine of one's own is in no table"
    assert most_tokens(dspy.LM("openai/gpt-4o-mini")) == MOST_TOKENS


# --- a model that finds it too long -----------------------------------------------------------------------------------


class Narrow(ScriptedEngine):
    """Refuses requests above a number of characters, as providers do."""

    limit, says = 6000, ContextLengthError("This model's maximum context length is 1500 tokens.")

    def complete(self, request):
        user = request.messages[-1].text or ""
        if len(str(request.system)) + len(user) > self.limit:
            with self._lock:
                self.asked.append(("", user))
            raise self.says
        return super().complete(request)


def narrow(limit: int) -> dspy.LM:
    lm = dspy.LM("own/narrow", engine=Narrow(answer), cache=False, num_retries=0)
    engine(lm).limit = limit
    return lm


def test_a_request_that_is_too_long_is_asked_again_with_half_the_examples():
    talk = Talk(narrow(6500))
    gradients = talk.ask([row(i, SCRIPTS["English"] * 8) for i in range(8)])
    assert talk.count("failures") == [8, 4, 4, 2]
    assert gradients[0].examples == (0, 1, 2, 3)


def test_in_the_end_one_example_is_shortened():
    talk = Talk(narrow(3600))
    rows = [row(i, SCRIPTS["English"] * 40) for i in range(8)]
    gradients = talk.ask(rows)
    assert gradients[0].examples == (0,)
    assert talk.count("failures")[-1] == 1
    assert all(tokens(given(user, "failures")) <= LEAST_TOKENS for _, user in engine(talk.lm).asked[-1:])


def test_a_model_that_takes_no_request_at_all_is_given_up_with_its_words():
    talk, rows = Talk(narrow(10)), [row(i, "x") for i in range(8)]
    for step in range(LOST_IN_A_ROW - 1):
        assert talk.critic({"tag": PROMPT}, rows, step) == []
    with pytest.raises(ModelError, match="maximum context length"):
        talk.critic({"tag": PROMPT}, rows, LOST_IN_A_ROW)
    assert len(talk.asked) == 5 * LOST_IN_A_ROW


def test_every_refused_request_is_counted_and_recorded():
    log = RunLog()
    talk = Talk(narrow(6500), log)
    talk.critic({"tag": PROMPT}, [row(i, SCRIPTS["English"] * 8) for i in range(8)], 1)
    assert [done.answer.get("too_long", False) for done in log.state.done.values()] == [True, False]
    assert [done.spent["critic"].calls for done in log.state.done.values()] == [1, 1]
    assert log.state.sent["ask"] == 2


def test_only_what_speaks_of_length_is_too_long():
    assert is_too_long(LMInvalidRequestError("the input exceeds 4096 tokens", model="m"))
    assert is_too_long(ValueError("prompt is too long: 210000 tokens > 200000 maximum"))
    assert not is_too_long(LMRateLimitError("too many tokens per minute", model="m"))
    assert not is_too_long(LMInvalidRequestError("unknown parameter: top_k", model="m"))


@pytest.mark.parametrize(("critic", "limit", "refused"), [(True, 6500, 5000), (False, 3000, 3000)])
def test_a_run_that_goes_on_asks_no_refused_request_again(tmp_path, critic, limit, refused):
    data = [
        dspy.Example(text=f"case {i} {SCRIPTS['English'] * 10}", label="red").with_inputs("text") for i in range(16)
    ]
    program = dspy.Predict(dspy.Signature("text -> label", PROMPT))

    def run(budget: int, stop: int | None = None):
        writing, task = narrow(limit), scripted_lm(lambda system, user: fields(label="blue"))
        told = []

        def on_record(record):
            told.append(record)
            if stop is not None and len(told) > stop:
                raise KeyboardInterrupt

        optimizer = DLPOTeleprompter(
            lambda gold, pred, trace=None: 0.0,
            prompt_model=writing,
            task_model=task,
            budget=Budget(metric_calls=budget),
            log_dir=tmp_path / "run",
            on_record=on_record,
            num_threads=1,
            gradients=1,
            critic=critic,
        )
        with contextlib.suppress(KeyboardInterrupt):
            optimizer.compile(program, trainset=data[:8], valset=data[8:])
        return engine(writing).asked

    first = run(60, stop=1)
    again = run(60)
    assert any(len(user) > refused for _, user in first)
    assert not {user for _, user in first} & {user for _, user in again}


# --- the estimate -----------------------------------------------------------------------------------------------------


def test_an_estimate_is_at_least_as_high_as_common_sense():
    for text in SCRIPTS.values():
        assert tokens(text * 10) >= len(text * 10) / 4
    assert tokens(SCRIPTS["Chinese"]) >= len(SCRIPTS["Chinese"])


def test_a_clipped_text_keeps_its_ends():
    text = clipped("begin " + "word " * 5000 + "end", 100)
    assert text.startswith("begin")
    assert text.endswith("end")
    assert tokens(text) <= 100
    assert clipped("short", 100) == "short"


def test_the_estimate_of_a_run_knows_the_bound():
    data = [dspy.Example(text="word " * 20_000, label="red").with_inputs("text") for _ in range(16)]
    lm = scripted_lm(answer)
    with dspy.context(lm=lm):
        optimizer = DLPOTeleprompter(lambda gold, pred, trace=None: 0.0, budget=Budget(metric_calls=100))
        estimate = optimizer.estimate(dspy.Predict("text -> label"), trainset=data[:8], valset=data[8:])
    [prompt] = [each for each in estimate.models if each.role == "prompt"]
    assert prompt.input_tokens.high <= 1.1 * MOST_TOKENS * prompt.calls.high
