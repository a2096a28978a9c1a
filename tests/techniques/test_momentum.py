import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.history import History, Record, StepContext
from dspy_dlpo.core.sentences import count_words
from dspy_dlpo.core.update import TextGradient, Update
from dspy_dlpo.techniques.momentum import Momentum


def history(*critiques: str, predictor: str = "solve") -> History:
    """Steps with one critique each, the oldest first."""
    return History(
        [Record("step", i, 0.0, {}, {}, gradients=(TextGradient(predictor, text),)) for i, text in enumerate(critiques)]
    )


def body(momentum: Momentum, past: History, now: str = "") -> str:
    gradients = (TextGradient("solve", now),) if now else ()
    update = momentum.apply(Update("solve", "Count.", gradients), StepContext(len(past), 0.5, past))
    return update.notes[0].body if update.notes else ""


ORANGES = "The oranges were never counted separately."
UNITS = "Answers lack measurement units entirely."
TONE = "Replies sound impolite towards customers."


def test_nothing_is_said_without_a_past() -> None:
    update = Update("solve", "Count.", (TextGradient("solve", ORANGES),))
    assert Momentum().apply(update, StepContext(0, 0.0, History())) is update


def test_what_is_only_said_now_is_not_repeated() -> None:
    assert ORANGES not in body(Momentum(), history(UNITS), now=ORANGES)


def test_a_recurring_complaint_ranks_first_and_asks_for_more() -> None:
    lines = body(Momentum(window=3), history(ORANGES, f"{ORANGES} {TONE}", UNITS)).splitlines()
    assert ORANGES in lines[0]
    assert "2 steps" in lines[0]
    assert [UNITS in lines[1], TONE in lines[2]] == [True, True]


def test_a_complaint_that_comes_back_now_counts_this_step_too() -> None:
    lines = body(Momentum(window=3), history(ORANGES, UNITS), now=ORANGES).splitlines()
    assert ORANGES in lines[0]


def test_the_same_complaint_in_other_words_is_one() -> None:
    past = history("The oranges were never counted separately.", "Oranges should be counted separately.")
    assert len(body(Momentum(), past).splitlines()) == 1


def test_the_same_complaint_in_a_script_without_spaces_is_one() -> None:
    past = history("程序没有分别数橙子和苹果的数量。", "还是没有分别数橙子和苹果的数量。")
    assert len(body(Momentum(), past).splitlines()) == 1


@pytest.mark.parametrize(
    ("first", "second"), [("Add 5 to it.", "Say no or yes."), ("단위를 써라.", "색을 먼저 봐."), ("Use 12.", "Be shy.")]
)
def test_short_complaints_without_a_word_in_common_are_two(first: str, second: str) -> None:
    assert len(body(Momentum(), history(first, second)).splitlines()) == 2


def test_newer_complaints_come_first() -> None:
    lines = body(Momentum(window=3), history(ORANGES, UNITS, TONE)).splitlines()
    assert [TONE in lines[0], UNITS in lines[1], ORANGES in lines[2]] == [True, True, True]


def test_complaints_older_than_the_window_are_forgotten() -> None:
    assert ORANGES not in body(Momentum(window=2), history(ORANGES, UNITS, TONE))
    assert UNITS in body(Momentum(window=2), history(ORANGES, UNITS, TONE))


def test_complaints_about_another_predictor_are_not_told() -> None:
    assert body(Momentum(), history(ORANGES, predictor="check")) == ""


@given(
    st.lists(
        st.lists(st.sampled_from([ORANGES, UNITS, TONE, "Short one.", "字" * 30 + "。"])).map(" ".join), max_size=40
    ),
    st.lists(st.text(max_size=80), max_size=20),
    st.integers(1, 40),
    st.integers(1, 120),
)
def test_the_text_is_bounded_however_long_the_history(critiques, odd, window: int, max_words: int) -> None:
    said = body(Momentum(window=window, max_words=max_words), history(*critiques, *odd))
    assert count_words(said) <= max_words


@pytest.mark.parametrize("window", [0, -1, 2.5, float("nan"), "3", None])
def test_an_illegal_window_is_refused_with_the_way_out(window) -> None:
    with pytest.raises((ValueError, TypeError), match=r"window=.*(Pass|Leave)"):
        Momentum(window=window)


@pytest.mark.parametrize("decay", [0.0, -0.1, 1.1, float("nan"), "0.7", None])
def test_an_illegal_decay_is_refused_with_the_way_out(decay) -> None:
    with pytest.raises((ValueError, TypeError), match=r"decay=.*Pass"):
        Momentum(decay=decay)


@pytest.mark.parametrize("max_words", [0, -5, float("nan"), "120"])
def test_an_illegal_bound_is_refused_with_the_way_out(max_words) -> None:
    with pytest.raises((ValueError, TypeError), match=r"max_words=.*Pass"):
        Momentum(max_words=max_words)
