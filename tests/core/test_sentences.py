import pytest
from hypothesis import given
from texts import texts

from dspy_dlpo.core.sentences import bullet_marker, count_words, is_block, split


def said(text: str) -> list[str]:
    return [sentence.strip() for sentence in split(text)]


@given(texts)
def test_joining_the_sentences_gives_the_text_back(text: str) -> None:
    assert "".join(split(text)) == text


@given(texts)
def test_every_sentence_says_something(text: str) -> None:
    if text.strip():
        assert all(sentence.strip() for sentence in split(text))
    else:
        assert len(split(text)) <= 1


def test_the_empty_text_has_no_sentences() -> None:
    assert split("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith counts the apples.",
        "Use 3.14 for pi.",
        "Name fruit, e.g. apples and pears.",
        "Name fruit, i.e. apples.",
        "Mr. and Mrs. Jones agree.",
        "Round 0.5 up.",
        "Fill in {first. Second} here.",
        "Fill in {{ first. Second }} here.",
        "Call `run. Now` once.",
        "What is item.The name is x.",
        "A sentence that goes\non in the next line.",
    ],
)
def test_what_only_looks_like_an_end_ends_no_sentence(text: str) -> None:
    assert said(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Count them. Name them! Why? Say so.", ["Count them.", "Name them!", "Why?", "Say so."]),
        ("先数一数。然后回答！对吗？", ["先数一数。", "然后回答！", "对吗？"]),
        ("Считай яблоки. Назови число.", ["Считай яблоки.", "Назови число."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("Given the question, answer it.\nBe brief.", ["Given the question, answer it.", "Be brief."]),
        ("Task\nCount the apples.", ["Task", "Count the apples."]),
        ("One paragraph.\n\nAnother one.", ["One paragraph.", "Another one."]),
    ],
)
def test_sentences_end_where_a_reader_would_say_so(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "- Count e.g. apples. Then pears.",
        "* Count them. Then go on.",
        "1. First. Then second.",
        "(a) First. Then second.",
        "- Count them. Then\n  go on in the next line.",
        "## Rules. And more",
        "```python\nx = 1. \ny = 2.\n\nz = 3.\n```",
        "~~~\nA. B. C.\n~~~",
        "| a. B | c |\n|---|---|\n| 1. | 2. |",
    ],
)
def test_bullets_headings_fences_and_tables_are_whole(unit: str) -> None:
    assert said(f"Before it.\n\n{unit}\n\nAfter it.") == ["Before it.", unit, "After it."]


def test_each_bullet_is_a_unit_of_its_own() -> None:
    assert said("Rules:\n- one\n- two\n  - three\n") == ["Rules:", "- one", "- two", "- three"]


def test_an_open_fence_holds_the_rest() -> None:
    assert said("Before.\n```\nA. B.\nC.") == ["Before.", "```\nA. B.\nC."]


def test_white_space_belongs_to_the_sentence_before_it() -> None:
    assert split("One.  Two.\n\n- three\n") == ("One.  ", "Two.\n\n", "- three\n")


def test_leading_white_space_belongs_to_the_first_sentence() -> None:
    assert split("\n\n One. Two.") == ("\n\n One. ", "Two.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \n", 0),
        ("Count the apples.", 3),
        ("数一数", 2),
        ("数 apples 数", 3),
        ("请根据问题回答，并给出理由。", 7),
        ("3.14 - e.g. x", 4),
        ("한국", 1),
        ("질문에 답하세요.", 2),
        ("ตอบคำถามให้สั้น", 4),
        ("Vastaa kysymykseen lyhyesti.", 3),
    ],
)
def test_words_are_counted_in_any_script(text: str, words: int) -> None:
    assert count_words(text) == words


@given(texts, texts)
def test_a_text_has_no_more_words_than_its_parts(first: str, second: str) -> None:
    assert max(count_words(first), count_words(second)) <= count_words(first + second)
    assert count_words(first + second) <= count_words(first) + count_words(second)


@pytest.mark.parametrize("text", ["- a", "* a", "12) a", "# a", "```", "| a |", "  - a"])
def test_blocks_stand_on_their_own_line(text: str) -> None:
    assert is_block(text)


@pytest.mark.parametrize("text", ["a - b", "3.14 is pi", "#hash", "-5 is negative", "`code`", ""])
def test_running_text_is_no_block(text: str) -> None:
    assert not is_block(text)


@pytest.mark.parametrize(("text", "marker"), [("- a", "- "), ("  * a", "  * "), ("1. a", ""), ("a", ""), ("-a", "")])
def test_bullet_marker_keeps_its_indentation(text: str, marker: str) -> None:
    assert bullet_marker(text) == marker


def test_half_of_a_surrogate_pair_is_kept() -> None:
    text = "One \ud83d here. Two there."
    assert split(text) == ("One \ud83d here. ", "Two there.")
    assert "".join(split(text)) == text


@pytest.mark.parametrize(("text", "words"), [("第3章", 3), ("3กขค", 2), ("abกข", 2), ("Rule 3: 東京", 3), ("ㄅㄆ", 1)])
def test_words_of_scripts_without_spaces_are_counted_beside_others(text: str, words: int) -> None:
    assert count_words(text) == words
