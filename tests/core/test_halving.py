"""A proposal is judged as a whole, and where it fails, by its better half: decided by runs, at a small price."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import has, incumbent_of, rule, runs_of

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.halving import judge_by_halves
from dspy_dlpo.core.judging import Incumbent
from dspy_dlpo.core.proposal import proposal
from dspy_dlpo.core.reasons import Why

# What an example needs: "right" and "wrong" never change; ("repaired", i) and ("broken", i) hang on rule i alone;
# ("pair", i, j) is repaired by both rules together only.
N_RULES = 5


def scorer(needs):
    def score(text: str, x: int, rollout: int = 0) -> float:
        match needs[x]:
            case ("right",):
                return 1.0
            case ("repaired", i):
                return float(has(text, i))
            case ("broken", i):
                return float(not has(text, i))
            case ("pair", i, j):
                return float(has(text, i) and has(text, j))
        return 0.0

    return score


def judged(needs, *, wave=4, edits=None, bar=None, is_legal=lambda edits: True, must_pay=lambda edit: False):
    incumbent = incumbent_of(scorer(needs), len(needs), prompt="Start. ", wave=wave)
    edits = tuple(rule(i) for i in range(N_RULES)) if edits is None else edits
    return incumbent, *judge_by_halves(incumbent, edits, bar or Bar(incumbent.mean), is_legal, must_pay)


def mean(needs, prompts) -> float:
    """The score of a full evaluation."""
    return math.fsum(scorer(needs)(prompts["solve"], x) for x in range(len(needs))) / len(needs)


single = st.one_of(
    st.just(("right",)),
    st.just(("wrong",)),
    st.tuples(st.just("repaired"), st.integers(0, N_RULES - 1)),
    st.tuples(st.just("broken"), st.integers(0, N_RULES - 1)),
    st.tuples(st.just("pair"), st.integers(0, 1), st.integers(2, N_RULES - 1)),
)
tables = st.lists(single, min_size=1, max_size=24)
offsets = st.sampled_from([-math.inf, -0.2, 0.0, 0.1])


@given(tables, st.integers(1, 9), offsets, st.booleans())
def test_what_is_kept_reaches_the_bar_on_all_examples(needs, wave: int, offset: float, strict: bool) -> None:
    before = mean(needs, {"solve": "Start. "})
    bar = Bar(before + offset, strict)
    incumbent, prompts, judgement, ledger = judged(needs, wave=wave, bar=bar)
    kept = tuple(entry.edit for entry in ledger if entry.kept)
    assert [entry.edit for entry in ledger] == [rule(i) for i in range(N_RULES)]
    assert bool(kept) == judgement.passed
    if judgement.passed:
        assert prompts == proposal(incumbent.prompts, kept)
        assert bar.passes(mean(needs, prompts))
        assert judgement.complete
        assert judgement.score == pytest.approx(mean(needs, prompts))


@given(tables, st.integers(1, 9), offsets)
def test_what_reaches_the_bar_as_a_whole_is_taken_whole_without_a_further_run(needs, wave: int, offset: float) -> None:
    edits = tuple(rule(i) for i in range(N_RULES))
    whole = proposal({"solve": "Start. "}, edits)
    bar = Bar(mean(needs, {"solve": "Start. "}) + offset)
    incumbent, prompts, judgement, ledger = judged(needs, wave=wave, bar=bar)
    if bar.passes(mean(needs, whole)):
        assert (prompts, judgement.passed) == (whole, True)
        assert all(entry.kept and entry.reason.why is Why.TAKEN_WHOLE for entry in ledger)
        assert incumbent.runs.account.spent <= 2 * len(needs)
    else:
        assert prompts != whole or not judgement.passed


@given(tables, st.integers(1, 9))
def test_every_run_is_made_once(needs, wave: int) -> None:
    incumbent, *_ = judged(needs, wave=wave)
    made = [(request.prompts["solve"], request.example) for request in incumbent.runs._forward.requests]
    assert len(set(made)) == len(made)
    assert len({text for text, _ in made}) <= 6, "the start, the whole, two halves and two of their halves"


def test_of_what_fails_as_a_whole_the_better_half_is_found() -> None:
    needs = [("repaired", 0), ("broken", 1), ("broken", 1), *[("right",)] * 9]
    incumbent, prompts, judgement, ledger = judged(needs, edits=(rule(0), rule(1), rule(2), rule(3)))
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [True, False, True, False]
    assert [entry.reason.why for entry in ledger] == [Why.TAKEN_WHOLE, Why.OUTDONE] * 2
    # The start, a wave of the whole, both halves on the three examples that changed, and the better one on the rest.
    assert incumbent.runs.account.spent == 12 + 4 + 2 * 3 + 9
    assert not has(prompts["solve"], 1)


def test_of_a_half_that_fails_its_better_half_is_found_and_what_it_did_is_known() -> None:
    """All four edits lose one example, the half of the first and third gains one, and the first edit alone two."""
    needs = [("repaired", 0), ("repaired", 0), ("broken", 2), ("broken", 2), ("repaired", 2), ("broken", 1)]
    needs = [*needs, ("broken", 3), *[("right",)] * 4]
    _, _, judgement, ledger = judged(needs, edits=(rule(0), rule(1), rule(2), rule(3)), bar=Bar(9.5 / 11))
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [True, False, False, False]
    assert (ledger[0].gained, ledger[0].lost, ledger[0].reason.why) == ((0, 1), (), Why.PAYS)


def test_where_nothing_is_repaired_no_half_is_run() -> None:
    needs = [("wrong",), ("broken", 0), *[("right",)] * 6]
    incumbent, _, judgement, ledger = judged(needs, bar=Bar(7 / 8, strict=False))
    assert not judgement.passed
    assert {request.prompts["solve"].count("Rule") for request in incumbent.runs._forward.requests} == {0, N_RULES}
    assert {entry.reason.why for entry in ledger} == {Why.JUDGED_WHOLE}


def test_what_only_deletes_need_not_repair_anything() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float("One" in text or x > 3)

    incumbent = incumbent_of(score, 12, prompt="Start. One. Two. Three. ")
    deletions = tuple(Edit("delete", at, predictor="solve") for at in (1, 2, 3))
    prompts, judgement, ledger = judge_by_halves(incumbent, deletions, Bar(incumbent.mean, strict=False))
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [False, True, False]
    assert prompts["solve"] == "Start. One. Three. "


def test_edits_of_several_predictors_are_halved_by_predictor() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float(has(text, 1) or has(text, 2) if x < 2 else not (has(text, 3) or has(text, 4)))

    runs = runs_of(score)
    start = {"first": "Start. ", "second": "Start. "}
    runs.ensure([(start, x) for x in range(12)])
    edits = tuple(
        Edit("add", 1, f"Rule {number:02d}. ", predictor=name)
        for number, name in ((1, "first"), (2, "first"), (3, "second"), (4, "second"))
    )
    prompts, judgement, ledger = judge_by_halves(
        Incumbent(runs, start, tuple(range(12))), edits, Bar(10 / 12, strict=False)
    )
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [True, True, False, False]
    assert prompts["second"] == start["second"]


def test_a_half_that_the_rules_do_not_admit_is_not_run() -> None:
    needs = [("repaired", 0), ("broken", 1), ("broken", 1), *[("right",)] * 9]
    edits = (rule(0), rule(1))
    incumbent, _, judgement, _ = judged(needs, edits=edits, is_legal=lambda part: rule(0) not in part)
    assert not judgement.passed
    texts = {request.prompts["solve"] for request in incumbent.runs._forward.requests}
    assert proposal(incumbent.prompts, (rule(0),))["solve"] not in texts


@pytest.mark.parametrize(
    ("needs", "passed", "gained", "lost", "why"),
    [
        ([("repaired", 0), ("wrong",)], True, (0,), (), Why.PAYS),
        ([("right",), ("wrong",)], True, (), (), Why.HARMLESS),
        ([("broken", 0), ("wrong",)], False, (), (0,), Why.REPAIRS_NOTHING),
        ([("broken", 0), ("repaired", 0), ("broken", 0)], False, (1,), (0, 2), Why.LOSES_MORE),
    ],
)
def test_of_an_edit_that_was_judged_alone_it_is_known_what_it_did(needs, passed, gained, lost, why) -> None:
    before = mean(needs, {"solve": "Start. "})
    _, _, judgement, (entry,) = judged(needs, edits=(rule(0),), bar=Bar(before, strict=False))
    assert (judgement.passed, entry.kept) == (passed, passed)
    assert (entry.gained, entry.lost, entry.reason.why) == (gained, lost, why)


def test_a_proposal_that_would_be_empty_stays_as_it_was() -> None:
    assert proposal({"solve": "Start."}, [Edit("delete", 0, predictor="solve")]) == {"solve": "Start."}


def test_predictors_without_edits_stay_byte_for_byte() -> None:
    prompts = {"solve": "Start.", "check": " Check. \n"}
    assert proposal(prompts, [rule(0)])["check"] == " Check. \n"
    assert proposal(prompts, []) == prompts


def test_an_edit_changes_no_sentence_but_its_own() -> None:
    """The white space around a prompt that the user brought is no edit, and would cost the learning rate one."""
    assert proposal({"solve": "One.\nTwo.\n"}, [Edit("replace", 0, "Un.\n", predictor="solve")]) == {
        "solve": "Un.\nTwo.\n"
    }


def test_what_must_pay_goes_only_for_a_gain_and_the_others_without_it() -> None:
    edits = (rule(0), rule(1))
    needs = [("right",), ("wrong",), ("right",)]
    _, prompts, judgement, ledger = judged(
        needs, edits=edits, bar=Bar(2 / 3, strict=False), must_pay=lambda edit: edit == rule(0)
    )
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [False, True]
    assert not has(prompts["solve"], 0)
    _, _, judgement, _ = judged(needs, edits=edits, bar=Bar(2 / 3, strict=False), must_pay=lambda edit: True)
    assert (judgement.passed, judgement.reason.why) == (False, Why.GAINS_NOTHING)
    needs = [("right",), ("repaired", 1), ("right",)]
    _, _, judgement, _ = judged(needs, edits=edits, bar=Bar(2 / 3, strict=False), must_pay=lambda edit: True)
    assert judgement.passed
