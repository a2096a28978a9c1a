import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import least_distance, ordinary_prompts, prompts_with_replies

from dspy_dlpo.core.edits import Edit, apply, cost, distance, sound
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.update import Update
from dspy_dlpo.techniques.decay import LinearDecay
from dspy_dlpo.techniques.learning_rate import LearningRate, LimitEdits


def limit_at(technique: LearningRate, progress: float) -> int:
    update = technique.apply(Update("solve", "One. Two."), StepContext(0, progress, History()))
    return update.constraints[0].max_edits


@given(prompts_with_replies(), st.integers(1, 6))
def test_the_proposal_is_never_further_away_than_the_limit(case, max_edits: int) -> None:
    prompt, edits = case
    kept, _ = LimitEdits(max_edits).admit(edits, prompt)
    proposal = apply(kept, prompt)
    assert distance(prompt, proposal) <= max_edits
    assert least_distance(prompt, proposal) <= max_edits


@given(ordinary_prompts, st.integers(1, 6))
def test_the_first_edits_are_kept(prompt: str, max_edits: int) -> None:
    edits = tuple(Edit("add", 0, f"Mind point {i}. ") for i in range(50))
    kept, dropped = LimitEdits(max_edits).admit(sound(edits, prompt)[0], prompt)
    assert kept == edits[:max_edits]
    assert [each.edit for each in dropped] == list(edits[max_edits:])
    assert all(str(max_edits) in each.reason for each in dropped)


def test_an_edit_of_several_sentences_counts_as_several() -> None:
    prompt = "One. Two."
    three, one = Edit("add", 0, "A first. A second. A third. "), Edit("replace", 1, "Deux.")
    assert LimitEdits(2).admit((three, one), prompt)[0] == (one,)
    assert LimitEdits(3).admit((three, one), prompt)[0] == (three,)
    assert LimitEdits(4).admit((three, one), prompt)[0] == (three, one)


def test_an_edit_that_melts_two_sentences_counts_what_comes_out() -> None:
    prompt = "Ask the doctor. Smith knows. Stop."
    melting = Edit("replace", 0, "Ask Dr. ")
    assert cost(melting) == 1
    kept, _ = LimitEdits(1).admit((melting,), prompt)
    assert least_distance(prompt, apply(kept, prompt)) <= 1


def test_the_writer_is_told_the_limit() -> None:
    assert "one sentence" in LimitEdits(1).text
    assert "3 sentences" in LimitEdits(3).text


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 4), (0.34, 3), (1.0, 1)])
def test_a_schedule_is_read_at_the_progress(progress: float, expected: int) -> None:
    assert limit_at(LearningRate(LinearDecay(4, 1)), progress) == expected


@given(st.floats(1, 10), st.floats(1, 10), st.floats(-1, 2))
def test_the_limit_is_a_whole_number_of_at_least_one(first: float, last: float, progress: float) -> None:
    limit = limit_at(LearningRate(LinearDecay(first, last)), progress)
    assert isinstance(limit, int)
    assert 1 <= limit <= round(max(first, last))


@pytest.mark.parametrize("value", [0, -1, 0.5, float("nan"), float("inf"), LinearDecay(4, -1)])
def test_an_illegal_limit_is_refused_with_the_way_out(value) -> None:
    with pytest.raises(ValueError, match=r"max_edits=.*Pass"):
        LearningRate(value)


@pytest.mark.parametrize("value", ["4", None, True, [1]])
def test_a_limit_of_the_wrong_type_is_refused_with_the_way_out(value) -> None:
    with pytest.raises(TypeError, match=r"max_edits=.*Pass"):
        LearningRate(value)
