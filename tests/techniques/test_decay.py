import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.schedule import value_at
from dspy_dlpo.techniques.decay import CosineDecay, ExponentialDecay, LinearDecay, StepDecay

values = st.floats(0, 10)
warmups = st.sampled_from([0.0, 0.1, 0.5, 0.9])
schedules = st.one_of(
    st.builds(LinearDecay, values, values, warmups),
    st.builds(CosineDecay, values, values, warmups),
    st.builds(ExponentialDecay, values, st.floats(0.1, 1), warmups),
    st.builds(StepDecay, values, st.floats(0.1, 1), st.integers(1, 6), warmups),
)
progresses = st.floats(0, 1)


@given(schedules, progresses)
def test_values_stay_within_the_bounds(schedule, progress: float) -> None:
    low, high = schedule.bounds()
    assert low - 1e-9 <= schedule(progress) <= high + 1e-9


@given(schedules, progresses, progresses)
def test_after_the_warm_up_values_move_one_way_only(schedule, first: float, second: float) -> None:
    early, late = sorted((max(first, schedule.warmup), max(second, schedule.warmup)))
    begin, end = schedule(schedule.warmup), schedule(1.0)
    sign = 1 if begin >= end else -1
    assert sign * schedule(early) >= sign * schedule(late) - 1e-9


@given(schedules, progresses, progresses)
def test_the_warm_up_climbs_from_the_end_value_to_the_first(schedule, first: float, second: float) -> None:
    early, late = sorted((first * schedule.warmup, second * schedule.warmup))
    begin, end = schedule(schedule.warmup), schedule(1.0)
    sign = 1 if begin >= end else -1
    assert sign * schedule(early) <= sign * schedule(late) + 1e-9
    assert schedule(0.0) == pytest.approx(end if schedule.warmup else begin)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (LinearDecay(4, 0), [4, 3, 2, 1, 0]),
        (LinearDecay(0, 4), [0, 1, 2, 3, 4]),
        (CosineDecay(4, 0), [4, 3.414, 2, 0.586, 0]),
        (ExponentialDecay(1, 0.7), [1, 0.41, 0.168, 0.0689, 0.0282]),
        (StepDecay(8, 0.5, falls=3), [8, 4, 2, 1, 1]),
        (LinearDecay(4, 0, warmup=0.5), [0, 2, 4, 2, 0]),
    ],
    ids=repr,
)
def test_values_at_each_quarter_of_the_run(schedule, expected) -> None:
    assert [schedule(quarter / 4) for quarter in range(5)] == pytest.approx(expected, rel=5e-3)


def test_a_progress_outside_the_run_is_clipped() -> None:
    assert [value_at(LinearDecay(4, 1), progress) for progress in (-1, 0, 1, 2)] == [4, 4, 1, 1]


@pytest.mark.parametrize("kind", [LinearDecay, CosineDecay])
@pytest.mark.parametrize("warmup", [-0.1, 1.0, float("nan")])
def test_an_illegal_warm_up_is_refused_with_the_way_out(kind, warmup: float) -> None:
    with pytest.raises(ValueError, match=r"warmup=.*Pass"):
        kind(4, 1, warmup)


@pytest.mark.parametrize("kind", [ExponentialDecay, StepDecay])
@pytest.mark.parametrize("rate", [0.0, -1.0, 1.1, float("nan")])
def test_an_illegal_rate_is_refused_with_the_way_out(kind, rate: float) -> None:
    with pytest.raises(ValueError, match=r"decay_rate=.*Pass"):
        kind(1.0, rate)


@pytest.mark.parametrize("falls", [0, -1, 1.5])
def test_an_illegal_number_of_falls_is_refused_with_the_way_out(falls) -> None:
    with pytest.raises(ValueError, match=r"falls=.*Pass"):
        StepDecay(1.0, 0.5, falls)


@pytest.mark.parametrize("kind", [LinearDecay, CosineDecay])
@pytest.mark.parametrize(("first", "last"), [("4", 1), (4, None), (float("nan"), 1), (4, float("inf"))])
def test_values_that_are_no_numbers_are_refused_with_the_way_out(kind, first, last) -> None:
    with pytest.raises((ValueError, TypeError), match=r"value=.*Pass"):
        kind(first, last)
