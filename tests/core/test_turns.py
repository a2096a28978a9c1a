"""Which predictors a step updates."""

from dspy_dlpo.core.history import History, Record
from dspy_dlpo.core.turns import whose_turn
from dspy_dlpo.core.update import TextGradient

A, B = TextGradient("a", "One point."), TextGradient("b", "One point.\n\nAnother.")


def after(*names: str) -> History:
    return History([Record("step", i, 0.0, {}, {}, gradients=(TextGradient(n, "x"),)) for i, n in enumerate(names)])


def test_all_are_updated_unless_told_otherwise() -> None:
    assert whose_turn("all", [A, B], History()) == (A, B)


def test_the_most_blamed_is_the_one_with_most_points() -> None:
    assert whose_turn("most_blamed", [A, B], History()) == (B,)
    longer = TextGradient("a", "One much longer point than the other one.")
    assert whose_turn("most_blamed", [A, longer], History()) == (longer,)


def test_in_turn_the_one_updated_longest_ago_comes_next() -> None:
    assert whose_turn("in_turn", [A, B], History()) == (A,)
    assert whose_turn("in_turn", [A, B], after("a")) == (B,)
    assert whose_turn("in_turn", [A, B], after("a", "b")) == (A,)
    assert whose_turn("in_turn", [B], after("a", "b")) == (B,)


def test_one_or_none_needs_no_choice() -> None:
    for update in ("all", "most_blamed", "in_turn"):
        assert whose_turn(update, [], History()) == ()
        assert whose_turn(update, [A], History()) == (A,)
