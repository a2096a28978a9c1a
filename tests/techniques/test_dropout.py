from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import ordinary_prompts, prompts_with_replies, texts

from dspy_dlpo.core.edits import apply, diff
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import Update
from dspy_dlpo.techniques.decay import LinearDecay
from dspy_dlpo.techniques.dropout import Dropout


def frozen_by(p, prompt: str, seed: int = 0, progress: float = 0.0) -> tuple[int, ...]:
    update = Dropout(p).apply(Update("solve", prompt), StepContext(3, progress, History(), seed))
    return update.constraints[0].frozen if update.constraints else ()


@given(prompts_with_replies(), st.integers(0, 99), st.sampled_from([0.1, 0.5, 1.0]))
def test_frozen_sentences_are_byte_identical_in_the_proposal(case, seed: int, p: float) -> None:
    prompt, edits = case
    update = Dropout(p).apply(Update("solve", prompt), StepContext(3, 0.0, History(), seed))
    for constraint in update.constraints:
        kept, _ = constraint.admit(edits, prompt)
        proposal = apply(kept, prompt)
        wanted = Counter(split(prompt)[i].strip() for i in constraint.frozen)
        assert not wanted - Counter(piece.strip() for piece in split(proposal))
        assert all(proposal.count(text) >= count for text, count in wanted.items())


@given(texts, st.integers(0, 99))
def test_at_zero_nothing_is_frozen(prompt: str, seed: int) -> None:
    assert frozen_by(0.0, prompt, seed) == ()


@given(texts, st.integers(0, 99))
def test_at_one_all_but_one_sentence_are_frozen(prompt: str, seed: int) -> None:
    assert len(frozen_by(1.0, prompt, seed)) == max(0, len(split(prompt)) - 1)


@given(ordinary_prompts, st.integers(0, 99))
def test_the_sentence_left_open_can_still_be_edited(prompt: str, seed: int) -> None:
    update = Dropout(1.0).apply(Update("solve", prompt), StepContext(3, 0.0, History(), seed))
    frozen = update.constraints[0].frozen if update.constraints else ()
    (free,) = set(range(len(split(prompt)))) - set(frozen)
    after = [*split(prompt)]
    after[free] = "Quite another thing." + (" " if free + 1 < len(after) else "")
    edits = diff(prompt, "".join(after))
    for constraint in update.constraints:
        assert constraint.admit(edits, prompt) == (edits, ())


def test_the_share_of_frozen_sentences_is_the_probability() -> None:
    prompt = " ".join(f"Point {i} matters." for i in range(20))
    share = sum(len(frozen_by(0.3, prompt, seed)) for seed in range(200)) / (200 * 20)
    assert abs(share - 0.3) < 0.03


def test_each_step_draws_anew() -> None:
    prompt = " ".join(f"Point {i} matters." for i in range(20))
    assert len({frozen_by(0.3, prompt, seed) for seed in range(20)}) > 10


def test_a_schedule_is_read_at_the_progress() -> None:
    prompt = "One. Two. Three."
    assert frozen_by(LinearDecay(1.0, 0.0), prompt, progress=1.0) == ()
    assert len(frozen_by(LinearDecay(1.0, 0.0), prompt, progress=0.0)) == 2


def test_the_writer_is_told_what_stays_counting_from_one() -> None:
    update = Dropout(1.0).apply(Update("solve", "One. Two."), StepContext(3, 0.0, History(), 0))
    (frozen,) = update.constraints[0].frozen
    assert f"sentence {frozen + 1} " in update.constraints[0].text


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), LinearDecay(2.0, 0.0)])
def test_an_illegal_probability_is_refused_with_the_way_out(value) -> None:
    with pytest.raises(ValueError, match=r"p=.*Pass"):
        Dropout(value)


@pytest.mark.parametrize("value", ["0.2", None, True])
def test_a_probability_of_the_wrong_type_is_refused_with_the_way_out(value) -> None:
    with pytest.raises(TypeError, match=r"p=.*Pass"):
        Dropout(value)
