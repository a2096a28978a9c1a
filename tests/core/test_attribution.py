"""In a world where scores depend on which edits are present, the edit behind each change is found."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import has, incumbent_of, rule

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.attribution import judge_by_edit, judge_edits
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.keeping import best_part
from dspy_dlpo.core.parts import proposal
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.thresholds import THRESHOLDS

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


def judged(needs, *, wave=4, confirm=False, edits=None, bar=None, ahead=0, how=judge_by_edit):
    incumbent = incumbent_of(scorer(needs), len(needs), prompt="Start. ", wave=wave, confirm=confirm, ahead=ahead)
    edits = tuple(rule(i) for i in range(N_RULES)) if edits is None else edits
    return incumbent, *how(incumbent, edits, bar or Bar(incumbent.mean))


single = st.one_of(
    st.just(("right",)),
    st.just(("wrong",)),
    st.tuples(st.just("repaired"), st.integers(0, N_RULES - 1)),
    st.tuples(st.just("broken"), st.integers(0, N_RULES - 1)),
)


@given(st.lists(single, min_size=1, max_size=24), st.integers(1, 9), st.booleans())
def test_each_change_is_booked_on_the_edit_that_causes_it(needs, wave: int, confirm: bool) -> None:
    _, prompts, judgement, ledger = judged(needs, wave=wave, confirm=confirm)
    repaired = [[x for x, need in enumerate(needs) if need == ("repaired", i)] for i in range(N_RULES)]
    broken = [[x for x, need in enumerate(needs) if need == ("broken", i)] for i in range(N_RULES)]
    for i, entry in enumerate(ledger):
        assert entry.edit == rule(i)
        assert list(entry.gained) == repaired[i]
        assert set(entry.lost) <= set(broken[i])
        if not repaired[i]:
            assert (entry.kept, entry.reason.why) == (False, Why.REPAIRS_NOTHING)
        elif len(broken[i]) > len(repaired[i]):
            assert (entry.kept, entry.reason.why) == (False, Why.LOSES_MORE)
        else:
            assert entry.kept
            assert list(entry.lost) == broken[i]
            assert has(prompts["solve"], i)
        assert entry.kept == has(prompts["solve"], i)
    gain = sum(len(repaired[i]) - len(broken[i]) for i in range(N_RULES) if ledger[i].kept)
    assert judgement.passed == (gain > 0)


@given(st.data(), st.integers(9, 40), st.booleans())
def test_of_many_edits_halves_are_run_first_and_the_one_at_work_is_found(data, n: int, confirm: bool) -> None:
    at_work = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=12))
    needs = [("repaired", i) for i in at_work]
    incumbent, _, judgement, ledger = judged(needs, edits=tuple(map(rule, range(n))), confirm=confirm)
    assert judgement.passed
    for i, entry in enumerate(ledger):
        assert list(entry.gained) == [x for x, need in enumerate(needs) if need == ("repaired", i)]
    halvings = math.ceil(math.log2(n / THRESHOLDS.many_edits))
    # The start, all together, halves, singles, the survivors.
    most = len(needs) * (1 + 1 + halvings + THRESHOLDS.many_edits + 1)
    assert incumbent.runs.account.spent <= most * (3 if confirm else 1)


causes = st.one_of(single, st.sampled_from([("pair", 0, 1), ("pair", 2, 3)]))


@given(
    st.lists(causes, min_size=1, max_size=24),
    st.integers(1, 9),
    st.none() | st.integers(1, 40),
    st.sampled_from([False, True, "auto"]),
    st.sampled_from([0.0, -0.1, -0.3]),
    st.sampled_from([judge_edits, judge_by_edit]),
)
def test_what_runs_ahead_changes_no_decision(needs, wave: int, ahead: int | None, confirm, offset: float, how) -> None:
    mean = incumbent_of(scorer(needs), len(needs), prompt="Start. ").mean
    options = {"wave": wave, "confirm": confirm, "bar": Bar(mean + offset), "how": how}
    slow, prompts, judgement, ledger = judged(needs, **options)
    fast, *found = judged(needs, **options, ahead=ahead)
    assert found[0] == prompts
    assert (found[1].passed, found[1].score, found[1].reason) == (judgement.passed, judgement.score, judgement.reason)
    assert found[2] == ledger
    parts = [best_part(incumbent, options["bar"], lambda edits: True) for incumbent in (slow, fast)]
    assert parts[0] == parts[1]
    assert 0 <= fast.runs.account.spent - slow.runs.account.spent <= fast.runs.speculated


@given(st.lists(causes, min_size=1, max_size=24), st.integers(1, 9), st.sampled_from([judge_edits, judge_by_edit]))
def test_whatever_is_accepted_is_truly_better(needs, wave: int, how) -> None:
    incumbent, prompts, judgement, _ = judged(needs, wave=wave, how=how)
    score = scorer(needs)
    truth = math.fsum(score(prompts["solve"], x) for x in range(len(needs))) / len(needs)
    if judgement.passed:
        assert judgement.score == pytest.approx(truth)
        assert truth > incumbent.mean
    if prompts == incumbent.prompts:
        assert not judgement.passed


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 5), st.integers(1, 9))
def test_a_pair_that_only_helps_together_is_found_and_kept(pairs: int, right: int, single: int, wave: int) -> None:
    needs = [("pair", 1, 3)] * pairs + [("right",)] * right + [("repaired", 2)] * single
    _, prompts, judgement, ledger = judged(needs, wave=wave)
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [False, True, single > 0, True, False]
    assert ledger[1].gained == ledger[3].gained == tuple(range(pairs))
    assert judgement.score == pytest.approx(1.0)
    assert has(prompts["solve"], 1)


def test_an_edit_that_loses_more_than_it_gains_is_dropped_and_the_good_one_stays() -> None:
    needs = [("repaired", 0)] * 2 + [("repaired", 1)] * 2 + [("broken", 1)] * 3 + [("right",)] * 5
    _, prompts, judgement, ledger = judged(needs)
    assert [entry.kept for entry in ledger] == [True, False, False, False, False]
    assert ledger[1].reason.why is Why.LOSES_MORE
    assert prompts["solve"].strip() == "Start. Rule 00."
    assert judgement.score == pytest.approx(10 / 12)
    assert judgement.passed


def test_losses_below_the_bar_are_allowed_and_those_above_are_not() -> None:
    needs = [("repaired", 0)] * 2 + [("broken", 0)] * 4 + [("right",)] * 14
    start = 18 / 20
    for lost, kept in ((2, True), (1.5, False)):
        _, _, judgement, ledger = judged(needs, edits=(rule(0),), bar=Bar(start - lost / 20, strict=False))
        assert (judgement.passed, ledger[0].kept) == (kept, kept)


def test_nothing_is_run_on_passing_examples_when_nothing_is_repaired() -> None:
    needs = [("wrong",)] * 3 + [("right",)] * 20
    incumbent, prompts, judgement, ledger = judged(needs)
    assert not judgement.passed
    assert prompts == incumbent.prompts
    assert incumbent.runs.account.spent == 23 + 3
    assert judgement.reason.why is Why.NO_EDIT_PAYS
    assert not any(entry.kept for entry in ledger)


def test_a_shortening_edit_need_not_repair_anything() -> None:
    edit = Edit("delete", 1, predictor="solve")
    incumbent = incumbent_of(lambda text, x, rollout: float(x > 2), 8, prompt="Start. Superfluous words here.")
    prompts, judgement, ledger = judge_edits(incumbent, (edit,), Bar(incumbent.mean))
    assert prompts == {"solve": "Start."}
    assert judgement.passed
    assert (ledger[0].kept, ledger[0].reason.why) == (True, Why.SHORTENS)


def test_a_shortening_edit_that_breaks_something_is_dropped() -> None:
    edit = Edit("delete", 1, predictor="solve")
    incumbent = incumbent_of(lambda text, x, rollout: float("Needed" in text), 8, prompt="Start. Needed words here.")
    _, judgement, ledger = judge_edits(incumbent, (edit,), Bar(incumbent.mean))
    assert not judgement.passed
    assert (ledger[0].kept, ledger[0].reason.why) == (False, Why.LOSES_MORE)


def test_attribution_costs_little_where_changes_are_few() -> None:
    needs = [("repaired", 2)] * 2 + [("wrong",)] * 10 + [("right",)] * 12
    incumbent, *_ = judged(needs, wave=8)
    alone_everywhere = 24 * N_RULES
    assert incumbent.runs.account.spent - 24 < alone_everywhere / 2


def test_edits_of_several_predictors_are_told_apart() -> None:
    first, second = (Edit("add", 1, "Rule 01. ", predictor=name) for name in ("solve", "check"))
    incumbent = incumbent_of(lambda text, x, rollout: float(has(text.split("\n")[0], 1)), 6)
    incumbent.prompts["check"] = "Check. "
    incumbent.prompts["solve"] = "Start. "
    incumbent.runs.ensure([(incumbent.prompts, x) for x in range(6)])
    prompts, judgement, ledger = judge_by_edit(incumbent, (first, second), Bar(incumbent.mean))
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [False, True]
    assert prompts == {"check": "Check. Rule 01. ", "solve": "Start. "}


def test_with_noise_and_confirmation_the_good_edit_is_found_and_the_idle_ones_are_not() -> None:
    needs = [("repaired", 1)] * 8 + [("right",)] * 24 + [("wrong",)] * 8

    def kept(seed: int) -> list[int]:
        def noisy(text: str, x: int, rollout: int) -> float:
            chance = random.Random(f"{seed}/{text}/{x}/{rollout}")
            return float(chance.random() < 0.5) if chance.random() < 0.05 else scorer(needs)(text, x)

        incumbent = incumbent_of(noisy, len(needs), prompt="Start. ", wave=8, confirm=True)
        _, judgement, ledger = judge_by_edit(incumbent, tuple(rule(i) for i in range(N_RULES)), Bar(incumbent.mean))
        return [i for i, entry in enumerate(ledger) if entry.kept and judgement.passed]

    found = [kept(seed) for seed in range(60)]
    assert sum(1 in each for each in found) >= 57
    assert sum(len(set(each) - {1}) for each in found) <= 0.05 * 60 * (N_RULES - 1)


# --- proposals -------------------------------------------------------------------------------------------------------


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


def hot(needs, **options):
    """Judged under a bar that would let an edit without effect pass."""
    share = sum(need == ("right",) or need[0] == "broken" for need in needs) / len(needs)
    return judged(needs, bar=Bar(share - 0.01, strict=False), how=judge_edits, **options)


def test_what_reaches_the_bar_is_taken_whole_without_a_run_for_attribution() -> None:
    needs = [("repaired", 0), ("repaired", 1), ("repaired", 1), ("wrong",), *[("right",)] * 8]
    incumbent, prompts, judgement, ledger = hot(needs)
    before = len(needs)  # the incumbent's own runs
    assert incumbent.runs.account.spent - before == len(needs)
    assert judgement.passed
    assert judgement.complete
    assert judgement.score == pytest.approx(11 / 12)
    assert all(entry.kept and entry.reason.why is Why.TAKEN_WHOLE and not entry.gained for entry in ledger)
    assert all(has(prompts["solve"], i) for i in range(N_RULES))


def test_of_what_fails_as_a_whole_the_part_that_pays_is_found() -> None:
    needs = [*[("repaired", 0)] * 2, *[("broken", 1)] * 3, *[("right",)] * 8]
    _, prompts, judgement, ledger = judged(needs, how=judge_edits)
    assert judgement.passed
    assert [entry.kept for entry in ledger] == [True, False, False, False, False]
    assert prompts["solve"].strip() == "Start. Rule 00."


@given(st.lists(causes, min_size=1, max_size=24), st.integers(1, 9))
def test_what_is_taken_whole_is_what_a_full_evaluation_would_take(needs, wave: int) -> None:
    incumbent, prompts, judgement, ledger = judged(needs, wave=wave, how=judge_edits)
    together = proposal(incumbent.prompts, [rule(i) for i in range(N_RULES)])
    truth = math.fsum(scorer(needs)(together["solve"], x) for x in range(len(needs))) / len(needs)
    assert (ledger[0].reason.why is Why.TAKEN_WHOLE) == (truth > incumbent.mean + 1e-9)
    if ledger[0].reason.why is Why.TAKEN_WHOLE:
        assert (prompts, judgement.score) == (together, pytest.approx(truth))


def test_of_one_edit_it_is_known_what_it_repaired() -> None:
    _, _, judgement, ledger = judged([*[("repaired", 0)] * 4, *[("right",)] * 4], edits=(rule(0),), how=judge_edits)
    assert judgement.passed
    assert ledger[0].gained == (0, 1, 2, 3)


def test_edits_of_several_predictors_are_not_taken_whole() -> None:
    incumbent = incumbent_of(lambda text, x, rollout: float(has(text.split("\n")[0], 1)), 6)
    incumbent.prompts.update(check="Check. ", solve="Start. ")
    incumbent.runs.ensure([(incumbent.prompts, x) for x in range(6)])
    edits = tuple(Edit("add", 1, "Rule 01. ", predictor=name) for name in ("solve", "check"))
    prompts, judgement, _ = judge_edits(incumbent, edits, Bar(incumbent.mean))
    assert judgement.passed
    assert prompts == {"check": "Check. Rule 01. ", "solve": "Start. "}


def test_losses_by_chance_do_not_hinder_a_gain_once_a_second_run_disagrees() -> None:
    needs = [*[("repaired", 0)] * 3, *[("right",)] * 9]
    sure = scorer(needs)

    def score(text: str, x: int, rollout: int = 0) -> float:
        unlucky = x in (3, 4, 5) and has(text, 0) and rollout == 0
        return 0.0 if unlucky else sure(text, x)

    incumbent = incumbent_of(score, len(needs), prompt="Start. ", wave=4, confirm=True)
    _, judgement, ledger = judge_edits(
        incumbent, tuple(map(rule, range(N_RULES))), Bar(incumbent.mean - 0.01, strict=False)
    )
    assert judgement.passed
    assert ledger[0].reason.why is Why.TAKEN_WHOLE


def test_with_an_edit_that_must_pay_a_proposal_that_gains_nothing_is_judged_by_edit() -> None:
    needs = [*[("right",)] * 6]
    incumbent = incumbent_of(scorer(needs), len(needs), prompt="Start. ", wave=4, confirm=False)
    edits = tuple(map(rule, range(N_RULES)))
    bar = Bar(incumbent.mean - 0.01, strict=False)
    _, _, ledger = judge_edits(incumbent, edits, bar, must_pay=lambda edit: edit == rule(2))
    assert not ledger[2].kept
    assert ledger[1].kept
    assert ledger[1].reason.why is not Why.TAKEN_WHOLE
