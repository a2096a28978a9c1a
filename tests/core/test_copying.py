import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.copying import NoCopying
from dspy_dlpo.core.edits import Edit, apply

LONG = "alpha beta gamma delta epsilon zeta eta theta iota"
OTHER = "one two three four five six seven eight nine"


def admitted(constraint: NoCopying, *texts: str, prompt: str = "Count.") -> list[str]:
    kept, dropped = constraint.admit(tuple(Edit("add", 1, text) for text in texts), prompt)
    assert len(kept) + len(dropped) == len(texts)
    return [edit.text for edit in kept]


@pytest.mark.parametrize(
    "text",
    [
        f"Think of {LONG}.",
        "alpha beta gamma delta epsilon zeta eta theta",
        "ALPHA, beta; gamma - delta\nepsilon zeta 'eta' theta!",
    ],
)
def test_eight_words_in_a_row_of_one_input_are_refused(text: str) -> None:
    assert admitted(NoCopying([LONG, OTHER], ["", ""]), text) == []


@pytest.mark.parametrize(
    "text",
    ["alpha beta gamma delta epsilon zeta eta", "alpha beta gamma delta x epsilon zeta eta theta", "Count them."],
)
def test_fewer_words_in_a_row_are_free(text: str) -> None:
    assert admitted(NoCopying([LONG, OTHER], ["", ""]), text) == [text]


def test_what_several_inputs_share_is_free() -> None:
    shared = f"{LONG} and"
    assert admitted(NoCopying([f"{shared} one", f"{shared} two"], ["", ""]), LONG) == [LONG]


def test_the_rest_of_an_input_is_not_freed_by_what_is_shared() -> None:
    constraint = NoCopying([f"{LONG} {OTHER}", LONG], ["", ""])
    assert admitted(constraint, OTHER) == []


def test_a_text_in_a_script_without_spaces_is_counted_by_characters() -> None:
    constraint = NoCopying(["小明有三个苹果和五个橙子", "别的"], ["", ""])
    assert admitted(constraint, "记住小明有三个苹果和五个") == []
    assert admitted(constraint, "小明有三个") == ["小明有三个"]


def test_a_long_answer_of_one_example_is_refused() -> None:
    answer = "it is a very red apple"
    constraint = NoCopying(["", ""], [answer, "yes"])
    assert admitted(constraint, "Say: It is a very red apple!") == []
    assert admitted(constraint, "It is a very red pear.") == ["It is a very red pear."]


def test_labels_and_answers_that_several_examples_have_are_free() -> None:
    answer = "it is a very red apple"
    assert admitted(NoCopying(["", "", ""], [answer, answer, "yes"]), answer, "yes") == [answer, "yes"]
    assert admitted(NoCopying([""], ["a red apple it is"]), "a red apple it is") == ["a red apple it is"]


def test_an_answer_is_not_found_within_other_words() -> None:
    assert admitted(NoCopying([""], ["a b c d e f"]), "aa b c d e f") == ["aa b c d e f"]


def test_edits_that_copy_nothing_stay_and_the_reason_is_given() -> None:
    constraint = NoCopying([LONG], [""])
    kept, dropped = constraint.admit((Edit("add", 0, LONG), Edit("delete", 0), Edit("add", 0, "Mind.")), "Count.")
    assert [edit.op for edit in kept] == ["delete", "add"]
    assert [each.reason for each in dropped] == ["copies an example"]


def test_a_copy_spread_over_two_edits_is_refused() -> None:
    constraint = NoCopying([LONG], [""])
    prompt = "Count."
    edits = (Edit("add", 1, "Alpha beta gamma delta. "), Edit("add", 1, "Epsilon zeta eta theta. "))
    kept, _ = constraint.admit(edits, prompt)
    assert admitted(constraint, apply(kept, prompt)) != []


def test_a_copy_completed_by_its_neighbour_is_refused() -> None:
    constraint = NoCopying([LONG], [""])
    prompt = "Alpha beta gamma delta."
    kept, _ = constraint.admit((Edit("add", 1, "Epsilon zeta eta theta."),), prompt)
    assert admitted(constraint, apply(kept, prompt)) != []


@pytest.mark.parametrize(
    "text",
    ["3月15日に東京駅の北口で会う約束がある", "iPhoneの画面が割れたので修理に出した", "第3章を読んで要約してください"],
)
def test_a_script_without_spaces_is_counted_by_characters_beside_digits_and_latin_letters_too(text: str) -> None:
    assert admitted(NoCopying([text, "別の文"], ["", ""]), text, f"例：{text}") == []


def plain_verdict(inputs: list[str], text: str) -> bool:
    """Whether a text holds a run of eight words that only one of the inputs has, as it is said in words."""
    runs = [{tuple(words[i : i + 8]) for i in range(len(words) - 7)} for words in map(str.split, [*inputs, text])]
    return any(sum(run in other for other in runs[:-1]) == 1 for run in runs[-1])


@given(st.lists(st.text("ab ", min_size=0, max_size=60), max_size=4), st.text("ab ", min_size=0, max_size=60))
def test_a_text_is_refused_exactly_for_a_run_of_one_input(inputs: list[str], text: str) -> None:
    constraint = NoCopying(inputs, [""] * len(inputs))
    assert (admitted(constraint, text) == []) == plain_verdict(inputs, text)


def test_long_documents_take_memory_of_the_order_of_their_text() -> None:
    chance = random.Random(0)
    documents = [" ".join(f"w{chance.randrange(9999)}" for _ in range(10_000)) for _ in range(20)]
    size = sum(map(len, documents))
    tracemalloc.start()
    constraint = NoCopying(documents, documents)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 3 * size
    assert peak < 6 * size
    assert admitted(constraint, " ".join(documents[7].split()[500:508])) == []
