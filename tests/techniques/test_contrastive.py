import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.history import History, Record, StepContext
from dspy_dlpo.core.update import Update
from dspy_dlpo.techniques.contrastive import Contrastive

EXAMPLES = tuple(f"example number {x}" for x in range(20))


def judged(prompt: str, scores: dict[int, float], complete: bool = True, accepted: bool = False) -> Record:
    prompts = {"solve": prompt}
    runs = {x: (score,) for x, score in scores.items()}
    return Record("step", 1, 0.0, prompts, prompts, scores=runs, complete=complete, accepted=accepted)


def body(history: list[Record], prompt: str = "Count. Be brief.", **fields) -> str:
    context = StepContext(9, 0.5, History(history), examples=EXAMPLES)
    update = Contrastive(**fields).apply(Update("solve", prompt), context)
    return update.notes[0].body if update.notes else ""


def row(*scores: float, start: int = 0) -> dict[int, float]:
    return dict(enumerate(scores, start))


NOW, OTHER = "Count. Be brief.", "Count. Guess."


def test_the_better_and_the_poorer_are_shown_as_a_difference() -> None:
    said = body([judged(OTHER, row(0, 0, 1, 1)), judged(NOW, row(1, 1, 1, 1))])
    lines = said.splitlines()
    assert "4 examples" in lines[0]
    assert "0.50" in lines[0]
    assert "- Guess." in lines
    assert "+ Be brief." in lines
    assert not any("Count." in line for line in lines)
    assert EXAMPLES[0] in said


def test_a_past_prompt_that_was_better_is_shown_as_the_better_one() -> None:
    said = body([judged(OTHER, row(1, 1, 1, 1)), judged(NOW, row(0, 0, 1, 1))]).splitlines()
    assert "+ Guess." in said
    assert "- Be brief." in said


def test_rejected_prompts_are_shown_too() -> None:
    assert body([judged(NOW, row(1, 1), accepted=True), judged(OTHER, row(0, 0), accepted=False)])


def test_scores_are_compared_on_the_same_examples_only() -> None:
    """Over all that each has run, `OTHER` has the higher mean; on the examples that both have run it is worse."""
    other = {**row(0, 0, 0, 1), **row(*[1] * 12, start=4)}
    now = {**row(1, 1, 0, 1), **row(0, 0, 0, 0, start=16)}
    assert sum(other.values()) / len(other) > sum(now.values()) / len(now)
    said = body([judged(OTHER, other), judged(NOW, now)]).splitlines()
    assert "4 examples" in said[0]
    assert "+ Be brief." in said


def test_prompts_without_a_common_example_are_not_compared() -> None:
    assert body([judged(OTHER, row(0, 0)), judged(NOW, row(1, 1, start=2))]) == ""


def test_a_judgement_cut_short_is_ignored() -> None:
    assert body([judged(OTHER, row(0, 0, 0, 0), complete=False), judged(NOW, row(1, 1, 1, 1))]) == ""
    assert body([judged(OTHER, row(0, 0, 0, 0)), judged(NOW, row(1, 1, 1, 1), complete=False)]) == ""


@given(st.integers(1, 19), st.integers(1, 20))
def test_nothing_is_shown_while_no_pair_differs_by_the_margin(gap: int, n: int) -> None:
    gap = min(gap, n)
    history = [judged(OTHER, row(*[0] * n)), judged(NOW, row(*[1] * gap, *[0] * (n - gap)))]
    assert body(history, margin=gap / n) != ""
    assert body(history, margin=gap / n + 0.01) == ""


def test_the_same_prompt_is_not_compared_with_itself() -> None:
    assert body([judged(NOW, row(0, 0)), judged(NOW, row(1, 1, start=2))]) == ""


def test_a_prompt_judged_twice_is_shown_once() -> None:
    history = [judged(OTHER, row(0, 0)), judged(OTHER, row(0, 0)), judged(NOW, row(1, 1))]
    assert body(history, max_pairs=5).count("- Guess.") == 1


def test_no_more_pairs_than_asked_for_the_most_telling_first() -> None:
    far = "Think hard. Look twice. Guess. Hurry."
    history = [judged(far, row(0, 0)), judged(OTHER, row(0, 0)), judged(NOW, row(1, 1))]
    said = body(history, max_pairs=1)
    assert "- Guess." in said
    assert "- Hurry." not in said
    assert "- Hurry." in body(history, max_pairs=2)


def test_prompts_in_force_that_were_never_judged_show_nothing() -> None:
    assert body([judged(OTHER, row(0, 0))]) == ""


def test_long_examples_are_cut() -> None:
    context = StepContext(1, 0.0, History([judged(OTHER, row(0)), judged(NOW, row(1))]), examples=("long " * 1000,))
    assert len(Contrastive().apply(Update("solve", NOW), context).notes[0].body) < 600


@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan"), "0.1", None])
def test_an_illegal_margin_is_refused_with_the_way_out(margin) -> None:
    with pytest.raises((ValueError, TypeError), match=r"margin=.*(Pass|Leave)"):
        Contrastive(margin=margin)


@pytest.mark.parametrize("max_pairs", [0, -1, 1.5, "2", None])
def test_an_illegal_number_of_pairs_is_refused_with_the_way_out(max_pairs) -> None:
    with pytest.raises((ValueError, TypeError), match=r"max_pairs=.*Pass"):
        Contrastive(max_pairs=max_pairs)


def test_what_another_predictor_spoiled_is_not_put_down_to_this_one() -> None:
    def record(step: int, prompts: dict[str, str], right: int, accepted: bool) -> Record:
        scores = {x: (float(x < right),) for x in range(20)}
        return Record("step", step, 0.0, prompts, prompts, scores=scores, complete=True, accepted=accepted)

    history = [
        record(0, {"a": "Old A.", "b": "B."}, 10, True),
        record(1, {"a": "New A.", "b": "B."}, 14, True),
        record(2, {"a": "New A.", "b": "Bad B."}, 4, False),
        record(3, {"a": "Odd A.", "b": "Bad B."}, 1, False),
    ]
    context = StepContext(4, 0.5, History(history), examples=EXAMPLES)
    said = Contrastive(max_pairs=1).apply(Update("a", "New A."), context).notes[0].body.splitlines()
    assert "scored 0.20 above" in said[0]
    assert said[1:3] == ["- Old A.", "+ New A."]
