"""What every test of a kind of program does: compile it, and check what every compile must leave as it was."""

from contextlib import contextmanager

import dspy
from engine import RULE, program_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.roles import RunRequest
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import EvaluationCopies


def examples(numbers, **extra):
    """Questions about numbers; 'unknown' is right for none."""
    return [
        dspy.Example(question=f"Which is number {n}?", answer=str(n), **extra).with_inputs("question", *extra)
        for n in numbers
    ]


TRAIN, VAL = examples(range(1, 13)), examples(range(31, 40))


def right(gold, pred, trace=None):
    return float(str(pred.answer) == gold.answer)


def look(program: dspy.Module) -> dict:
    """All of a program that a compile must leave alone."""
    return {
        name: (p.signature, list(p.demos), id(p.lm), dict(p.config), p.dump_state(), sorted(vars(p)))
        for name, p in program.named_predictors()
    } | {"": sorted(vars(program))}


def fields(predictor: dspy.Predict) -> list[tuple]:
    return [(name, each.annotation, each.json_schema_extra) for name, each in predictor.signature.fields.items()]


@contextmanager
def untouched(program: dspy.Module):
    before = look(program)
    yield
    assert look(program) == before


def compiled(student, lm=None, *, calls=80, metric=right, train=TRAIN, val=VAL, adapter=None, threads=1, **settings):
    """Compile within a small budget; the student stays as it was, and the result keeps demos, models and fields."""
    with dspy.context(lm=lm or program_lm(), adapter=adapter), untouched(student):
        optimizer = DLPOTeleprompter(metric, budget=Budget(calls), num_threads=threads, **settings)
        better = optimizer.compile(student, trainset=train, valset=val)
    assert type(better) is type(student)
    old, new = dict(student.named_predictors()), dict(better.named_predictors())
    assert list(new) == list(old)
    for name in old:
        assert new[name] is not old[name]
        assert new[name].lm is old[name].lm
        assert new[name].demos == old[name].demos
        assert new[name].config == old[name].config
        assert fields(new[name]) == fields(old[name])
        assert set(vars(new[name])) - {"detailed_results"} == set(vars(old[name])) - {"detailed_results"}
    assert better.detailed_results.spent["metric_calls"] <= calls
    return better


def learned(better: dspy.Module) -> list[str]:
    """The predictors whose instructions hold the rule."""
    return [name for name, predictor in better.named_predictors() if RULE in predictor.signature.instructions]


def scores(program: dspy.Module, lm=None, *, data=VAL, adapter=None, metric=right) -> float:
    with dspy.context(lm=lm or program_lm(), adapter=adapter):
        return sum(metric(example, program(**example.inputs())) for example in data) / len(data)


def rows_of(program, lm=None, *, data=VAL, metric=right, prompts=None, rollout=0, threads=1, task_model=None):
    """The rows of single runs, for their traces."""
    prompts = read_prompts(program) if prompts is None else prompts
    evaluate = Evaluator(
        EvaluationCopies(program),
        data,
        MetricAdapter(metric, (0, 1)),
        Meter(),
        num_threads=threads,
        task_model=task_model,
    )
    with dspy.context(lm=lm or program_lm()):
        return evaluate([RunRequest(prompts, i, rollout) for i in range(len(data))])


def called(row) -> list[str]:
    """The names of the predictors that a run called, in order."""
    return [step.predictor for step in row.trace]
