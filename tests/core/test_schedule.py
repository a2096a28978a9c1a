from dataclasses import dataclass

import pytest

from dspy_dlpo.core.schedule import Schedule, check_number, value_at


@dataclass(frozen=True)
class Halving(Schedule):
    first: float = 4.0

    def __call__(self, progress: float) -> float:
        return self.first * (1 - progress / 2)

    def bounds(self) -> tuple[float, float]:
        return self.first / 2, self.first


def test_a_plain_number_is_the_same_at_all_times() -> None:
    assert [value_at(3, progress) for progress in (0.0, 0.5, 1.0)] == [3.0, 3.0, 3.0]


@pytest.mark.parametrize(("progress", "value"), [(-5, 4.0), (0, 4.0), (0.5, 3.0), (1, 2.0), (9, 2.0)])
def test_a_schedule_is_read_at_a_progress_clipped_to_the_run(progress: float, value: float) -> None:
    assert value_at(Halving(), progress) == value


@pytest.mark.parametrize("number", [2, 4.0, Halving(4.0)])
def test_numbers_within_the_bounds_pass(number) -> None:
    check_number("Owner", "size", number, 2, 4)


@pytest.mark.parametrize("number", [1.9, 4.1, Halving(3.0), Halving(5.0), float("nan")])
def test_numbers_outside_are_refused_with_owner_name_and_bounds(number) -> None:
    with pytest.raises(ValueError, match=r"Owner\(size=.*at least 2 and at most 4.*Pass"):
        check_number("Owner", "size", number, 2, 4)


@pytest.mark.parametrize("number", ["3", None, True, [3]])
def test_what_is_no_number_is_refused(number) -> None:
    with pytest.raises(TypeError, match=r"Owner\(size=.*Pass"):
        check_number("Owner", "size", number, 2, 4)
