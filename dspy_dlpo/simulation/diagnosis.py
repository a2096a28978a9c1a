"""Diagnosis: which rule would explain a wrong answer, found by solving the question without it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from dspy_dlpo.simulation.exhibits import Exhibit
from dspy_dlpo.simulation.settings import Writer
from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.stage import Case, Stage


@dataclass(frozen=True)
class Finding:
    """What the writer believes about one exhibit.

    Args:
        exhibit: The case.
        skill: The rule it believes is missing, or None when it believes the answer is fine.
        answer: The wrong answer it explains; empty for a rule induced from a right one.
        vague: Whether it only knows the subject, not the rule.
    """

    exhibit: Exhibit
    skill: Skill | None
    answer: str = ""
    vague: bool = False


@lru_cache(maxsize=8192)
def candidates(stage: Stage, case: Case, answer: str) -> tuple[str, ...]:
    """Skills whose absence explains a wrong answer: alone, else in pairs, else those that matter in the case at all."""
    names = [skill.name for skill in stage.skills]
    single = [name for name in names if stage.without(case, frozenset({name})) == answer]
    if single:
        return tuple(single)
    pairs = [pair for pair in combinations(names, 2) if stage.without(case, frozenset(pair)) == answer]
    if pairs:
        return tuple(dict.fromkeys(name for pair in pairs for name in pair))
    return stage.relevant(case)


def _believed(stage: Stage, names: Sequence[str], error: float, rng: random.Random) -> Skill:
    if not names or rng.random() < error:
        return rng.choice(stage.skills)
    return stage.skill(rng.choice(list(names)))


def _explain(exhibit: Exhibit, answer: str, known: frozenset[str], writer: Writer, rng: random.Random) -> Finding:
    names = candidates(exhibit.stage, exhibit.case, answer)
    fresh = [name for name in names if name not in known]
    # Who is not told the right answer has to find it, and errs twice as often.
    error = min(1.0, writer.rate("critic_error") * (1 if exhibit.told else 2))
    skill = _believed(exhibit.stage, fresh or names, error, rng)
    return Finding(exhibit, skill, answer, rng.random() < writer.rate("vagueness"))


def diagnose(
    shown: Sequence[Exhibit], known: frozenset[str], writer: Writer, rng: random.Random
) -> tuple[Finding, ...]:
    """What the writer believes about each exhibit.

    Args:
        shown: The cases in the request.
        known: Skills that the prompt in the request already teaches; a rule already there is not suspected first.
        writer: Its rates of error.
        rng: Its draws.

    Returns:
        One finding per wrong answer; one per right answer (skill None, or a rule induced from it).
    """
    findings = []
    for exhibit in shown:
        for answer in exhibit.wrong[:2]:
            findings.append(_explain(exhibit, answer, known, writer, rng))
        if not exhibit.wrong:
            findings.append(_praise(exhibit, known, writer, rng))
    return tuple(findings)


def _praise(exhibit: Exhibit, known: frozenset[str], writer: Writer, rng: random.Random) -> Finding:
    fresh = [name for name in exhibit.stage.relevant(exhibit.case) if name not in known]
    if not fresh or rng.random() >= writer.induction:
        return Finding(exhibit, None)
    skill = _believed(exhibit.stage, fresh, writer.rate("critic_error"), rng)
    return Finding(exhibit, skill, "", rng.random() < writer.rate("vagueness"))
