"""Bad input gets a clear error before money is spent, or is worked with correctly."""

import dspy
import numpy as np
import pytest

from dspy_dlpo import (
    AcceptAll,
    Budget,
    Controller,
    ControllerError,
    DLPOTeleprompter,
    Dropout,
    EditJudge,
    LearningRate,
    MetricError,
    ModelError,
    ProgramError,
    ResumeError,
    RunDirectoryError,
)
from dspy_dlpo.simulation import engine_of, simulated_lm, simulated_task

TASK = simulated_task("object_counting", n_train=24, n_val=8)


def right(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


class Asking(dspy.Module):
    def __init__(self):
        super().__init__()
        self.solve = dspy.Predict("question -> answer")

    def forward(self, question):
        return self.solve(question=question)


class Tabled(list):
    """Stands for a table of another package, which may not be installed."""


def table(package, kind):
    return type(kind, (Tabled,), {"__module__": f"{package}.core"})()


MISSPELT = [dspy.Example(question="q", answer="a").with_inputs("qestion")]
OTHERS = [dspy.Example(qestion=str(i), answer="a").with_inputs("qestion") for i in range(12)]
TOO_MUCH = [dspy.Example(question=str(i), kind="k", answer="a").with_inputs("question", "kind") for i in range(12)]


def attempt(*, metric=right, program=None, trainset=None, valset=None, lm=None, **settings):
    """Compile; return the error, and how many calls were paid for."""
    lm = lm or simulated_lm(0)
    with dspy.context(lm=lm), pytest.raises((ValueError, TypeError, MetricError, ProgramError, ModelError)) as caught:
        DLPOTeleprompter(metric, **{"budget": Budget(60), **settings}).compile(
            program or TASK.program, trainset=TASK.trainset if trainset is None else trainset, valset=valset
        )
    return str(caught.value), engine_of(lm).counts.calls


UNMARKED = [dspy.Example(question="q", answer="a")]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"trainset": []}, "trainset is empty. Pass"),
        ({"trainset": [{"question": "q"}]}, r"trainset[0] is a dict. Pass dspy.Example"),
        ({"trainset": UNMARKED}, "with_inputs"),
        ({"valset": UNMARKED}, "valset[0] does not say which fields are inputs"),
        ({"trainset": [("q", "a")]}, "trainset[0] is a tuple. Pass dspy.Example objects: [dspy.Example("),
        ({"trainset": {"question": ["q"]}}, "trainset is a dict. Pass a list of dspy.Example"),
        ({"trainset": "train.csv"}, "trainset is a str. Pass a list"),
        ({"trainset": 3}, "trainset is a int. Pass a list"),
        ({"trainset": TASK.trainset[0]}, "trainset is one Example. Pass a list"),
        ({"trainset": iter(())}, "trainset is empty. Pass the examples to learn from, as a list: an iterator"),
        ({"trainset": table("pandas", "DataFrame")}, """for row in trainset.to_dict("records")]."""),
        ({"valset": table("pandas", "DataFrame")}, """for row in valset.to_dict("records")]."""),
        ({"trainset": table("polars", "LazyFrame")}, "for row in trainset.collect().to_dicts()]."),
        ({"trainset": table("pyarrow", "Table")}, "for row in trainset.to_pylist()]."),
        ({"trainset": table("datasets", "Dataset")}, "with_inputs(...) for row in trainset]."),
        ({"trainset": table("datasets", "DatasetDict")}, "Pass examples of one split of it, such as trainset['train']"),
        (
            {"trainset": MISSPELT},
            "trainset[0] marks 'qestion' as an input and has no such field; its fields are question",
        ),
        ({"valset": MISSPELT}, "valset[0] marks 'qestion' as an input and has no such field"),
        ({"trainset": OTHERS, "program": dspy.Predict("question -> answer")}, "cannot take: it takes question. Its"),
        (
            {"trainset": OTHERS, "program": Asking()},
            "its forward method says \"missing a required argument: 'question'",
        ),
        ({"trainset": TOO_MUCH, "program": Asking()}, 'its forward method says "got an unexpected keyword argument'),
        ({"trainset": OTHERS, "program": dspy.ChainOfThought("question -> answer")}, "it takes question."),
        ({"program": Asking}, "student=Asking is a class. Pass an object of it, such as Asking()."),
        ({"program": right}, "student=right is no dspy.Module. Put what it does into the forward method"),
        ({"program": dspy.Signature("a -> b")}, "is a signature. Pass a program, such as dspy.Predict("),
        ({"program": "a -> b"}, "student='a -> b' is a str. Pass a program, such as dspy.Predict('a -> b')"),
        ({"program": [dspy.Predict("a -> b")]}, "student=list is no dspy.Module. Pass a dspy.Module"),
        (
            {"batch_size": 25, "judging": EditJudge(holdout=0)},
            "batch_size=25 is larger than the trainset (24 examples)",
        ),
        ({"batch_size": 20}, "batch_size=20 is larger than the trainset (12 examples, 12 more are held out)"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number of at least 1"),
        ({"critic": "yes"}, "critic='yes' is none of True, False and None"),
        ({"gradients": 0}, "gradients=0 must be a whole number of at least 1"),
        ({"critic": False, "update": "most_blamed"}, "critic=False and update='most_blamed' do not go together"),
        ({"batch_size": 2.5}, "batch_size=2.5 must be a whole number"),
        ({"num_threads": 0}, "num_threads=0 must be"),
        ({"seed": "0"}, "seed='0' is no whole number"),
        ({"techniques": ["dropout"]}, "techniques='dropout' is no Technique"),
        ({"techniques": [Dropout]}, "is no Technique"),
        ({"techniques": [Dropout(0.1), LearningRate(2), Dropout(0.2)]}, "techniques= holds Dropout twice"),
        ({"acceptance": 0.5}, "acceptance=0.5 is no Acceptance"),
        ({"controller": "optuna"}, "controller='optuna' is no Controller"),
        ({"judging": "edit"}, "judging='edit' is no Judge"),
        ({"budget": 100}, "budget=100 is no Budget"),
        ({"budget": None, "auto": "huge"}, "auto='huge' is no preset. Pass one of 'light', 'medium', 'heavy'"),
        ({"score_range": (1.0, 0.0)}, "score_range=(1.0, 0.0) must be (lowest, highest)"),
        ({"score_range": (1, 1)}, "score_range=(1, 1) must be (lowest, highest)"),
        ({"score_range": 100}, "score_range=100 must be a pair. Pass (0, 100), or None"),
        ({"score_range": 0}, "score_range=0 must be a pair of numbers. Pass (lowest, highest), or None"),
        ({"score_range": "0-1"}, "score_range='0-1' must be a pair of numbers"),
        ({"score_range": {0, 1}}, "must be a pair of numbers"),
        ({"score_range": {"low": 0, "high": 1}}, "must be a pair of numbers"),
        ({"score_range": (0, 1, 2)}, "score_range=(0, 1, 2) must hold two numbers"),
        ({"score_range": ()}, "score_range=() must hold two numbers"),
        ({"score_range": ("0", "1")}, "score_range=('0', '1') must hold two numbers"),
        ({"score_range": (0, float("inf"))}, "score_range=(0, inf) must hold two finite numbers"),
        ({"score_range": (float("nan"), 1)}, "must hold two finite numbers"),
        ({"metric": "accuracy"}, "metric='accuracy' is not callable"),
        ({"metric": lambda gold: 1.0}, "cannot be called as metric(gold, pred)"),
        ({"program": dspy.Module()}, "no predictor"),
        ({"frozen": ["solve"]}, "frozen= names all predictors of the program (solve)"),
        ({"frozen": ["no such text"]}, "frozen='no such text' is neither a predictor (solve) nor text"),
        ({"frozen": [3]}, "must hold non-empty strings"),
    ],
)
def test_misuse_is_told_before_anything_is_paid_for(settings, said):
    message, paid = attempt(**settings)
    assert said in message
    assert paid == 0


@pytest.mark.parametrize(
    ("choice", "said"),
    [({"batch_size": 0}, "chose batch_size=0, which the plan refuses"), ({"lr": 1}, "chose lr=1, which")],
)
def test_a_controller_that_chooses_what_is_illegal_is_told_before_anything_is_paid_for(choice, said, tmp_path):
    class Odd(Controller):
        def choose(self, plan, ctx):
            return choice

    lm = simulated_lm(0)
    with dspy.context(lm=lm), pytest.raises(ControllerError, match=said):
        DLPOTeleprompter(right, controller=Odd(), log_dir=tmp_path / "run").compile(
            TASK.program, trainset=TASK.trainset
        )
    assert engine_of(lm).counts.calls == 0
    assert not (tmp_path / "run").exists()


def test_no_language_model_is_told_before_anything_else():
    with dspy.context(lm=None), pytest.raises(ValueError, match="No language model is configured to write"):
        DLPOTeleprompter(right).compile(TASK.program, trainset=TASK.trainset)


def test_no_language_model_for_the_program_is_told_with_the_predictors_that_need_one():
    prompt_model = simulated_lm(0)
    with dspy.context(lm=None), pytest.raises(ValueError, match="No language model is configured to run solve"):
        DLPOTeleprompter(right, prompt_model=prompt_model).compile(TASK.program, trainset=TASK.trainset)
    assert engine_of(prompt_model).counts.calls == 0


def raises(gold, pred, trace=None):
    raise KeyError("label")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (raises, "The metric raised KeyError on its first example"),
        (lambda gold, pred: None, "The metric returned None"),
        (lambda gold, pred: float("nan"), "The metric returned nan"),
        (lambda gold, pred: 7.0, "outside score_range=(0, 1)"),
        (lambda gold, pred: "good", "The metric returned 'good'"),
    ],
)
@pytest.mark.parametrize("threads", [1, 16])
def test_a_metric_that_does_not_work_costs_at_most_one_run(metric, said, threads):
    message, paid = attempt(metric=metric, num_threads=threads)
    assert said in message
    assert paid == 1


def test_a_range_may_be_a_list_and_hold_numbers_of_any_kind():
    assert DLPOTeleprompter(right, score_range=[0, 100]).settings.score_range == (0, 100)
    assert DLPOTeleprompter(right, score_range=(np.int64(0), np.float32(5))).settings.score_range == (0, 5)


def test_the_example_on_which_a_metric_failed_first_is_shown():
    message, _ = attempt(metric=raises)
    assert "The example was: question='I have" in message


def test_a_run_directory_of_another_run_is_refused_and_the_difference_is_told(tmp_path):
    lm = simulated_lm(0)
    with dspy.context(lm=lm):
        DLPOTeleprompter(right, budget=Budget(60), log_dir=tmp_path / "run").compile(
            TASK.program, trainset=TASK.trainset
        )
        before = engine_of(lm).counts.calls
        for settings, said in (
            ({"seed": 1}, r"settings.seed was 0, now 1"),
            ({"budget": Budget(55)}, r"higher budget: metric_calls was 60, now 55"),
            ({"techniques": []}, r"settings.techniques was .*now \[\]"),
        ):
            optimizer = DLPOTeleprompter(right, **{"budget": Budget(60), **settings}, log_dir=tmp_path / "run")
            with pytest.raises(ResumeError, match=rf"holds a.*{said}.*another directory"):
                optimizer.compile(TASK.program, trainset=TASK.trainset)
        with pytest.raises(ResumeError, match=r"data.train was"):
            DLPOTeleprompter(right, budget=Budget(60), log_dir=tmp_path / "run").compile(
                TASK.program, trainset=TASK.trainset[1:]
            )
    assert engine_of(lm).counts.calls == before


def test_a_run_directory_that_cannot_be_made_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with dspy.context(lm=simulated_lm(0)), pytest.raises(RunDirectoryError, match="cannot be made"):
        DLPOTeleprompter(right, log_dir=tmp_path / "file" / "run").compile(TASK.program, trainset=TASK.trainset)


LONG = " ".join(f"Rule {i} says that item number {i} must be looked at with care." for i in range(420))
STARTS = {
    "no words of its own": "",
    "Chinese without sentence marks": "请数一数我有多少东西并且只回答数字" * 3,
    "Chinese": "请数一数我有多少东西。只回答数字。",
    "five thousand words": LONG,
    "white space around": "  \n  Answer the question.  \n",
    "one word": "Count",
    "bullets only": "- count\n- answer",
    "a template": "Answer {question} in {{ style }}.",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if STARTS[name] == LONG else ()) for name in STARTS]
)
def test_any_start_instruction_is_worked_with(name):
    signature = dspy.Signature("question -> answer", STARTS[name])
    program = dspy.Predict(signature)
    before = program.signature.instructions
    with dspy.context(lm=simulated_lm(0)):
        better = DLPOTeleprompter(right, budget=Budget(150), num_threads=1, acceptance=AcceptAll()).compile(
            program, trainset=TASK.trainset, valset=TASK.valset
        )
    result = better.detailed_results
    assert result.history.steps()
    assert program.signature.instructions == before
    for record in result.history:
        assert record.proposal["self"].strip()
        assert len(record.proposal["self"].split()) <= max(200, len(before.split()))


@pytest.mark.slow
def test_a_long_prompt_is_not_made_longer():
    program = dspy.Predict(dspy.Signature("question -> answer", LONG))
    with dspy.context(lm=simulated_lm(0)):
        better = DLPOTeleprompter(right, budget=Budget(100)).compile(
            program, trainset=TASK.trainset, valset=TASK.valset
        )
    assert len(better.signature.instructions.split()) <= len(LONG.split())


def test_no_student_is_told():
    with dspy.context(lm=simulated_lm(0)), pytest.raises(TypeError, match=r"student=None is no dspy.Module. Pass a"):
        DLPOTeleprompter(right).compile(None, trainset=TASK.trainset)


def test_a_table_of_pandas_is_told_how_to_convert():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"trainset is a DataFrame of pandas. Pass \[dspy.Example"):
        DLPOTeleprompter(right).compile(TASK.program, trainset=pandas.DataFrame({"question": ["q"]}))


class Anything(dspy.Module):
    def __init__(self):
        super().__init__()
        self.solve = dspy.Predict("question -> answer")

    def forward(self, **inputs):
        return self.solve(question=inputs["question"])


@pytest.mark.parametrize(
    ("trainset", "program"),
    [
        ((each for each in TASK.trainset), TASK.program),
        (tuple(TASK.trainset), TASK.program),
        ([each.without("answer").with_inputs("question").copy(answer="3") for each in TASK.trainset], TASK.program),
        (TOO_MUCH, Anything()),
        (TOO_MUCH, dspy.Predict("question -> answer")),
        (TASK.trainset, dspy.Predict("question, context: str | None -> answer")),
    ],
)
def test_what_can_be_worked_with_is(trainset, program):
    with dspy.context(lm=simulated_lm(0)):
        better = DLPOTeleprompter(right, budget=Budget(60)).compile(program, trainset=trainset, valset=TASK.valset)
    assert better.detailed_results.spent["metric_calls"] > 0


def test_a_program_that_another_optimizer_has_compiled_is_optimized():
    program = Asking()
    program._compiled = True
    with dspy.context(lm=simulated_lm(0)):
        better = DLPOTeleprompter(right, budget=Budget(60)).compile(program, trainset=TASK.trainset, valset=TASK.valset)
    assert list(better.detailed_results.best_prompts) == ["solve"]
