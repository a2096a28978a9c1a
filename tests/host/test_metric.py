import numpy as np
import pytest
from dspy import Prediction

from dspy_dlpo import MetricError
from dspy_dlpo.host.metric import MetricAdapter

UNIT = (0.0, 1.0)


def two(gold, pred):
    return gold == pred


def three(gold, pred, trace=None):
    assert trace is None
    return 0.5


def five(gold, pred, trace, pred_name, pred_trace):
    assert (trace, pred_name, pred_trace) == (None, None, None)
    return Prediction(score=0.25, feedback="look again")


def rest(*args, **kwargs):
    return len(args)


class Callable:
    def __call__(self, gold, pred, trace=None):
        return 1


@pytest.mark.parametrize(
    ("metric", "score"),
    [(two, 0.0), (three, 0.5), (five, 0.25), (Callable(), 1.0), (lambda gold, pred: np.float32(0.5), 0.5)],
)
def test_every_way_of_writing_a_metric_is_called_as_it_wants(metric, score):
    assert MetricAdapter(metric, UNIT)("a", "b").score == score


def test_feedback_of_a_gepa_style_metric_is_kept():
    assert MetricAdapter(five, UNIT)("a", "b").feedback == "look again"


def test_a_mapping_with_score_and_feedback_is_read():
    verdict = MetricAdapter(lambda gold, pred: {"score": True, "feedback": "fine"}, UNIT)("a", "a")
    assert (verdict.score, verdict.feedback) == (1.0, "fine")


@pytest.mark.parametrize("bad", [None, "0.5", float("nan"), float("inf"), 1.5, -0.1, object(), {}, [1]])
def test_what_is_no_legal_score_is_refused(bad):
    with pytest.raises(MetricError, match="The metric returned"):
        MetricAdapter(lambda gold, pred: bad, UNIT)("a", "b")


def test_any_finite_score_is_legal_where_the_range_is_unknown():
    assert MetricAdapter(lambda gold, pred: -7, None)("a", "b").score == -7


def test_a_metric_that_cannot_take_two_arguments_is_refused():
    with pytest.raises(TypeError, match=r"metric\(gold, pred\)"):
        MetricAdapter(lambda gold: 1, UNIT)


def test_what_is_not_callable_is_refused():
    with pytest.raises(TypeError, match="not callable"):
        MetricAdapter("accuracy", UNIT)
