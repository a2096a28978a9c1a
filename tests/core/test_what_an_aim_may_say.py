"""The user's aim: what may be said, and how much."""

import pytest

from dspy_dlpo import Aim
from dspy_dlpo.core.aim import MOST_CHARACTERS, MOST_WORDS, as_aim


def test_a_string_is_the_objective():
    assert as_aim("Be short.") == Aim(objective="Be short.") == Aim("Be short.")
    assert as_aim(Aim(background="For nurses.")) == Aim(background="For nurses.")
    assert as_aim(None) is None


def test_only_what_is_said_goes_into_requests():
    assert Aim("Be short.").texts == {"objective": "Be short."}
    assert Aim(background="For\nnurses. ").texts == {"background": "For\nnurses. "}, "as it stands"


@pytest.mark.parametrize("given", [5, ["Be short."], b"Be short."])
def test_what_is_no_text_is_refused(given):
    with pytest.raises(TypeError, match="neither a string nor an Aim"):
        as_aim(given)
    with pytest.raises(TypeError, match="is no text"):
        Aim(background=given)


@pytest.mark.parametrize("given", ["", " \n"])
def test_an_aim_that_says_nothing_is_refused(given):
    with pytest.raises(ValueError, match="says nothing"):
        as_aim(given)


@pytest.mark.parametrize(
    ("longest", "more"), [("word " * MOST_WORDS, "word"), ("x" * MOST_CHARACTERS, "x"), ("字" * 2 * MOST_WORDS, "字字")]
)
def test_an_aim_that_is_too_long_is_refused_with_the_limit(longest, more):
    assert Aim(longest.strip()).objective
    with pytest.raises(ValueError, match=f"{MOST_WORDS} words and {MOST_CHARACTERS:,} characters"):
        Aim(longest + more)


def test_both_texts_count_together():
    half = "word " * (MOST_WORDS // 2)
    Aim(half, half)
    with pytest.raises(ValueError, match="Shorten it"):
        Aim(half, half + "more")
