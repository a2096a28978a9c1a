"""Programs that do what one does not think of: each runs under a compile as it runs under `dspy.Evaluate`."""

import threading
from dataclasses import dataclass

import dspy
import pytest
from dspy.lm15 import AuthError
from scripted import fields, given, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter, load_program
from dspy_dlpo.core.roles import RunRequest
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.listening import TRIED
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.prices import Prices
from dspy_dlpo.host.program import EvaluationCopies, protected_text, with_prompts
from dspy_dlpo.host.values import as_text

N = 4 * TRIED
EXAMPLES = [dspy.Example(question=str(i), answer=str(i)).with_inputs("question") for i in range(N)]
FIELDS = ("instructions", "fields")
TOOLS = ("instructions", "tools")


def equal(gold, pred, trace=None):
    return float(pred is not None and gold.answer == pred.answer)


def echo(system, user):
    return fields(answer=given(user, "question"))


def ran(program, lm, metric=equal, prices=None, together=False, **settings):
    """The meter, and the rows of a run on every example, with the model known."""
    meter = Meter(prices)
    evaluate = Evaluator(
        EvaluationCopies(program, listening=meter.listening),
        EXAMPLES,
        MetricAdapter(metric, None),
        meter,
        task_model=lm,
    )
    requests = [RunRequest(read_prompts(program), i) for i in range(N)]
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
    with dspy.context(adapter=adapter, **settings), meter.listening.attached([lm]):
        return meter, evaluate(requests) if together else [row for each in requests for row in evaluate([each])]


class One(dspy.Module):
    """A module with one predictor."""

    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question):
        return self.answer(question=question)


@pytest.mark.filterwarnings("ignore:CodeAct is deprecated:DeprecationWarning")
def test_an_agent_that_writes_code():
    def twice(n: int) -> int:
        """Double a number."""
        return 2 * n

    agent = dspy.CodeAct(dspy.Signature("n -> doubled", "Double it."), tools=[twice])
    assert set(read_prompts(agent)) == {"codeact", "extractor.predict"}
    assert "## Field `generated_code`" not in read_prompts(agent, FIELDS)["codeact"]
    assert protected_text(agent, "codeact").startswith("You are an intelligent agent.")
    assert protected_text(agent, "extractor.predict") == ""


def test_instructions_with_a_heading_that_is_ours():
    text = "You are a clerk.\n\n## Instructions\nBe brief.\n\n## Field `answer`\nOne word."
    program = dspy.Predict(dspy.Signature("question -> answer", text))
    again = with_prompts(program, read_prompts(program, FIELDS), FIELDS)
    assert again.signature.instructions == text
    assert again.signature.equals(program.signature)


def test_a_description_with_blanks_around_it_stays_as_it_was():
    signature = dspy.Signature("question -> answer").with_updated_fields("answer", desc="  a word  ")
    program = dspy.Predict(signature)
    again = with_prompts(program, read_prompts(program, FIELDS), FIELDS)
    assert again.signature.fields["answer"].json_schema_extra["desc"] == "  a word  "


class Client:
    """Holds what cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()

    def search(self, query: str) -> str:
        """Search."""
        return query


def test_the_tool_of_a_client_has_a_description_of_its_own_in_every_copy():
    client = Client()
    agent = dspy.ReActV2("question -> answer", tools=[client.search])
    prompts = {name: text.replace("Search.", "Look it up.") for name, text in read_prompts(agent, TOOLS).items()}
    copied = with_prompts(agent, prompts, TOOLS)
    assert (agent.tools["search"].desc, copied.tools["search"].desc) == ("Search.", "Look it up.")
    assert copied.tools["search"].func.__self__ is client


def search(query: str) -> str:
    """Search."""
    return query


class Agents(dspy.Module):
    """Agents in a dict, and one on two paths."""

    def __init__(self):
        super().__init__()
        self.agents = {"a": dspy.ReActV2("question -> answer", tools=[search])}
        self.inner = One()
        self.inner.agent = self.agent = dspy.ReActV2("question -> answer", tools=[search])


def test_tool_descriptions_are_loaded_wherever_the_agent_stands(tmp_path):
    prompts = read_prompts(Agents(), TOOLS)
    changed = {name: text.replace("Search.", "Look it up.") for name, text in prompts.items()}
    better = with_prompts(Agents(), changed, TOOLS)
    better.save(tmp_path / "better.json")
    Agents().save(tmp_path / "plain.json")
    assert read_prompts(load_program(Agents(), tmp_path / "better.json"), TOOLS) == changed
    load_program(better, tmp_path / "plain.json")  # a file without any


def test_a_metric_of_costs_sees_what_dspy_tracks():
    def frugal(gold, pred, trace=None):
        return float(sum(each["total_tokens"] for each in pred.get_lm_usage().values()))

    meter, rows = ran(One(), scripted_lm(echo), frugal, track_usage=True)
    assert {row.score for row in rows} == {12.0}
    assert meter.totals()["task"]["calls"] == N
    assert meter.totals()["task"]["input_tokens"] == 10 * N


def test_a_tracker_around_a_compile_sees_what_it_used():
    lm = scripted_lm(echo)
    with dspy.context(lm=lm), dspy.track_usage() as tracker:
        optimizer = DLPOTeleprompter(equal, budget=Budget(metric_calls=60), num_threads=4)
        spent = optimizer.compile(One(), trainset=EXAMPLES[:16], valset=EXAMPLES[16:]).detailed_results.spent
    used = tracker.get_total_tokens()["scripted/one"]["prompt_tokens"]
    assert used == sum(each["input_tokens"] for each in spent.values() if isinstance(each, dict)) > 0


class Escalating(One):
    """Hands one late question to a model that nobody knows of."""

    def __init__(self, late, tracks=False):
        super().__init__()
        self.late, self.tracks = [late], tracks

    def forward(self, question):
        if int(question) != 2 * TRIED:
            return super().forward(question)
        with dspy.context(lm=self.late[0]):
            if not self.tracks:
                return super().forward(question)
            with dspy.track_usage():
                return super().forward(question)


@pytest.mark.parametrize("tracks", [False, True])
def test_a_model_that_shows_late_has_its_price(tracks, address):
    late = dspy.LM("openai/gpt-4o", api_base=address, api_key="none", cache=False)
    meter, _ = ran(Escalating(late, tracks), scripted_lm(echo), prices=Prices({"scripted/one": (1.0, 1.0)}))
    task = meter.totals()["task"]
    assert task["calls"] == N
    assert task["usd"] > (N - 1) * 12e-6


def test_a_module_that_counts_its_failures_down_starts_every_run_anew():
    def answer(system, user):
        return echo(system, user) if int(given(user, "question")) % 3 else "no field at all"

    program = dspy.BestOfN(dspy.Predict("question -> answer"), N=2, reward_fn=lambda args, pred: 1.0, threshold=0.5)
    _, rows = ran(program, scripted_lm(answer))
    assert [row.score for row in rows] == [float(i % 3 > 0) for i in range(N)]
    assert len({row.failure for row in rows if row.example % 3 == 0}) == 1
    assert program.fail_count == 2


class FallingBack(One):
    """Asks a model without a key first, and then the one that everybody has."""

    def __init__(self, best):
        super().__init__()
        self.best = best

    def forward(self, question):
        try:
            with dspy.context(lm=self.best):
                return super().forward(question)
        except Exception:
            return super().forward(question)


def test_a_model_that_the_program_can_do_without_is_not_to_blame():
    def dead(system, user):
        raise AuthError("no key")

    def answer(system, user):
        return "no field at all" if given(user, "question") == str(N - 1) else echo(system, user)

    meter, rows = ran(FallingBack(scripted_lm(dead, name="scripted/best")), scripted_lm(answer))
    assert [row.failure for row in rows] == [""] * (N - 1) + ["program"]
    assert "AdapterParseError" in rows[-1].error
    assert meter.totals()["task"]["failures"] == N


class Called(dspy.Module):
    """Says in `__call__` what others say in `forward`."""

    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def __call__(self, question):
        return self.answer(question=question)


def test_a_program_without_forward():
    _, rows = ran(Called(), scripted_lm(echo))
    assert {row.score for row in rows} == {1.0}


@dataclass
class Order:
    """Has items that are no method."""

    items: list[str]


class Mute:
    """Cannot be written down."""

    def __str__(self):
        raise ValueError("no words")


def test_answers_that_are_no_fields():
    assert as_text(Order(["tea"])) == {"value": "Order(items=['tea'])"}
    assert as_text(dspy.Prediction(answer=Mute())) == {"answer": "[Mute]"}


class Holder:
    """Not a module."""

    def __init__(self, lm):
        self.lm = lm


def test_nothing_of_ours_stays_at_the_models_of_the_returned_program():
    program, lm = One(), scripted_lm(echo)
    program.holder = Holder(lm)
    with dspy.context(lm=lm):
        optimizer = DLPOTeleprompter(equal, budget=Budget(metric_calls=60), num_threads=1)
        better = optimizer.compile(program, trainset=EXAMPLES[:16], valset=EXAMPLES[16:])
    assert better.holder.lm.callbacks == []
    assert lm.callbacks == []
