"""The picture of a prompt's evolution: right, well-formed whatever is in it, and of bounded size."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from browser import ATTACK
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.tuning.evolution import LARGEST, evolution_svg
from dspy_dlpo.tuning.svg_text import clean, cut, width
from dspy_dlpo.tuning.word_diff import lines_of, word_diff

SVG = "{http://www.w3.org/2000/svg}"
# Any text that Python holds: control characters, lone surrogates, every script; and marks of XML in it.
HOSTILE = st.text(st.characters(exclude_categories=())) | st.lists(
    st.sampled_from(
        ["<", "]]>", "&amp;", "&#0;", "\x00", "\ud800", "\u202e", "\ufffe", ATTACK, "word ", "\n  ", "ภาษา", "語", "\r"]
    )
).map("".join)


def records(*prompts, accepted=True, kind="step", reason="because"):
    start = Record("start", 0, 0.0, {"solve": prompts[0]}, {"solve": prompts[0]}, accepted=True, score=0.5, cost=8)
    steps = [
        Record(
            kind,
            n,
            0.1 * n,
            {"solve": before},
            {"solve": after},
            accepted=accepted,
            reason=Why.OTHER.because(reason),
            score=0.5 + 0.08 * n,
            base=0.42 + 0.08 * n,
            cost=100 * n,
            edits=(Edit("add", 0, after),),
        )
        for n, (before, after) in enumerate(pairwise(prompts), start=1)
    ]
    return [start, *steps]


def parsed(svg):
    root = ElementTree.fromstring(svg.encode("utf-8"))
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {"svg", "title", "g", "rect", "text"}
    return root


def shown(svg):
    """The texts of a picture with their colours."""
    return [(each.text or "", each.get("fill"), each.get("text-decoration")) for each in parsed(svg).iter(f"{SVG}text")]


def plain(svg):
    return " ".join(" ".join(text for text, *_ in shown(svg)).split())


@given(HOSTILE, HOSTILE, HOSTILE)
def test_the_picture_is_well_formed_whatever_the_texts_hold(before, after, title):
    root = parsed(evolution_svg(records(before, after, before, reason=after), title))
    allowed = {"xmlns", "role", "width", "height", "viewBox", "font-family", "font-size", "transform", "x", "y"}
    allowed |= {"rx", "fill", "textLength", "lengthAdjust", "text-decoration", "font-weight"}
    names = {name for each in root.iter() for name in each.attrib}
    assert names <= allowed | {"{http://www.w3.org/XML/1998/namespace}space"}


@given(HOSTILE, HOSTILE)
def test_the_words_of_both_texts_are_kept_in_order(before, after):
    words = word_diff(before, after)
    old = "".join(word.text for word in words if word.kind != "+")
    new = "".join(word.text for word in words if word.kind != "-")
    assert "".join(old.split()) == "".join(clean(before).split())
    assert "".join(new.split()) == "".join(clean(after).split())


@given(HOSTILE, HOSTILE, st.integers(8, 40))
def test_no_line_is_wider_than_asked(before, after, columns):
    # The deepest indentation shown is 40 cells; with it and one word a line may be wider.
    for line in lines_of(word_diff(before, after), columns):
        assert sum(width(run.text) for run in line) <= max(columns, 42)


def test_added_words_are_green_and_deleted_ones_red_and_struck():
    svg = evolution_svg(records("Answer the question. Be very brief.", "Answer the long question. Be brief."), "t")
    assert ("long", "#116329", None) in shown(svg)
    assert ("very", "#a40e26", "line-through") in shown(svg)
    assert "Answer the long question. Be very brief." in plain(svg)


def test_a_sentence_that_is_replaced_is_shown_whole_rather_than_as_confetti():
    words = word_diff(
        "Keep it. Count the apples and the pears one by one.", "Keep it. Name the answer as a bare number only."
    )
    kinds = re.sub(r"(.)\1+", r"\1", "".join(word.kind for word in words))
    assert kinds == " -+"


def test_characters_of_a_script_without_spaces_are_compared_one_by_one():
    words = word_diff("果物を数える。", "野菜を数える。")
    assert [(word.kind, word.text) for word in words][:5] == [
        ("-", "果"),
        ("-", "物"),
        ("+", "野"),
        ("+", "菜"),
        (" ", "を"),
    ]
    assert width("果物") == 4
    assert width("ก็") == 1


def test_a_bar_names_the_step_its_score_gain_and_cost():
    assert "step 1 kept score 0.58 (+0.08) 100 runs" in plain(evolution_svg(records("a", "a b"), "t"))


def test_a_rejected_step_is_one_line_with_its_reason():
    svg = evolution_svg(records("one text", "never kept words", accepted=False, reason="too\nlow " * 60), "t")
    assert "step 1 not kept: too low too low" in plain(svg)
    assert "never kept words" not in plain(svg)
    assert max(len(text) for text, *_ in shown(svg)) < 130


def test_only_predictors_that_changed_are_shown_by_name():
    before, after = {"first": "same", "second": "old"}, {"first": "same", "second": "new"}
    step = Record("step", 1, 0.1, before, after, accepted=True, score=0.5, base=0.4)
    names = [text for text, *_ in shown(evolution_svg([step], "t"))]
    assert "second" in names
    assert "first" not in names


def test_an_empty_prompt_is_said_to_be_empty():
    assert "(empty)" in plain(evolution_svg(records("", "words"), "t"))


def test_markup_in_a_prompt_stays_text():
    svg = evolution_svg(records("start", f"start {ATTACK}"), ATTACK)
    assert "<script" not in svg
    assert "<img" not in svg
    assert "<script>window.hacked=1</script><img" in plain(svg)


def test_unchanged_lines_far_from_a_change_are_folded():
    text = "\n".join(f"- rule number {n}" for n in range(40))
    svg = evolution_svg(records(text, text.replace("number 20", "number twenty")), "t")
    assert "⋯ 18 lines unchanged" in plain(svg)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["word ", "語", "<&>", "\u0301", "\u200b", "a\n", "x"])
def test_the_size_is_bounded_and_what_is_left_out_is_said(text):
    prompts = [text * n for n in (10_000, 20_000)]
    svg = evolution_svg(records(*prompts * 4), "t")
    assert len(svg.encode()) <= LARGEST
    parsed(svg)


def test_many_steps_keep_their_beginning_and_end():
    prompts = ["start"]
    for n in range(600):
        prompts.append(f"{prompts[-1]} rule-{n}." if n % 40 else f"again rule-{n}.")
    svg = evolution_svg(records(*prompts), "t")
    assert len(svg.encode()) <= LARGEST
    assert "in the middle are left out" in plain(svg)
    assert "step 1 kept" in plain(svg)
    assert "step 600 kept" in plain(svg)


@given(HOSTILE, st.integers(4, 60))
def test_a_text_that_is_cut_loses_nothing(text, columns):
    pieces = cut(clean(text), columns)
    assert "".join(pieces) == clean(text)
    assert all(width(piece) <= columns for piece in pieces)
