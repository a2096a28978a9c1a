"""DSPy's own modules, async programs, typed outputs, adapters and models of every predictor."""

import asyncio
import json
from typing import Literal

import dspy
import pytest
from compiling import VAL, called, compiled, learned, right, rows_of, scores
from dspy.adapters.baml_adapter import BAMLAdapter
from engine import ProgramEngine, asked, program_lm, solved
from pydantic import BaseModel


def look_up(number: int) -> str:
    """Look a number up."""
    return f"observed {number}"


class Sampled(dspy.Module):
    """Twins of an equal signature, run several times by a module that copies them."""

    def __init__(self, sampler):
        super().__init__()
        self.sampler = sampler

    def forward(self, question):
        return self.sampler(question=question)


class Pair(dspy.Module):
    def __init__(self):
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.Predict("question -> answer")

    def forward(self, question):
        self.first(question=question)
        return self.second(question=question)


class Compared(dspy.Module):
    def __init__(self):
        super().__init__()
        self.attempt = dspy.ChainOfThought("question -> answer")
        self.compare = dspy.MultiChainComparison("question -> answer", M=2)

    def forward(self, question):
        attempts = self.attempt(question=question, config={"n": 2, "temperature": 1.0}).completions
        return self.compare(completions=[dict(attempts[i].items()) for i in range(2)], question=question)


def any_number(args, prediction):
    return float(prediction.answer != "unknown")


def never(args, prediction):
    return 0.0


def react(**kwargs):
    return dspy.ReAct("question -> answer", tools=[look_up], **kwargs)


AGENT = {
    "next_thought": lambda call: "Go on.",
    "next_tool_name": lambda call: "look_up" if call.knows and "observation_0" not in call.user else "finish",
    "next_tool_args": lambda call: json.dumps({"number": call.number} if "observation_0" not in call.user else {}),
    "answer": lambda call: str(call.number) if f"observed {call.number}" in call.user or call.number % 3 == 0 else "?",
}


def tool_calls(call):
    name, args = "submit", {"answer": solved(call)}
    if call.knows and "observed" not in call.all:
        name, args = "look_up", {"number": call.number}
    return json.dumps({"tool_calls": [{"name": name, "args": args}]})


def test_a_chain_of_thought_learns():
    better = compiled(dspy.ChainOfThought("question -> answer"))
    assert learned(better) == ["predict"]
    assert scores(better) == 1.0


def test_react_learns_and_keeps_its_tools():
    lm = program_lm(**AGENT)
    student = react()
    better = compiled(student, lm, calls=120)
    assert "react" in learned(better)
    assert scores(better, lm) == 1.0
    rules = student.react.signature.instructions.partition("You are an Agent.")[2]
    for line in filter(None, rules.splitlines()):
        assert line in better.react.signature.instructions
    assert called(rows_of(better, lm)[0]) == ["react", "react", "extract.predict"]


def test_the_second_react_agent_learns_and_keeps_its_rules():
    lm = program_lm(next_thought=lambda call: "Go on.", tool_calls=tool_calls)
    student = dspy.ReActV2("question -> answer", tools=[look_up])
    better = compiled(student, lm)
    assert learned(better) == ["react"]
    assert scores(better, lm) == 1.0
    rules = student.react.signature.instructions.partition("You are an Agent.")[2]
    for line in filter(None, rules.splitlines()):
        assert line in better.react.signature.instructions


def test_each_call_of_an_agent_is_shown_with_the_history_that_it_had():
    turns = []

    def calls(call):
        turns.append(1)
        name, args = ("look_up", {"number": 7}) if len(turns) < 3 else ("submit", {"answer": "7"})
        return json.dumps({"tool_calls": [{"name": name, "args": args}]})

    lm = program_lm(next_thought=lambda call: "Go on.", tool_calls=calls)
    row = rows_of(dspy.ReActV2("question -> answer", tools=[look_up]), lm, data=VAL[:1])[0]
    assert [step.predictor for step in row.trace] == ["react"] * 3
    assert [len(json.loads(step.inputs["history"])["messages"]) for step in row.trace] == [0, 1, 2]
    assert {step.inputs["tools"] for step in row.trace} == {"look_up, submit"}


@pytest.mark.parametrize("sampler", [dspy.BestOfN, dspy.Refine])
def test_a_module_that_copies_its_module_learns(sampler, capsys):
    student = Sampled(sampler(module=dspy.ChainOfThought("question -> answer"), N=2, reward_fn=any_number, threshold=1))
    better = compiled(student, calls=80)
    assert learned(better) == ["sampler.module.predict"]
    assert scores(better) == 1.0


@pytest.mark.parametrize("threads", [1, 8])
def test_predictors_in_copies_are_told_apart_in_every_one_of_200_calls(threads):
    student = Sampled(dspy.BestOfN(module=Pair(), N=2, reward_fn=any_number, threshold=1.0))
    rows = rows_of(student, data=VAL[:2] * 50, threads=threads)
    steps = [step.predictor for row in rows for step in row.trace]
    assert steps == ["sampler.module.first", "sampler.module.second"] * 100


@pytest.mark.parametrize("own", [False, True], ids=["the general model", "a model of its own"])
@pytest.mark.parametrize("rollout", [0, 1, 2])
def test_attempts_differ_in_a_repetition_too_and_no_cache_answers_them(own, rollout):
    before = dspy.cache
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    try:
        lm = program_lm(f"programs/{own}-{rollout}", cache=True)
        student = Sampled(dspy.BestOfN(module=Pair(), N=3, reward_fn=never, threshold=1.0))
        if own:
            student.set_lm(lm)
        for each in range(rollout + 1):
            rows_of(student, lm, data=VAL[:1], rollout=each)
    finally:
        dspy.cache = before
    assert len(asked(lm)) == (rollout + 1) * 3  # the twins ask the same, so that the cache answers one of them


def test_a_model_that_cannot_be_copied_is_asked_itself_in_a_repetition():
    lm = program_lm()
    lm.kwargs["api_key"] = "of a connection"  # DSPy refuses to copy it beside an engine of its own
    rows = rows_of(dspy.Predict("question -> answer"), lm, rollout=1)
    assert {row.failure for row in rows} == {""}


def test_what_a_program_builds_as_it_runs_is_asked_afresh_in_a_repetition():
    class Built(dspy.Module):
        def __init__(self):
            super().__init__()
            self.first = dspy.Predict("question -> answer")

        def forward(self, question):
            return dspy.ChainOfThought("question -> answer")(question=self.first(question=question).answer)

    before = dspy.cache
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    try:
        lm = program_lm("programs/built", cache=True)
        for rollout in (0, 0, 1, 1):
            rows_of(Built(), lm, data=VAL[:1], rollout=rollout)
    finally:
        dspy.cache = before
    assert len(asked(lm)) == 4


def test_a_run_whose_every_attempt_was_lost_in_transport_is_missing_and_not_wrong(capsys):
    from dspy.lm15 import RateLimitError

    def busy(call):
        raise RateLimitError("later")

    student = Sampled(dspy.BestOfN(module=Pair(), N=1, reward_fn=any_number, threshold=1.0))
    row = rows_of(student, program_lm(answer=busy), data=VAL[:1])[0]
    assert (row.score, row.failure) == (None, "transport")


def test_a_metric_may_run_a_module_that_extends_the_trace():
    judge = dspy.BestOfN(module=dspy.Predict("question -> answer"), N=1, reward_fn=any_number, threshold=1.0)

    def metric(gold, pred, trace=None):
        judge(question=gold.question)
        return right(gold, pred)

    rows = rows_of(dspy.Predict("question -> answer"), metric=metric)
    assert {row.failure for row in rows} == {""}


@pytest.mark.filterwarnings("ignore:.*prefix.*:DeprecationWarning")
def test_a_comparison_of_chains_learns():
    lm = program_lm()
    better = compiled(Compared(), lm)
    assert scores(better, lm) == 1.0
    assert called(rows_of(better, lm)[0]) == ["attempt.predict", "compare.predict"]


# --- async ------------------------------------------------------------------------------------------------------------


class Async(dspy.Module):
    """It has no `forward`."""

    def __init__(self):
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.Predict("question -> answer")

    async def aforward(self, question):
        _, second = await asyncio.gather(self.first.acall(question=question), self.second.acall(question=question))
        return second


@pytest.mark.parametrize("threads", [1, 4])
def test_a_program_that_is_only_async_learns(threads):
    better = compiled(Async(), threads=threads)
    assert "second" in learned(better)
    with dspy.context(lm=program_lm()):
        assert asyncio.run(better.acall(question=VAL[0].question)).answer == VAL[0].answer
    assert sorted(called(rows_of(better, threads=threads)[0])) == ["first", "second"]


def test_a_program_that_is_only_async_learns_where_a_loop_runs_already():
    async def in_a_notebook():
        return compiled(Async())

    assert "second" in learned(asyncio.run(in_a_notebook()))


def test_an_async_program_that_was_made_sync_learns():
    better = compiled(dspy.syncify(Async()))
    assert scores(better) == 1.0


def test_a_streaming_wrapper_leaves_program_and_result_alone():
    student = dspy.ChainOfThought("question -> answer")
    dspy.streamify(student)
    better = compiled(student)

    async def streamed():
        return [each async for each in dspy.streamify(better)(question=VAL[0].question)]

    with dspy.context(lm=program_lm()):
        *_, last = asyncio.run(streamed())
    assert last.answer == VAL[0].answer
    assert scores(better) == 1.0


# --- types, demos, adapters, models -----------------------------------------------------------------------------------


class Found(BaseModel):
    value: str
    sure: bool


TYPES = {
    "model": (Found, lambda call: json.dumps({"value": solved(call), "sure": True}), lambda found: found.value),
    "models": (
        list[Found],
        lambda call: json.dumps([{"value": solved(call), "sure": True}]),
        lambda found: found[0].value,
    ),
    "list": (list[str], lambda call: json.dumps([solved(call)]), lambda found: found[0]),
    "literal": (Literal["odd", "even"], lambda call: "even" if call.number % 2 == 0 or not call.knows else "odd", str),
    "int": (int, lambda call: solved(call).replace("unknown", "-1"), str),
}


@pytest.mark.parametrize("kind", TYPES)
def test_typed_outputs_are_learned_and_kept(kind):
    annotation, reply, read = TYPES[kind]
    lm = program_lm(answer=reply)
    signature = dspy.Signature("question -> answer").with_updated_fields("answer", type_=annotation)

    def metric(gold, pred, trace=None):
        wanted = ("odd", "even")[int(gold.answer) % 2 == 0] if kind == "literal" else gold.answer
        return float(read(pred.answer) == wanted)

    better = compiled(dspy.Predict(signature), lm, metric=metric)
    assert better.signature.output_fields["answer"].annotation == annotation
    assert scores(better, lm, metric=metric) == 1.0


def test_objects_are_shown_as_the_model_wrote_them():
    annotation, reply, _ = TYPES["models"]
    signature = dspy.Signature("question -> answer").with_updated_fields("answer", type_=annotation)
    row = rows_of(
        dspy.Predict(signature), program_lm(answer=reply), data=VAL[:1], metric=lambda gold, pred, trace=None: 0.0
    )[0]
    assert json.loads(row.outputs["answer"]) == [{"value": "unknown", "sure": True}]
    assert row.trace[0].outputs == row.outputs


ADAPTERS = {
    "chat": dspy.ChatAdapter,
    "json": dspy.JSONAdapter,
    "xml": dspy.XMLAdapter,
    "baml": BAMLAdapter,
}


@pytest.mark.parametrize("critic", [True, False])
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_program_learns_under_every_adapter_and_each_role_is_asked_in_one_form(name, critic):
    lm, adapter = program_lm(), ADAPTERS[name]()
    better = compiled(dspy.ChainOfThought("question -> answer"), lm, adapter=adapter, critic=critic)
    assert learned(better) == ["predict"]
    assert scores(better, lm, adapter=adapter) == 1.0
    critiques = [call for call in asked(lm) if "critique" in call.outputs]
    edits = [call for call in asked(lm) if "edits" in call.outputs]
    assert (bool(critiques), bool(edits)) == (critic, True)
    assert all("[[ ## completed ## ]]" in call.system for call in critiques)
    assert not any(call.system or "[[ ##" in call.user for call in edits)


def test_demos_are_kept_and_used():
    demo = dspy.Example(question="What is one?", answer="1", augmented=True)
    student = Pair()
    student.second.demos = [demo, {"question": "What is two?", "answer": "2"}]
    lm = program_lm()
    better = compiled(student, lm)
    assert better.second.demos == student.second.demos
    assert scores(better, lm) == 1.0


@pytest.mark.parametrize("critic", [True, False])
def test_every_predictor_keeps_and_asks_its_own_model(critic):
    one, two = program_lm("programs/first"), program_lm("programs/second")
    student = Pair()
    student.first.lm, student.second.lm = one, two
    prompt_model, general = program_lm("programs/prompts"), program_lm("programs/general")
    better = compiled(student, general, prompt_model=prompt_model, threads=4, critic=critic)
    assert (better.first.lm, better.second.lm) == (one, two)
    runs = better.detailed_results.spent["metric_calls"]
    assert (len(asked(one)), len(asked(two)), len(asked(general))) == (runs, runs, 0)
    assert {call.outputs for call in asked(prompt_model)} == {("edits",)} | ({("critique",)} if critic else set())
    assert scores(better, general) == 1.0


def test_a_predictor_whose_replies_cannot_be_read_is_criticized():
    class Strict(dspy.Module):
        def __init__(self):
            super().__init__()
            self.first = dspy.Predict("question -> facts")
            self.second = dspy.Predict("question -> answer: int")

        def forward(self, question):
            self.first(question=question)
            return self.second(question=question)

    lm = program_lm()
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
    better = compiled(Strict(), lm, adapter=adapter)
    assert "second" in learned(better)
    step = better.detailed_results.history.steps()[0]
    assert {gradient.predictor for gradient in step.gradients} == {"first", "second"}
    row = rows_of(Strict(), lm, data=VAL[:1])[0]
    assert called(row) == ["first", "second"]
    assert "unknown" in row.trace[1].outputs["unreadable reply"]


def test_a_program_with_what_cannot_be_copied_learns():
    class Connected(Pair):
        def __init__(self):
            super().__init__()
            self.client = {"engine": ProgramEngine().lock}

    student = Connected()
    better = compiled(student)
    assert "second" in learned(better)
    assert better.client["engine"] is student.client["engine"]
