"""`judge` with its early stop decides exactly as the full evaluation does."""

import math
import random

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
    st.sampled_from([False, True, "auto"]),
    st.randoms(use_true_random=False),
)
def test_early_stop_decides_as_the_full_evaluation(table, offset, strict, shorter, wave, high, confirm, chance) -> None:
    old, new = zip(*table, strict=True)
    bar = Bar(math.fsum(old) / len(old) + offset, strict)
    order = list(range(len(old)))
    chance.shuffle(order)
    for ahead in (0, 3, None):
        options = {"wave": wave, "high": high, "confirm": confirm, "ahead": ahead}
        incumbent = incumbent_on(old, new, prompt=LONG if shorter else SHORT, **options)
        assert judge(incumbent, NEW, bar, order).passed == fully(old, new, bar, shorter)
        assert judge(incumbent, NEW, bar).passed == fully(old, new, bar, shorter)


@given(tables, st.integers(0, 99), st.integers(1, 5), st.integers(0, 3))
def test_early_stop_decides_as_the_full_evaluation_where_binary_runs_are_noisy(table, seed, wave, offset) -> None:
    """The full evaluation is the one that cannot stop early, because no best score is known to it."""

    def score(text: str, x: int, rollout: int) -> float:
        kind = text == NEW["solve"]
        return float(random.Random(f"{seed}/{kind}/{x}/{rollout}").random() < (0.8 if table[x][kind] >= 0.5 else 0.2))

    def decision(high):
        incumbent = incumbent_of(score, len(table), wave=wave, high=high, confirm=True)
        bar = Bar(incumbent.mean + offset / len(table))
        return judge(incumbent, NEW, bar, range(len(table))).passed

    assert decision(1.0) == decision(None)


@given(st.integers(0, 999), st.integers(1, 5), st.integers(2, 10))
def test_early_stop_decides_as_the_full_evaluation_where_continuous_runs_are_noisy(seed, wave, n) -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return random.Random(f"{seed}/{text == NEW['solve']}/{x}/{rollout}").choice([0.0, 0.2, 0.8, 0.9, 1.0])

    def decision(high):
        incumbent = incumbent_of(score, n, wave=wave, high=high, confirm=True)
        return judge(incumbent, NEW, Bar(incumbent.mean + 0.05), range(n)).passed

    assert decision(1.0) == decision(None)


def test_early_stop_knows_that_a_graded_score_at_the_top_may_turn_out_lower() -> None:
    old, new = {0: (1.0, 1.0), 1: (1.0, 0.0)}, {0: (0.8, 0.8), 1: (0.9, 1.0)}

    def decision(high):
        table = {True: new, False: old}
        incumbent = incumbent_of(
            lambda text, x, rollout: table[text == NEW["solve"]][x][rollout], 2, wave=1, high=high, confirm=True
        )
        return judge(incumbent, NEW, Bar(incumbent.mean + 0.05), range(2)).passed

    assert decision(1.0) == decision(None)


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


# --- what counts as a change -----------------------------------------------------------------------------------------


def flipping(new_runs, old_runs=(0.0, 0.0, 0.0)):
    return lambda text, x, rollout: (new_runs if text == NEW["solve"] else old_runs)[rollout]


def test_a_change_counts_only_when_a_second_run_agrees() -> None:
    incumbent = incumbent_of(flipping((1.0, 0.0)), 1, confirm=True)
    assert incumbent.changes([(NEW, 0)]) == [0.0]
    incumbent = incumbent_of(flipping((1.0, 1.0)), 1, confirm=True)
    assert incumbent.changes([(NEW, 0)]) == [1.0]


def test_a_change_is_measured_against_a_second_run_of_the_incumbent_too() -> None:
    incumbent = incumbent_of(flipping((1.0, 1.0), old_runs=(0.0, 1.0)), 1, confirm=True)
    incumbent.changes([(NEW, 0)])
    assert incumbent.runs.scores(incumbent.prompts, 0) == (0.0, 1.0)


def test_what_does_not_change_is_not_repeated() -> None:
    incumbent = incumbent_of(flipping((0.0, 1.0)), 1, confirm=True)
    assert incumbent.changes([(NEW, 0)]) == [0.0]
    assert incumbent.runs.account.spent == 2


def test_without_confirmation_one_run_decides() -> None:
    incumbent = incumbent_of(flipping((1.0, 0.0)), 1, confirm=False)
    assert incumbent.changes([(NEW, 0)]) == [1.0]
    assert incumbent.runs.account.spent == 2


def test_once_the_model_is_known_to_be_quiet_nothing_is_repeated() -> None:
    incumbent = incumbent_of(lambda text, x, rollout: float(text == NEW["solve"]), 60, confirm="auto")
    incumbent.runs.repeat([(incumbent.prompts, x) for x in range(40)])
    spent = incumbent.runs.account.spent
    incumbent.changes([(NEW, x) for x in range(60)])
    assert incumbent.runs.account.spent == spent + 60


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
        {"confirm": "maybe"},
        {"first": 0},
        {"first": 2.5},
        {"first": True},
        {"wave": 0},
        {"width": 7},
        {"speculate": -1},
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
