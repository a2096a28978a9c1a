import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.acceptance import Greedy
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.techniques.annealing import Annealing
from dspy_dlpo.techniques.decay import LinearDecay

SCORES = (1.0, 0.0, 1.0, 1.0, 0.0, 0.5, 1.0, 0.0)
MEAN = statistics.fmean(SCORES)
ERROR = statistics.stdev(SCORES) / math.sqrt(len(SCORES))

scores = st.lists(st.floats(-10, 10), max_size=30)


def context(seed: int = 0, progress: float = 0.0) -> StepContext:
    return StepContext(5, progress, History(), seed)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("errors", [0.25, 1.0, 2.0])
def test_a_loss_passes_with_the_probability_of_the_formula(temperature: float, errors: float) -> None:
    worse = MEAN - errors * ERROR
    passed = [Annealing(temperature).bar(SCORES, context(seed)).passes(worse) for seed in range(4000)]
    assert abs(statistics.fmean(passed) - math.exp(-errors / temperature)) < 0.025


@given(scores, st.integers(0, 999), st.floats(0, 5), st.floats(1e-6, 10))
def test_a_gain_always_passes(incumbent, seed: int, temperature: float, gain: float) -> None:
    mean = math.fsum(incumbent) / max(1, len(incumbent))
    assert Annealing(temperature).bar(incumbent, context(seed)).passes(mean + gain)


@given(scores, st.integers(0, 999))
def test_at_zero_it_is_greedy(incumbent, seed: int) -> None:
    assert Annealing(0.0).bar(incumbent, context(seed)) == Greedy().bar(incumbent, context(seed))


def test_at_the_end_of_a_schedule_to_zero_it_is_greedy() -> None:
    cooling = Annealing(LinearDecay(2.0, 0.0))
    assert cooling.bar(SCORES, context(progress=1.0)) == Greedy().bar(SCORES, context())
    assert cooling.bar(SCORES, context(progress=0.0)).lowest < MEAN


@given(scores, st.integers(0, 999), st.floats(0, 5))
def test_the_bar_is_a_number_not_above_the_mean(incumbent, seed: int, temperature: float) -> None:
    mean = math.fsum(incumbent) / max(1, len(incumbent))
    bar = Annealing(temperature).bar(incumbent, context(seed))
    assert math.isfinite(bar.lowest)
    assert bar.lowest <= mean


@pytest.mark.parametrize("incumbent", [(1.0,) * 10, (0.0,) * 10])
def test_equal_scores_still_leave_some_uncertainty(incumbent) -> None:
    bars = [Annealing(1.0).bar(incumbent, context(seed)).lowest for seed in range(300)]
    drop = incumbent[0] - statistics.fmean(bars)
    assert 0.08 < drop < 0.12  # one example of ten


def test_the_bar_does_not_depend_on_the_scale_of_the_metric() -> None:
    bar = Annealing(1.0).bar(SCORES, context()).lowest - MEAN
    points = Annealing(1.0).bar([100 * score for score in SCORES], context()).lowest - 100 * MEAN
    assert points == pytest.approx(100 * bar)


@pytest.mark.parametrize("value", [-0.1, float("nan"), LinearDecay(1.0, -1.0)])
def test_an_illegal_temperature_is_refused_with_the_way_out(value) -> None:
    with pytest.raises(ValueError, match=r"temperature=.*Pass"):
        Annealing(value)


@pytest.mark.parametrize("value", ["1", None, True])
def test_a_temperature_of_the_wrong_type_is_refused_with_the_way_out(value) -> None:
    with pytest.raises(TypeError, match=r"temperature=.*Pass"):
        Annealing(value)
