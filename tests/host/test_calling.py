"""Metrics of every shape are called by the names of their parameters, and given nothing that they do not name."""

import functools

import dspy
import pytest
from dspy import Example, Prediction
from dspy.evaluate import SemanticF1, answer_exact_match
from scripted import fields, scripted_lm

from dspy_dlpo import MetricError
from dspy_dlpo.host.metric import MetricAdapter

GOLD, PRED = Example(answer="a"), Prediction(answer="a")


def plain(gold, pred):
    return float(gold.answer == pred.answer)


def traced(gold, pred, trace):
    return float(trace is None)


def gepa(gold, pred, trace, pred_name, pred_trace):
    return Prediction(score=1.0, feedback=f"{pred_name} {trace} {pred_trace}")


def strict(gold, pred, strict=True):
    return float(strict is True)


def loose(*args, **kwargs):
    return traced(*args, **kwargs)


def unpacking(*args):
    _, _, trace = args
    return float(trace is None)


def wrapping(metric):
    @functools.wraps(metric)
    def wrapper(*args, **kwargs):
        return metric(*args, **kwargs)

    return wrapper


def by_place_only(metric):
    @functools.wraps(metric)
    def wrapper(*args):
        return metric(*args)

    return wrapper


def narrowing(metric):
    @functools.wraps(metric)
    def wrapper(gold, pred):
        return metric(gold, pred, None)

    return wrapper


def passing_names(metric):
    @functools.wraps(metric)
    def wrapper(gold, pred, **kwargs):
        return metric(gold, pred, **kwargs)

    return wrapper


def unnamed(metric):
    def wrapper(*args, **kwargs):
        return metric(*args, **kwargs)

    return wrapper


class Kinds:
    def __call__(self, gold, pred, *, trace, strict=True):
        return float(trace is None and strict is True)

    def method(self, gold, pred, trace):
        return float(trace is None)

    @wrapping
    def wrapped(self, gold, pred, trace):
        return float(trace is None)

    @staticmethod
    def static(gold, pred, trace):
        return float(trace is None)

    @classmethod
    def of_class(cls, gold, pred, level=3):
        return float(level == 3)


class AsModule(dspy.Module):
    def forward(self, example, pred, trace=None, threshold=0.5):
        return Prediction(score=float(threshold == 0.5))


class OnlyAsync(dspy.Module):
    async def aforward(self, example, pred, trace):
        return float(trace is None)


METRICS = {
    "plain": plain,
    "trace": traced,
    "GEPA": gepa,
    "an option that is no trace": strict,
    "an option by name": lambda gold, pred, *, strict=True: float(strict is True),
    "options behind the trace": lambda gold, pred, trace=None, fold=True, strip=True: float(fold is strip is True),
    "names in another order": lambda gold, pred, pred_name=None, trace=None: float(pred_name is trace is None),
    "any names": lambda gold, pred, **options: float(not options),
    "a trace by place alone": lambda gold, pred, trace=None, /: float(trace is None),
    "an option by place before the trace": lambda gold, pred, fold=True, trace=0, /: float(fold is True),
    "a nameless third": lambda gold, pred, _: float(_ is None),
    "five letters": lambda g, p, t, n, s: float(t is n is s is None),
    "a bare wrapper": unnamed(plain),
    "a bare wrapper that needs a trace": loose,
    "a bare wrapper of five": unnamed(gepa),
    "unpacked": unpacking,
    "wraps": wrapping(traced),
    "wraps of five": wrapping(gepa),
    "wraps by place": by_place_only(traced),
    "wraps of wraps": wrapping(by_place_only(gepa)),
    "a wrapper that takes less": narrowing(traced),
    "a wrapper with names": passing_names(traced),
    "object": Kinds(),
    "method": Kinds().method,
    "wrapped method": Kinds().wrapped,
    "static method": Kinds.static,
    "class method": Kinds.of_class,
    "module": AsModule(),
    "call of a module": AsModule().__call__,
    "async module": OnlyAsync(),
    "partial": functools.partial(lambda gold, pred, level, trace: float(level == 2 and trace is None), level=2),
    "partial of a module": functools.partial(AsModule(), threshold=0.5),
    "cached": functools.lru_cache(lambda gold, pred: 1.0),
    "DSPy's own": lambda gold, pred, trace=None: answer_exact_match(gold, pred, trace),
}


@pytest.mark.parametrize("shape", METRICS)
def test_a_metric_of_any_shape_gets_what_it_names_and_no_more(shape):
    assert MetricAdapter(METRICS[shape], (0.0, 1.0))(GOLD, PRED).score == 1.0


@pytest.mark.parametrize("shape", ["GEPA", "wraps of five", "wraps of wraps", "a bare wrapper of five"])
def test_feedback_is_asked_through_wrappers(shape):
    metric = MetricAdapter(METRICS[shape], (0.0, 1.0))
    metric(GOLD, PRED)
    assert metric.feedback_on(GOLD, PRED, [1, 2], "solve", [2]) == "solve [1, 2] [2]"


@pytest.mark.parametrize(
    "shape", ["trace", "an option that is no trace", "module", "any names", "a wrapper that takes less"]
)
def test_a_metric_that_names_no_predictor_is_not_asked_about_one(shape):
    assert not MetricAdapter(METRICS[shape], (0.0, 1.0)).speaks_of_predictors(0.0)


def test_semantic_f1_scores_and_is_billed_to_nobody_else():
    def answer(system, user):
        return fields(reasoning="x", precision="0.5", recall="0.5")

    gold = Example(question="q", response="r").with_inputs("question")
    with dspy.context(lm=scripted_lm(answer)):
        assert MetricAdapter(SemanticF1(), (0.0, 1.0))(gold, Prediction(response="s")).score == 0.5


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (lambda pred: 1.0, r"cannot be called as metric\(gold, pred\)"),
        (lambda *, gold, pred: 1.0, r"cannot be called as metric\(gold, pred\)"),
        (lambda gold, pred, threshold: 1.0, r"requires 'threshold', which DSPy does not pass.*functools.partial"),
        (lambda gold, pred, *, level: 1.0, "requires 'level'"),
        (AsModule, r"is a class.*AsModule\(\)"),
    ],
)
def test_a_metric_that_cannot_be_called_is_told_with_the_way_out(metric, said):
    with pytest.raises(TypeError, match=said):
        MetricAdapter(metric, (0.0, 1.0))


def over_all(golds, preds):
    return sum(gold == pred for gold, pred in zip(golds, preds, strict=True)) / len(golds)


def typed(gold: list, pred: "list[str]"):
    return 1.0


def test_a_metric_of_lists_is_told_by_its_types_or_by_its_first_call():
    with pytest.raises(TypeError, match=r"wants lists of all.*Pass CorpusMetric\(typed\)"):
        MetricAdapter(typed, (0.0, 1.0))
    with pytest.raises(MetricError, match=r"wants lists of all.*Pass CorpusMetric\(over_all\)"):
        MetricAdapter(over_all, (0.0, 1.0))(GOLD, PRED)


def test_a_plural_name_alone_makes_no_metric_of_lists():
    metric = MetricAdapter(lambda examples, predictions: examples.answer == predictions.answer, (0.0, 1.0))
    assert metric(GOLD, PRED).score == 1.0


def test_a_metric_whose_arguments_are_swapped_is_advised():
    assert "calls them pred and gold. Swap" in MetricAdapter(lambda pred, gold: pred.label, (0.0, 1.0)).advice(
        GOLD, PRED
    )


@pytest.mark.parametrize("value", [1.0000001, -1e-7])
def test_what_leaves_the_range_by_rounding_is_its_limit(value):
    assert MetricAdapter(lambda gold, pred: value, (0, 1))(GOLD, PRED).score == round(value)
