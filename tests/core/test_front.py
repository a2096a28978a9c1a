"""Score against length and money: which prompts of a run no less ones equal, and the rule that takes one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_history import record

from dspy_dlpo.core.front import front, least, money
from dspy_dlpo.core.history import History, prompts_key

SET = (0, 1, 2, 3)


def history(*proposals) -> History:
    """A run on four examples: its start, then proposals as (text, scores)."""
    start = record("one two three", [0, 0, 0, 1], kind="start", batch=SET)
    return History([start, *(record(text, scores) for text, scores in proposals)])


def test_each_point_scores_more_than_all_that_are_shorter() -> None:
    found = front(history(("w " * 9, [1, 1, 1, 1]), ("w " * 5, [1, 1, 0, 1]), ("w " * 7, [1, 0, 0, 1]), ("w", [0] * 4)))
    assert [(point.words, point.score) for point in found] == [(1, 0.0), (3, 0.25), (5, 0.75), (9, 1.0)]
    assert all(point.examples == 4 for point in found)
    assert found[2].error == pytest.approx(0.25)


def test_what_ran_on_a_part_of_the_judging_set_does_not_compare() -> None:
    assert [point.words for point in front(history(("w", [1, 1])))] == [3]


SCORES = st.lists(st.sampled_from([0, 1]), min_size=4, max_size=4)


@given(st.lists(st.tuples(st.integers(1, 9), SCORES), max_size=6, unique_by=lambda proposal: proposal[0]))
def test_nothing_beats_the_front(proposals) -> None:
    past = history(*(("w " * words, scores) for words, scores in proposals))
    found = front(past)
    for words, scores in [(3, [0, 0, 0, 1]), *proposals]:
        assert any(point.words <= words and point.score >= sum(scores) / 4 - 1e-9 for point in found)
    assert [point.words for point in found] == sorted({point.words for point in found})


def test_the_shortest_within_one_standard_error_is_taken() -> None:
    found = front(history(("w " * 9, [1, 1, 1, 0]), ("w " * 5, [1, 0, 0, 1]), ("w", [0] * 4)))
    best = found[-1]
    assert best.error == pytest.approx(0.25)
    assert least(found).words == 5
    assert least([]) is None


def test_the_front_by_money_has_the_cheapest_first_and_leaves_out_what_is_not_known() -> None:
    past = history(("w", [1, 1, 0, 0]), ("w w", [1, 1, 1, 1]), ("w w w w", [1, 1, 1, 0]), ("w " * 9, [1, 1, 1, 1]))
    usd = {prompts_key({"solve": text}): cost for text, cost in (("w", 3.0), ("w w w w", 2.0), ("w " * 9, 2.5))}
    found = front(past, usd, money)
    assert [(point.usd, point.words, point.score) for point in found] == [(2.0, 4, 0.75), (2.5, 9, 1.0)]
    assert least(found).usd == 2.5, "three of four are more than one standard error below four of four without any"
    assert [(point.words, point.usd) for point in front(past, usd)] == [(1, 3.0), (2, None)]
    assert front(past, {}, money) == ()
