import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.history import History, Record, Scored, StepContext, paired_difference, prompts_key
from dspy_dlpo.core.update import TextGradient


def record(text: str, scores=(), *, kind="step", step=0, accepted=False, complete=True, **fields) -> Record:
    table = scores if isinstance(scores, dict) else dict(enumerate(scores))
    runs = {x: score if isinstance(score, tuple) else (score,) for x, score in table.items()}
    prompts = {"solve": text}
    return Record(kind, step, 0.0, prompts, prompts, scores=runs, complete=complete, accepted=accepted, **fields)


def texts_of(scored) -> list[str]:
    return [each.prompts["solve"] for each in scored]


def test_the_start_is_in_force_while_nothing_is_accepted() -> None:
    assert History([record("a"), record("b")]).current({"solve": "start"}) == {"solve": "start"}


def test_the_last_accepted_proposal_is_in_force() -> None:
    past = History([record("a", accepted=True), record("b", accepted=True), record("c")])
    assert past.current({"solve": "start"}) == {"solve": "b"}


def test_what_pruning_leaves_is_never_in_force() -> None:
    past = History([record("a", accepted=True), record("b", accepted=True, kind="prune")])
    assert past.current({}) == {"solve": "a"}


def test_a_part_of_a_history_is_a_history() -> None:
    past = History([record("a"), record("b"), record("c")])
    assert isinstance(past[1:], History)
    assert len(past[1:]) == 2
    assert past[0].proposal == {"solve": "a"}


def test_gradients_come_newest_first_with_their_age() -> None:
    past = History(
        [
            record("a", gradients=(TextGradient("solve", "old"), TextGradient("check", "other"))),
            record("b", kind="trial", gradients=(TextGradient("solve", "no step"),)),
            record("c"),
            record("d", gradients=(TextGradient("solve", "new"),)),
        ]
    )
    assert [(age, each.text) for age, each in past.gradients("solve", 9)] == [(1, "new"), (3, "old")]
    assert [(age, each.text) for age, each in past.gradients("solve", 2)] == [(1, "new")]
    assert past.gradients("solve", 0) == ()
    assert past.gradients("nobody", 9) == ()


def test_prompts_judged_several_times_are_one_with_all_their_scores() -> None:
    past = History([record("a", {0: 1.0}), record("b", {0: 0.0}), record("a", {1: (0.0, 1.0)})])
    scored = past.scored()
    assert texts_of(scored) == ["a", "b"]
    assert scored[0].scores == {0: 1.0, 1: 0.5}


def test_a_judgement_cut_short_is_left_out_of_rankings() -> None:
    past = History([record("a", [1.0], complete=False), record("b", [0.0])])
    assert texts_of(past.ranked()) == ["b"]


def test_ranking_compares_on_the_examples_that_both_have_run() -> None:
    early = record("early", {0: 1, 1: 1, 2: 1, 3: 0})
    late = record("late", {0: 1, 1: 1, 2: 1, 3: 1, 4: 0, 5: 0, 6: 0, 7: 0})
    assert texts_of(History([early, late]).ranked()) == ["late", "early"]
    assert History([early, late]).best().prompts == {"solve": "late"}


def test_of_equals_the_shorter_is_better() -> None:
    past = History([record("two words", [1, 0]), record("one", [0, 1])])
    assert texts_of(past.ranked()) == ["one", "two words"]
    assert past.best().prompts == {"solve": "one"}


def test_of_equals_in_score_and_length_the_first_is_best() -> None:
    past = History([record("first", [1, 0]), record("later", [0, 1])])
    assert past.best().prompts == {"solve": "first"}


def test_nothing_judged_has_no_best() -> None:
    assert History().best() is None
    assert History().ranked() == ()


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=6, max_size=6), min_size=1, max_size=6))
def test_on_equal_examples_the_ranking_is_that_of_the_means(rows) -> None:
    past = History([record(f"prompt{i}", row) for i, row in enumerate(rows)])
    means = [sum(each.scores.values()) for each in past.ranked()]
    assert means == sorted(means, reverse=True)
    assert sum(past.best().scores.values()) == max(means)


tables = st.dictionaries(st.integers(0, 9), st.floats(0, 1))


@given(tables, tables)
def test_a_paired_difference_is_that_of_the_means_on_common_examples(first, second) -> None:
    difference, count = paired_difference(first, second)
    common = first.keys() & second.keys()
    assert count == len(common)
    if common:
        expected = sum(first[x] for x in common) / count - sum(second[x] for x in common) / count
        assert math.isclose(difference, expected, abs_tol=1e-9)
    else:
        assert difference == 0.0
    assert math.isclose(paired_difference(second, first)[0], -difference, abs_tol=1e-12)


@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_a_key_depends_on_the_texts_only(prompts) -> None:
    assert prompts_key(prompts) == prompts_key(dict(reversed(prompts.items())))
    assert prompts_key(prompts) != prompts_key({**prompts, "one more": ""})


@pytest.mark.parametrize("labels", [(), ("dropout",), ("dropout", "solve")])
def test_chance_is_a_function_of_seed_step_and_labels(labels) -> None:
    def draw(step=3, seed=5, *names):
        return StepContext(step, 0.5, History(), seed).rng(*names).random()

    assert draw(3, 5, *labels) == draw(3, 5, *labels)
    assert len({draw(3, 5, *labels), draw(4, 5, *labels), draw(3, 6, *labels), draw(3, 5, *labels, "more")}) == 4


def test_the_former_name_of_a_records_number_still_works() -> None:
    with pytest.warns(DeprecationWarning, match="Record.index"):
        assert record("a", step=3).step == 3
    with pytest.warns(DeprecationWarning, match="StepContext.index"):
        assert StepContext(4, 0.5, History()).step == 4


class _Reversed:
    """A score of whole sets that tells contributions in another order than it was asked."""

    resamples = 10

    def contributions(self, examples):
        return {x: float(x) for x in reversed(examples)}

    def score(self, examples):
        return sum(examples) / len(examples)


@pytest.mark.parametrize("sets", [None, _Reversed()])
def test_scores_stand_in_the_order_in_which_examples_are_given(sets) -> None:
    some = Scored({"solve": "Start."}, {x: float(x) for x in range(5)}, sets=sets)
    assert list(some.on([3, 1, 4]).items()) == [(3, 3.0), (1, 1.0), (4, 4.0)]
