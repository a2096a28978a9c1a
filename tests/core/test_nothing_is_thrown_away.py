"""Wherever the budget ends, the best that ran to its end competes: nothing that was paid for is thrown away."""

import math
import random
from collections import defaultdict
from dataclasses import dataclass

import pytest
from world import Script, World, has, rule, run_of

from dspy_dlpo.core.acceptance import Acceptance, Bar, Greedy
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.freezing import FreezeText
from dspy_dlpo.core.history import Scored, paired_difference
from dspy_dlpo.core.judges import EditJudge
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.sentences import count_words, split
from dspy_dlpo.run import selection
from dspy_dlpo.techniques import Annealing, LinearDecay
from dspy_dlpo.techniques.regularization import LimitWords

START = "Sort the mail. Be kind. Answer briefly."
FROZEN, MOST_WORDS = "Answer briefly.", 24
RULES = {"solve": (FreezeText((FROZEN,)), LimitWords(MOST_WORDS))}
EXAMPLES = 24


def effects(seed: int, noise: float):
    """Each sentence helps some examples and hurts some; an example is right where its sum is above its threshold."""

    def effect(sentence: str, x: int) -> int:
        return random.Random(f"{seed}/{sentence}/{x}").choice([-1, 0, 0, 0, 0, 1, 1])

    def score(text: str, x: int, rollout: int) -> float:
        chance = random.Random(f"{seed}/{text}/{x}/{rollout}")
        total = sum(effect(sentence.strip(), x) for sentence in split(text))
        right = total >= random.Random(f"{seed}/{x}").choice([0, 1, 1, 2])
        return float(right if chance.random() >= noise else chance.random() < 0.5)

    return score


def writer(seed: int):
    """Several edits a step, some of which replace or delete what the user wrote."""

    def reply(step: int, prompt: str) -> Reply:
        chance, n = random.Random(f"{seed}/{step}"), len(split(prompt))
        rules = [f"Rule {step}{letter} says so. " for letter in "abcd"[: chance.randint(1, 4)]]
        edits = [Edit("add", chance.randint(1, n), rule) for rule in rules]
        edits += [Edit("replace", chance.randrange(n), f"Now do {step}. ")] if chance.random() < 0.6 else []
        edits += [Edit("delete", chance.randrange(n))] if chance.random() < 0.4 else []
        return Reply(tuple(edits))

    return reply


def run_with(seed: int, limit: int, *, noise: float = 0.0, hot: bool = False, first: int = EXAMPLES):
    acceptance = Annealing(LinearDecay(1.0, 0.0)) if hot else Greedy()
    run = run_of(
        World(effects(seed, noise)),
        Script(writer(seed)),
        limit=limit,
        start=START,
        examples=EXAMPLES,
        judging=EditJudge(first=first, wave=4),
        constraints=RULES,
        acceptance=acceptance,
        seed=seed,
    )
    list(run.records())
    return run


def is_admitted(text: str) -> bool:
    return FROZEN in text and count_words(text) <= MOST_WORDS


def completed(run) -> list[Scored]:
    """Whatever admitted prompts were run on the whole judging set, by the requests that the world got."""
    ran = defaultdict(set)
    for request in run.runs._forward.requests:
        ran[request.prompts["solve"]].add(request.example)
    whole = [
        {"solve": text} for text, examples in ran.items() if examples >= set(run.judging_set) and is_admitted(text)
    ]
    return [Scored(prompts, run.runs.means(prompts, run.judging_set)) for prompts in whole]


def returned(run) -> Scored:
    """What `compile` returns where nothing is held out."""
    candidates = selection.finalists(run, 1)
    scored = selection.judged(run, [run.start, *candidates], complete=True)
    prompts = selection.choose(scored, 0)[0] or run.start
    return Scored(prompts, run.runs.means(prompts, run.judging_set))


KINDS = {
    "greedy": {},
    "hot": {"hot": True},
    "noisy": {"noise": 0.1},
    "noisy and hot": {"noise": 0.1, "hot": True},
    "growing": {"first": 8},
}


CASES = [
    pytest.param(kind, seed, marks=() if seed == 0 and "hot" not in kind else pytest.mark.slow)
    for kind in KINDS
    for seed in range(3)
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_wherever_the_budget_ends_nothing_better_was_paid_for(kind: str, seed: int) -> None:
    full = run_with(seed, 180, **KINDS[kind]).runs.account.spent
    for limit in range(EXAMPLES, full + 1):
        run = run_with(seed, limit, **KINDS[kind])
        best = returned(run)
        assert run.runs.account.spent <= limit
        assert is_admitted(best.prompts["solve"])
        for other in completed(run):
            assert paired_difference(best.scores, other.scores)[0] > -1e-9, (limit, other.prompts)


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", KINDS)
def test_wherever_the_budget_ends_the_best_is_among_the_finalists(kind: str) -> None:
    for limit in range(EXAMPLES, 240, 9):
        run = run_with(3, limit, **KINDS[kind])
        others = [each for each in completed(run) if each.prompts != run.start]
        finalists = selection.finalists(run, 3)
        if others and not finalists:
            mean = run.incumbent().mean
            assert all(math.fsum(each.scores.values()) <= mean * len(each.scores) + 1e-9 for each in others)
        elif finalists:
            best = run.runs.means(finalists[0], run.judging_set)
            assert all(paired_difference(best, other.scores)[0] > -1e-9 for other in others)


@dataclass(frozen=True)
class Choosy(Acceptance):
    """Asks for two examples more than the prompts in force have."""

    def bar(self, incumbent, ctx) -> Bar:
        return Bar(math.fsum(incumbent) / len(incumbent) + 2 / len(incumbent), strict=False)


def test_what_gains_but_misses_its_bar_competes_though_the_budget_ends_on_its_halves() -> None:
    """Two edits repair two examples and break a third: one more is right, where two more are asked for."""
    order = run_with(0, EXAMPLES).judging_set
    repaired, broken = order[:2], order[-1]  # the loss shows in the last wave

    def score(text: str, x: int, rollout: int) -> float:
        return float(has(text, 1) if x in repaired else not has(text, 2) if x == broken else x not in order[2:8])

    def cut(limit: int):
        script = Script(lambda step, prompt: Reply((rule(1), rule(2)) if step == 1 else ()))
        judging = EditJudge(first=EXAMPLES, wave=4)
        run = run_of(
            World(score), script, limit=limit, examples=EXAMPLES, judging=judging, acceptance=Choosy(), start="Start. "
        )
        list(run.records())
        return run

    cuts = [cut(limit) for limit in range(2 * EXAMPLES, 3 * EXAMPLES + 9)]
    whole = [run for run in cuts if has(run.history[1].proposal["solve"], 2)]
    assert len(whole) > 3, "the budget ends before the better half is judged"
    for run in whole:
        record = run.history[1]
        assert (record.complete, record.accepted) == (True, False)
        assert record.score == pytest.approx(record.base + 1 / EXAMPLES)
        assert returned(run).prompts == record.proposal
    assert [has(cuts[-1].history[1].proposal["solve"], number) for number in (1, 2)] == [True, False]
    assert cuts[-1].history[1].accepted


def test_a_part_that_breaks_a_rule_is_not_kept_though_the_whole_would_not() -> None:
    """The whole keeps within the words as it deletes a sentence; without that it is too long."""
    start, rules = "Sort it. Be very kind to all. Answer briefly.", {"solve": (LimitWords(12),)}
    edits = (Edit("delete", 1), Edit("add", 3, "Refunds go to billing at once."))

    def score(text: str, x: int, rollout: int) -> float:
        return float("Refunds" in text if x < 2 else "kind" in text or x > 8)

    for limit in range(25, 120):
        script = Script(lambda step, prompt: Reply(edits if step == 1 else ()))
        judging = EditJudge(first=EXAMPLES, wave=4, trials=False)
        run = run_of(
            World(score), script, limit=limit, start=start, examples=EXAMPLES, judging=judging, constraints=rules
        )
        list(run.records())
        assert count_words(returned(run).prompts["solve"]) <= 12
        assert all(count_words(record.proposal["solve"]) <= 12 for record in run.history if record.complete)
