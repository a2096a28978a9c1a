"""Which predictors a step updates, and how its text gradients share a batch."""

from dspy_dlpo.core.history import History, Record
from dspy_dlpo.core.turns import blamed, shared, whose_turn
from dspy_dlpo.core.update import TextGradient

A, B = TextGradient("a", "One point."), TextGradient("b", "One point.\n\nAnother.")


def after(*names: str) -> History:
    return History([Record("step", i, 0.0, {}, {}, gradients=(TextGradient(n, "x"),)) for i, n in enumerate(names)])


def test_all_are_updated_unless_told_otherwise() -> None:
    assert whose_turn("all", [A, B], History()) == {"a", "b"}


def test_the_most_blamed_is_the_one_with_most_points() -> None:
    assert whose_turn("most_blamed", [A, B], History()) == {"b"}
    longer = TextGradient("a", "One much longer point than the other one.")
    assert whose_turn("most_blamed", [TextGradient("b", "One point."), longer], History()) == {"a"}


def test_in_turn_the_one_updated_longest_ago_comes_next() -> None:
    assert whose_turn("in_turn", [A, B], History()) == {"a"}
    assert whose_turn("in_turn", [A, B], after("a")) == {"b"}
    assert whose_turn("in_turn", [A, B], after("a", "b")) == {"a"}
    assert whose_turn("in_turn", [B], after("a", "b")) == {"b"}


def test_one_or_none_needs_no_choice() -> None:
    for update in ("all", "most_blamed", "in_turn"):
        assert whose_turn(update, [], History()) == set()
        assert whose_turn(update, [A], History()) == {"a"}


def test_points_of_several_gradients_count_together() -> None:
    parts = [A, A, A, B]
    assert whose_turn("most_blamed", parts, History()) == {"a"}
    assert whose_turn("all", parts, History()) == {"a", "b"}


def test_gradients_share_a_batch_of_two_examples_at_least() -> None:
    assert shared(range(8), 2) == [(0, 2, 4, 6), (1, 3, 5, 7)]
    assert shared(range(8), 1) == [tuple(range(8))]
    assert shared(range(5), 4) == [(0, 2, 4), (1, 3)]
    assert shared(range(1), 4) == [(0,)]


def test_a_predictor_that_is_found_fine_is_left_alone_unless_all_are() -> None:
    fine = TextGradient("b", "It looks right.", is_fine=True)
    assert blamed([[A, fine], [fine]]) == [[A], []]
    assert blamed([[fine], [fine]]) == [[fine], [fine]]
