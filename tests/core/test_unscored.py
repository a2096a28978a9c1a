"""A score that the metric owes: left out where nobody has one, lost where others do, and never a way to win."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import incumbent_of, runs_of

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.errors import MetricError
from dspy_dlpo.core.judging import judge
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.unscored import Unscored
from dspy_dlpo.run.selection import choose, compare

OLD, NEW, NONE = {"solve": "Start."}, {"solve": "Other words here."}, math.nan


def incumbent_on(old, new, **fields):
    return incumbent_of(lambda text, x, rollout: new[x] if text == NEW["solve"] else old[x], len(old), **fields)


def test_a_proposal_that_breaks_the_metric_loses_where_the_incumbent_has_a_score() -> None:
    old = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    new = [NONE, NONE, 1.0, NONE, NONE, NONE, NONE, *[1.0] * 5]
    incumbent = incumbent_on(old, new)
    judgement = judge(incumbent, NEW, Bar(incumbent.mean))
    assert not judgement.passed
    assert incumbent.changes(NEW)[0] == -1.0


def test_an_example_that_nobody_can_score_is_left_out() -> None:
    incumbent = incumbent_on([NONE, 0.0, 1.0, 1.0], [NONE, 1.0, 1.0, 1.0])
    judgement = judge(incumbent, NEW, Bar(incumbent.mean))
    assert judgement.passed
    assert set(judgement.scores) == {1, 2, 3}
    assert judgement.score == 1.0
    assert incumbent.failing() == (1,)


def test_a_run_that_the_metric_cannot_score_is_not_paid_for_again() -> None:
    runs = runs_of(lambda text, x, rollout: NONE if x == 3 else 1.0)
    runs.ensure([(OLD, x) for x in range(8)])
    runs.ensure([(OLD, x) for x in range(8)])
    assert runs.account.spent == 8
    assert runs.unscored == 1


scores = st.sampled_from([0.0, 1.0, NONE])


@given(
    st.lists(st.tuples(scores, scores), min_size=10, max_size=24),
    st.integers(-2, 4),
    st.integers(1, 5),
)
def test_early_stop_decides_as_the_full_evaluation_where_scores_are_missing(table, offset, wave) -> None:
    old, new = [a for a, _ in table], [b for _, b in table]

    def decision(high):
        incumbent = incumbent_on(old, new, wave=wave, high=high)
        return judge(incumbent, NEW, Bar(incumbent.mean + offset / 2 / len(old)), range(len(old))).passed

    try:
        full = decision(None)
    except MetricError:
        return
    assert decision(1.0) == full


@pytest.mark.parametrize("bad", [{0}, {0, 7, 20}])
def test_a_bad_label_does_not_void_the_choice(bad) -> None:
    def score(text, x, rollout):
        return NONE if x in bad else float(text == NEW["solve"] or x % 2)

    scored = compare(OLD, [NEW], runs_of(score), range(40))
    chosen, comparison = choose(scored, 0)
    assert chosen == NEW
    assert comparison.examples == 40 - len(bad)
    assert comparison.difference > 0.4


def test_prompts_that_break_the_metric_lose_the_choice() -> None:
    def score(text, x, rollout):
        return float(x % 2) if text == OLD["solve"] else 1.0 if x < 20 else NONE

    scored = compare(OLD, [NEW], runs_of(score), range(60))
    assert choose(scored, 0)[0] == OLD


def test_what_is_missing_counts_as_the_lowest_so_far_where_the_range_is_unknown() -> None:
    unscored = Unscored(None)
    unscored.add("a", 0, Row(0, -7.0))
    unscored.add("a", 1, Row(1, 3.0))
    unscored.add("b", 1, Row(1, None, failure="metric"))
    assert unscored.counted(("b", 1)) == (-7.0,)


def rows(count, failure, *, prompts="start", first=0):
    return [
        (prompts, Row(first + x, None if failure else 1.0, failure=failure, error="It failed.")) for x in range(count)
    ]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([*rows(10, ""), *rows(1, "metric", first=10)], None),
        ([*rows(22, ""), *[r for i in range(40) for r in rows(2, "range", first=22, prompts=f"p{i}")]], None),
        ([*rows(24, ""), *rows(24, "metric", prompts="other")], None),
        ([*rows(12, ""), *rows(11, "metric", first=12)], None),
        ([*rows(3, ""), *rows(4, "metric", first=3)], "no score on 4 of 7 examples"),
        ([*rows(24, ""), *rows(8, "range", prompts="other")], "8 of 24 examples were out of range"),
        ([*rows(3, ""), *rows(4, "range", first=3)], "4 of 7 examples were out of range"),
        ([*rows(90, ""), *rows(8, "range", first=90)], None),
        ([*rows(1, ""), *rows(24, "transport", first=1)], None),
    ],
)
def test_a_metric_is_at_fault_where_most_of_the_first_prompts_or_many_out_of_range_have_no_score(made, said) -> None:
    unscored = Unscored(0.0)
    for key, row in made:
        unscored.add(key, row.example, row)
    if said is None:
        unscored.check()
    else:
        with pytest.raises(MetricError, match=said):
            unscored.check()


def test_the_runs_end_with_the_metric() -> None:
    runs: RunCache = runs_of(lambda text, x, rollout: 1.0 if x < 5 else NONE)
    runs.ensure([(OLD, x) for x in range(8)])
    with pytest.raises(MetricError, match="Make it return a number for every answer"):
        runs.ensure([(OLD, x) for x in range(8, 24)])
    assert runs.account.spent <= 24
