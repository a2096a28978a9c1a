"""The price is told before anything is spent, and the bill lies in the range that was told."""

import dataclasses
import json

import dspy
import pytest
from scripted import fields, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter, Estimate, Momentum, Regularization, Technique
from dspy_dlpo.simulation import engine_of, simulated_lm, simulated_task, task_names

WIDEST = 3.0


def optimizer_of(task, seed=0, budget=None, **settings):
    task_lm, prompt_lm = simulated_lm(seed), simulated_lm(seed + 100)
    prices = {task_lm.model: (0.15, 0.6), prompt_lm.model: (2.5, 10.0)}
    budget = budget or Budget(metric_calls=600, prices=prices)
    models = {"task_model": task_lm, "prompt_model": prompt_lm}
    return DLPOTeleprompter(task.metric, budget=budget, seed=seed, **models, **settings)


def data(task):
    return {"trainset": task.trainset, "valset": task.valset}


@pytest.fixture(scope="module")
def bills():
    """Twenty runs: what was told of each, and what it cost."""
    found = []
    for number in range(20):
        task = simulated_task(task_names()[number % 2], seed=number, n_train=60, n_val=40)
        optimizer = optimizer_of(task, seed=number, num_threads=1)
        told = optimizer.estimate(task.program, **data(task))
        spent = optimizer.compile(task.program, **data(task)).detailed_results.spent
        roles = [spent[role] for role in ("task", "critic", "writer") if role in spent]
        tokens = sum(role["input_tokens"] + role["output_tokens"] for role in roles)
        bill = {"calls": sum(role["calls"] for role in roles), "tokens": tokens, "usd": spent["usd"]}
        found.append((told, {**bill, "metric_calls": spent["metric_calls"]}))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("what", ["metric_calls", "calls", "tokens", "usd"])
def test_the_bill_lies_in_the_range_that_was_told(bills, what):
    spans = [getattr(told, what) for told, _ in bills]
    pairs = [(span, bill[what]) for span, (_, bill) in zip(spans, bills, strict=True)]
    assert sum(span.low <= spent <= span.high for span, spent in pairs) >= 17, "a run that solves its task is cheaper"
    assert sum(spent > span.high for span, spent in pairs) <= 1
    assert all(span.high <= WIDEST * span.low + 1e-9 for span in spans)


@pytest.mark.slow
def test_the_upper_end_of_the_runs_is_the_budget(bills):
    assert {told.metric_calls.high for told, _ in bills} == {600}


def test_a_bill_lies_in_the_range_that_was_told():
    task = simulated_task("object_counting", seed=1, n_train=60, n_val=40)
    optimizer = optimizer_of(task, seed=1, num_threads=1)
    told = optimizer.estimate(task.program, **data(task))
    spent = optimizer.compile(task.program, **data(task)).detailed_results.spent
    assert told.usd.low <= spent["usd"] <= told.usd.high
    assert told.metric_calls.low <= spent["metric_calls"] <= told.metric_calls.high == 600


def test_nothing_is_asked_without_probes():
    task = simulated_task("object_counting", n_train=20, n_val=20)
    lm = simulated_lm(0)
    told = DLPOTeleprompter(task.metric, task_model=lm, prompt_model=lm).estimate(task.program, **data(task))
    assert engine_of(lm).counts.calls == 0
    assert told.usd is None, "a price that is not known is not 0"
    assert "unknown" in str(told)


@pytest.mark.parametrize("probe", [1, 3])
def test_a_probe_measures_calls_and_tokens(probe):
    task = simulated_task("support_desk", n_train=20, n_val=20)
    task_lm, prompt_lm = simulated_lm(0), simulated_lm(1)
    optimizer = DLPOTeleprompter(task.metric, task_model=task_lm, prompt_model=prompt_lm)
    told = optimizer.estimate(task.program, **data(task), probe=probe)
    assert engine_of(task_lm).counts.calls == 2 * probe, "two predictors"
    assert engine_of(prompt_lm).counts.calls == 0
    assert told.probed == probe
    model = next(each for each in told.models if each.role == "task")
    assert model.calls.high == 2 * told.metric_calls.high
    measured = engine_of(task_lm).counts.output_tokens / probe
    assert model.output_tokens.low <= measured * told.metric_calls.high <= model.output_tokens.high


def test_a_probe_asks_past_the_cache(tmp_path):
    before = dspy.cache
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    try:
        task = simulated_task("object_counting", n_train=20, n_val=20)
        lm = scripted_lm(lambda system, user: fields(answer="4")).copy(cache=True)
        optimizer = DLPOTeleprompter(task.metric, task_model=lm, prompt_model=lm)
        first, second = (optimizer.estimate(task.program, **data(task), probe=2) for _ in range(2))
    finally:
        dspy.cache = before
    assert first.tokens == second.tokens


def test_a_probe_counts_a_metric_that_asks_a_model():
    judge = scripted_lm(lambda system, user: fields(verdict="yes"), name="scripted/judge")

    def metric(gold, pred, trace=None):
        with dspy.context(lm=judge):
            return float(dspy.Predict("answer -> verdict")(answer=pred.answer).verdict == "yes")

    task = simulated_task("object_counting", n_train=20, n_val=20)
    lm = simulated_lm(0)
    told = DLPOTeleprompter(metric, task_model=lm, prompt_model=lm).estimate(task.program, **data(task), probe=2)
    assert "scripted/judge" in [each.model for each in told.models]


def test_each_model_of_a_program_is_told_apart():
    task = simulated_task("support_desk", n_train=20, n_val=20)
    cheap, dear, writer = (simulated_lm(seed) for seed in (0, 1, 2))
    task.program.extract.lm = cheap
    optimizer = DLPOTeleprompter(task.metric, task_model=dear, prompt_model=writer)
    for probe in (0, 1):
        told = optimizer.estimate(task.program, **data(task), probe=probe)
        assert [each.model for each in told.models] == [cheap.model, dear.model, writer.model]


@pytest.mark.parametrize(
    "limits", [{"lm_calls": 400}, {"tokens": 100_000}, {"usd": 0.05}, {"metric_calls": 900, "tokens": 100_000}]
)
def test_every_limit_bounds_the_runs(limits):
    task = simulated_task("object_counting", n_train=20, n_val=20)
    prices = {simulated_lm(seed).model: (1.0, 4.0) for seed in (0, 100)}
    optimizer = optimizer_of(task, budget=Budget(**limits, prices=prices))
    told = optimizer.estimate(task.program, **data(task))
    assert 50 <= told.metric_calls.high <= 900
    spent = optimizer.compile(task.program, **data(task)).detailed_results.spent
    assert spent["metric_calls"] <= told.metric_calls.high


def test_a_limit_on_time_alone_needs_a_probe():
    task = simulated_task("object_counting", n_train=20, n_val=20)
    optimizer = optimizer_of(task, budget=Budget(seconds=10))
    with pytest.raises(ValueError, match=r"Only the time is limited.*Pass probe=3"):
        optimizer.estimate(task.program, **data(task))
    assert optimizer.estimate(task.program, **data(task), probe=2).metric_calls.high > 100


@pytest.mark.parametrize("probe", [-1, 4, 1.5, True, "2"])
def test_an_illegal_probe_is_refused(probe):
    task = simulated_task("object_counting", n_train=20, n_val=20)
    with pytest.raises(ValueError, match="probe="):
        optimizer_of(task).estimate(task.program, **data(task), probe=probe)


def test_a_program_that_fails_on_a_probe_is_told():
    task = simulated_task("object_counting", n_train=20, n_val=20)

    class Broken(dspy.Module):
        def __init__(self):
            super().__init__()
            self.solve = dspy.Predict("question -> answer")

        def forward(self, question):
            raise KeyError("no such tool")

    with pytest.raises(ValueError, match="failed on a probe: KeyError"):
        optimizer_of(task).estimate(Broken(), **data(task), probe=1)


def test_a_module_that_loops_is_named():
    def look(city: str) -> str:
        """Look a city up."""
        return city

    task = simulated_task("object_counting", n_train=20, n_val=20)
    agent = dspy.ReAct("question -> answer", tools=[look])
    told = optimizer_of(task).estimate(agent, **data(task))
    assert any("pass probe=3" in note for note in told.notes)
    assert "pass probe=3" in str(told)


def test_demos_and_long_prompts_are_counted():
    task = simulated_task("object_counting", n_train=20, n_val=20)
    plain = optimizer_of(task).estimate(task.program, **data(task))
    task.program.solve.demos = [dspy.Example(question="long " * 500, answer="1")]
    with_demos = optimizer_of(task).estimate(task.program, **data(task))
    assert with_demos.tokens.low > plain.tokens.low + 500 * plain.metric_calls.low


def test_an_estimate_is_plain_data():
    task = simulated_task("object_counting", n_train=20, n_val=20)
    told = optimizer_of(task).estimate(task.program, **data(task))
    assert isinstance(told, Estimate)
    assert json.loads(json.dumps(told.to_dict()))["metric_calls"]["high"] == 600
    assert set(told.to_dict()) >= {"metric_calls", "models", "calls", "tokens", "usd"}


def test_metric_models_are_not_taken_for_the_programs():
    judge = scripted_lm(lambda system, user: fields(verdict="yes"), name="scripted/judge")
    task = simulated_task("object_counting", n_train=20, n_val=20)
    with dspy.context(lm=judge):
        told = optimizer_of(task).estimate(task.program, **data(task), probe=1)
    assert "scripted/judge" not in [each.model for each in told.models]


def tokens_of_the_task_model(techniques, instructions="Count the objects."):
    task = simulated_task("object_counting", n_train=50, n_val=50)
    program = dspy.Predict(dspy.Signature("question -> answer", instructions))
    optimizer = optimizer_of(task, techniques=techniques)
    told = optimizer.estimate(program, **data(task))
    return next(each for each in told.models if each.role == "task").input_tokens.high


def test_only_a_limit_of_the_prompts_words_limits_their_growth():
    """Words of advice are none of the prompt, whatever the field is called."""
    without = tokens_of_the_task_model([])
    assert tokens_of_the_task_model([Momentum(max_words=1)]) == without
    assert tokens_of_the_task_model([Regularization(max_words=50)]) < without
    assert tokens_of_the_task_model([Momentum(), Regularization(max_words=50)]) < without
    assert tokens_of_the_task_model([Regularization(max_words=500)]) == without


def test_a_technique_of_ones_own_says_its_limit_and_whether_it_prunes():
    @dataclasses.dataclass(frozen=True)
    class Terse(Technique):
        prune: bool = True  # a field of this name says nothing

        def apply(self, update, ctx):
            return update

        def word_limit(self):
            return 3

    task = simulated_task("object_counting", n_train=20, n_val=20)
    assert not optimizer_of(task, techniques=[Terse()]).settings.prunes
    assert optimizer_of(task, techniques=[Regularization()]).settings.prunes
    long = "Count the objects, and say how many there are."
    at_its_limit = tokens_of_the_task_model([Terse()], long)
    assert at_its_limit < tokens_of_the_task_model([], long)


def pictured(number, count=1):
    pictures = [dspy.Image(f"data:image/png;base64,{'A' * 4000}{number}")] * count
    return dspy.Example(pictures=pictures, question=f"{number}?", answer="a").with_inputs("pictures", "question")


def told_of(trainset, model="openai/gpt-4o", signature="pictures: list[dspy.Image], question -> answer", **options):
    lm = dspy.LM(model, **options)
    optimizer = DLPOTeleprompter(lambda gold, pred, trace=None: 1.0, task_model=lm, prompt_model=lm)
    return optimizer.estimate(dspy.Predict(signature), trainset=trainset, valset=[])


def test_images_are_counted_and_said():
    bare, one, three = (told_of([pictured(i, count) for i in range(20)]) for count in (0, 1, 3))
    tokens = [each.models[0].input_tokens.high for each in (bare, one, three)]
    assert tokens[1] - tokens[0] == pytest.approx(600 * 1600, rel=0.1)
    assert tokens[2] - tokens[0] == pytest.approx(600 * 4800, rel=0.1)
    assert "An image is taken to be 85 to 1,600 tokens" in str(one)
    assert "image" not in str(bare)


def test_sounds_and_files_are_said():
    sound = dspy.Audio(data="AAAA", audio_format="wav")
    said = str(told_of([dspy.Example(sound=sound, answer="a").with_inputs("sound")] * 20, signature="sound -> answer"))
    assert "The tokens of sound are not counted" in said


QUESTIONS = [dspy.Example(question=f"{i}?", answer="a").with_inputs("question") for i in range(20)]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("openai/o3-mini", {}),
        ("openai/gpt-5", {}),
        ("deepseek/deepseek-reasoner", {}),
        ("openai/any", {"reasoning_effort": "low"}),
        ("anthropic/claude-any", {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
    ],
)
def test_a_model_that_thinks_is_said_and_counted(model, options):
    plain = told_of(QUESTIONS, signature="question -> answer")
    told = told_of(QUESTIONS, model, "question -> answer", **options)
    assert f"{model} may think before an answer" in str(told)
    assert "think" not in str(plain)
    for one, other in zip(plain.models, told.models, strict=True):
        assert other.output_tokens.high >= one.output_tokens.high + one.calls.high * 1000


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("openai/gpt-5-chat-latest", {}),
        ("xai/grok-4-fast-non-reasoning", {}),
        ("openai/gpt-5", {"reasoning_effort": "none"}),
        ("anthropic/claude-any", {"thinking": {"type": "disabled"}}),
    ],
)
def test_a_model_that_does_not_think_is_not_said_to(model, options):
    assert "think" not in str(told_of(QUESTIONS, model, "question -> answer", **options))


def test_what_was_left_out_of_the_valset_is_said():
    task = simulated_task("object_counting", n_train=20, n_val=20)
    told = optimizer_of(task).estimate(task.program, trainset=task.trainset, valset=task.trainset)
    assert "Nothing is held out, as the inputs of all 20 valset examples" in str(told)
