from dataclasses import dataclass, field

import pytest

from dspy_dlpo import default_settings
from dspy_dlpo.core.judges import EditJudge
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.space import Choice, Range, numbers, search_space, tunable, with_params
from dspy_dlpo.techniques import Annealing, Dropout, ExponentialDecay, LearningRate, LinearDecay, Regularization


@dataclass(frozen=True)
class Inner:
    rate: float = tunable(0.5, low=0.1, high=1.0, log=True)
    fixed: int = 3

    def __post_init__(self) -> None:
        if self.rate > 5:
            raise ValueError("rate is too high")


@dataclass(frozen=True)
class Outer:
    kind: str = tunable("a", options=("a", "b"))
    size: int = tunable(2, low=1, high=8)
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = (Inner(0.2), Inner(0.3))


def test_tunable_fields_are_found_at_every_depth() -> None:
    assert search_space(Outer()) == {
        "kind": Choice(("a", "b")),
        "size": Range(1, 8, integer=True),
        "inner.rate": Range(0.1, 1.0, log=True),
        "many.0.rate": Range(0.1, 1.0, log=True),
        "many.1.rate": Range(0.1, 1.0, log=True),
    }


def test_values_are_put_back_by_their_paths() -> None:
    changed = with_params(Outer(), {"kind": "b", "inner.rate": 0.9, "many.1.rate": 0.8})
    assert changed == Outer("b", 2, Inner(0.9), (Inner(0.2), Inner(0.8)))


def test_the_object_given_is_not_changed() -> None:
    outer = Outer()
    with_params(outer, {"inner.rate": 0.9})
    assert outer == Outer()


def test_putting_back_what_is_there_changes_nothing() -> None:
    assert with_params(Outer(), {"many.0.rate": 0.2, "size": 2}) == Outer()


def test_every_check_runs() -> None:
    with pytest.raises(ValueError, match="rate is too high"):
        with_params(Outer(), {"many.1.rate": 6.0})


@pytest.mark.parametrize("path", ["nowhere", "inner.nowhere", "many.2.rate", "many.x.rate", "kind.deeper", "fixed"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(KeyError):
        with_params(Outer(), {path: 1})


def test_a_list_stays_a_list() -> None:
    assert with_params([Inner(), Inner()], {"1.rate": 0.7}) == [Inner(), Inner(0.7)]


def test_the_values_of_a_schedule_inherit_the_range_of_their_field() -> None:
    assert search_space([LearningRate(LinearDecay(4, 1))]) == {
        "0.max_edits.init_value": Range(1, 10, integer=True),
        "0.max_edits.end_value": Range(1, 10, integer=True),
    }
    assert search_space(Annealing(ExponentialDecay(1.0))) == {
        "temperature.init_value": Range(0.0, 3.0),
        "temperature.decay_rate": Range(0.4, 1.0),
    }


def test_a_plan_is_searched_through_and_through() -> None:
    plan = Plan(techniques=(Dropout(), Regularization()), acceptance=Annealing(), judging=EditJudge())
    assert set(search_space(plan)) == {
        "techniques.0.p",
        "techniques.1.max_words",
        "techniques.1.prune",
        "acceptance.temperature",
        "judging.first",
        "batch_size",
    }


@pytest.mark.parametrize("part", ["techniques", "acceptance", "judging"])
def test_the_shipped_values_lie_in_their_ranges(part: str) -> None:
    settings = default_settings()[part]
    for path, dimension in search_space(settings).items():
        value = settings
        for name in path.split("."):
            value = value[int(name)] if name.isdigit() else getattr(value, name)
        if isinstance(dimension, Range):
            assert dimension.low <= value <= dimension.high, path
        else:
            assert value in dimension.options, path


def test_a_field_without_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match="Pass one or the other"):
        tunable(1)
    with pytest.raises(ValueError, match="Pass one or the other"):
        tunable(1, low=0)


# --- numbers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loose:
    share: float | None = tunable(None, low=0.0, high=1.0)
    count: int = tunable(4, low=2, high=8)


def test_numbers_go_by_class_and_field_and_by_path_where_two_have_one_name() -> None:
    assert {name: each.path for name, each in numbers(Outer()).items()} == {
        "size": "size",
        "inner.rate": "inner.rate",
        "many.0.rate": "many.0.rate",
        "many.1.rate": "many.1.rate",
    }
    assert set(numbers(Outer(many=(), inner=Inner()))) == {"size", "Inner.rate"}


def test_a_field_that_holds_a_schedule_counts_once_with_its_own_range() -> None:
    found = numbers([LearningRate(LinearDecay(4, 1)), Annealing(ExponentialDecay(1.0))])
    assert {name: each.range for name, each in found.items()} == {
        "LearningRate.max_edits": Range(1, 10, integer=True),
        "Annealing.temperature": Range(0.0, 3.0),
    }
    assert [found["LearningRate.max_edits"].at(progress) for progress in (-1, 0, 0.5, 1, 2)] == [4, 4, 2, 1, 1]


def test_the_range_of_a_number_is_widened_to_what_the_field_holds() -> None:
    assert numbers([Annealing(7.0)])["Annealing.temperature"].range == Range(0.0, 7.0)
    assert numbers([Annealing(LinearDecay(4.0, 0.5))])["Annealing.temperature"].range == Range(0.0, 4.0)
    assert numbers([Loose(count=1)])["Loose.count"].range == Range(1, 8, integer=True)
    assert numbers([LearningRate(LinearDecay(12.4, 0))])["LearningRate.max_edits"].range == Range(1, 12, integer=True)


def test_what_rounds_below_the_least_whole_number_is_the_least() -> None:
    assert numbers([LearningRate(LinearDecay(4, 0))])["LearningRate.max_edits"].at(1.0) == 1


def test_a_field_that_holds_no_number_is_not_among_them() -> None:
    assert set(numbers([Loose()])) == {"Loose.count"}
    assert set(numbers([Loose(0.5)])) == {"Loose.count", "Loose.share"}
