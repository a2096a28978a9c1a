"""`judge` with its early stop decides exactly as the full evaluation does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import incumbent_of

from dspy_dlpo.core.acceptance import TOLERANCE, Bar
from dspy_dlpo.core.judges import EditJudge
from dspy_dlpo.core.judging import Incumbent, is_shorter, judge
from dspy_dlpo.core.reasons import Why

BINARY = st.sampled_from([0.0, 1.0])
CONTINUOUS = st.integers(0, 8).map(lambda eighths: eighths / 8)
NEW = {"solve": "Other words here."}
SHORT, LONG = "Start.", "Start with some more words than that."


def incumbent_on(old, new, **fields) -> Incumbent:
    """An incumbent that has the scores `old` and `NEW` has the scores `new`."""
    return incumbent_of(lambda text, x, rollout: new[x] if text == NEW["solve"] else old[x], len(old), **fields)


def fully(old, new, bar: Bar, shorter: bool) -> bool:
    difference = math.fsum(new) / len(new) - math.fsum(old) / len(old)
    margin = bar.lowest - math.fsum(old) / len(old)
    if bar.strict and not shorter:
        return difference > margin + TOLERANCE
    return difference >= margin - TOLERANCE


tables = st.sampled_from([BINARY, CONTINUOUS]).flatmap(
    lambda score: st.lists(st.tuples(score, score), min_size=1, max_size=14)
)


@given(
    tables,
    st.sampled_from([-math.inf, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 2.0]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 5),
    st.sampled_from([1.0, None]),
    st.randoms(use_true_random=False),
)
def test_early_stop_decides_as_the_full_evaluation(table, offset, strict, shorter, wave, high, chance) -> None:
    old, new = zip(*table, strict=True)
    bar = Bar(math.fsum(old) / len(old) + offset, strict)
    order = list(range(len(old)))
    chance.shuffle(order)
    incumbent = incumbent_on(old, new, prompt=LONG if shorter else SHORT, wave=wave, high=high)
    assert judge(incumbent, NEW, bar, order).passed == fully(old, new, bar, shorter)
    assert judge(incumbent, NEW, bar).passed == fully(old, new, bar, shorter)


@given(
    st.lists(st.tuples(BINARY, BINARY), min_size=10, max_size=24),
    st.integers(0, 23),
    st.booleans(),
    st.integers(-2, 4),
    st.integers(1, 5),
)
def test_early_stop_decides_as_the_full_evaluation_where_a_run_is_lost(table, lost, whose, offset, wave) -> None:
    old = [score for score, _ in table]

    def score(text: str, x: int, rollout: int) -> float | None:
        kind = text == NEW["solve"]
        return None if x == lost and kind == whose else table[x][kind]

    def decision(high):
        incumbent = incumbent_of(score, len(old), wave=wave, high=high)
        return judge(incumbent, NEW, Bar(incumbent.mean + offset / 2 / len(old)), range(len(old))).passed

    assert decision(1.0) == decision(None)


def test_a_prompt_that_repairs_nothing_is_refused_after_the_failing_examples() -> None:
    old = [1.0] * 20 + [0.0] * 4
    incumbent = incumbent_on(old, old, wave=4)
    judgement = judge(incumbent, NEW, Bar(incumbent.mean))
    assert not judgement.passed
    assert not judgement.complete
    assert judgement.score is None
    assert set(judgement.scores) == {20, 21, 22, 23}
    assert judgement.reason.why is Why.CANNOT_REACH_BAR
    assert incumbent.runs.account.spent == 24 + 4


def test_without_a_known_best_score_nothing_stops_early() -> None:
    incumbent = incumbent_on([1.0] * 12, [0.0] * 12, wave=4, high=None)
    judgement = judge(incumbent, NEW, Bar(incumbent.mean))
    assert judgement.complete
    assert len(judgement.scores) == 12


def test_a_complete_judgement_tells_score_and_runs() -> None:
    incumbent = incumbent_on([0.0, 1.0, 0.0], [1.0, 1.0, 0.0])
    judgement = judge(incumbent, NEW, Bar(incumbent.mean))
    assert judgement.passed
    assert judgement.complete
    assert judgement.score == pytest.approx(2 / 3)
    assert judgement.scores == {0: (1.0,), 1: (1.0,), 2: (0.0,)}


def test_runs_that_were_made_before_are_not_made_again() -> None:
    incumbent = incumbent_on([0.0] * 6, [1.0] * 6)
    incumbent.runs.ensure([(NEW, x) for x in range(4)])
    spent = incumbent.runs.account.spent
    judge(incumbent, NEW, Bar(incumbent.mean))
    assert incumbent.runs.account.spent == spent + 2


def test_too_many_lost_runs_make_a_judgement_void() -> None:
    def score(text: str, x: int, rollout: int) -> float | None:
        return None if text == NEW["solve"] and x < 3 else float(text == NEW["solve"])

    incumbent = incumbent_of(score, 20)
    judgement = judge(incumbent, NEW, Bar(incumbent.mean))
    assert not judgement.passed
    assert not judgement.complete
    assert judgement.reason.why is Why.VOID


def test_a_few_lost_runs_are_left_out_on_both_sides() -> None:
    def score(text: str, x: int, rollout: int) -> float | None:
        if text == NEW["solve"]:
            return None if x == 0 else 1.0
        return 1.0 if x == 0 else 0.5

    judgement = judge(incumbent_of(score, 20), NEW, Bar(0.525))
    assert judgement.passed
    assert judgement.score == pytest.approx(0.525 + 0.5)


# --- the incumbent ---------------------------------------------------------------------------------------------------


def test_failing_examples_come_worst_first() -> None:
    incumbent = incumbent_on([1.0, 0.5, 0.0, 1.0, 0.25], [0.0] * 5)
    assert incumbent.failing() == (2, 4, 1)
    assert incumbent.passing() == (0, 3)


def test_without_a_known_best_score_every_example_may_fail() -> None:
    incumbent = incumbent_on([1.0, 0.5], [0.0] * 2, high=None)
    assert incumbent.failing() == (1, 0)
    assert incumbent.passing() == ()


def test_shorter_means_fewer_words_in_all() -> None:
    assert is_shorter({"a": "one", "b": "two"}, {"a": "one", "b": "two three"})
    assert not is_shorter({"a": "one two"}, {"a": "antidisestablishmentarianism twice"})


@pytest.mark.parametrize(
    "fields",
    [
        {"proposals": "poems"},
        {"first": 0},
        {"first": 2.5},
        {"first": True},
        {"wave": 0},
        {"width": 7},
        {"finalists": 0},
        {"holdout": 1.0},
        {"holdout": -0.1},
        {"holdout": float("nan")},
    ],
    ids=repr,
)
def test_illegal_settings_are_refused_with_the_way_out(fields) -> None:
    (name,) = fields
    with pytest.raises(ValueError, match=rf"EditJudge\({name}=.*Pass"):
        EditJudge(**fields)
