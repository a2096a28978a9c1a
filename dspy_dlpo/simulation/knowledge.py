"""What a prompt teaches: its text read as skills, copied answers, loose claims and useless sentences."""

import re
from dataclasses import dataclass
from functools import lru_cache

from dspy_dlpo.simulation.settings import Reader
from dspy_dlpo.simulation.skills import taught_by
from dspy_dlpo.simulation.stage import Stage
from dspy_dlpo.simulation.words import sentences

_CLAIM = re.compile(r"\b(?:usually|often|almost always|most often|typically|mostly)\b", re.IGNORECASE)
_FREE = 1
# Characters between a copied question and its answer.
_NEAR = 160


@dataclass(frozen=True)
class Knowledge:
    """What a reader takes from an instruction.

    Args:
        taught: Names of the skills it teaches.
        denied: Names of the skills it contradicts.
        copied: Question and answer, for answers that the instruction holds ready.
        claims: Answers it calls usual.
        useless: How many sentences teach nothing (one plain sentence is free).
    """

    taught: frozenset[str]
    denied: frozenset[str]
    copied: tuple[tuple[str, str], ...]
    claims: tuple[str, ...]
    useless: int

    def probability(self, stage: Stage, name: str, reader: Reader, shown: frozenset[str] = frozenset()) -> float:
        """Probability of not making the mistake of this skill, in a case where it matters.

        Args:
            stage: The stage the instruction is for.
            name: The skill.
            reader: How the prompt is read.
            shown: Skills that worked examples have taught besides.
        """
        slip = stage.skill(name).slip * reader.difficulty
        obeys = reader.obeys(self.useless) if name in self.taught or name in shown else 0.0
        if name in self.denied and reader.interactions:
            obeys, slip = obeys * 0.3, slip + (1.0 - slip) * 0.5
        return 1.0 - slip * (1.0 - obeys)

    def copied_answer(self, question: str, reader: Reader) -> str | None:
        """The answer that the instruction holds ready for the question, None when there is none or none is believed."""
        return dict(reversed(self.copied)).get(question) if self.copied and reader.overfit_pull else None


def _claim(stage: Stage, sentence: str) -> str | None:
    if "answer" not in sentence.lower() or not _CLAIM.search(sentence):
        return None
    match = stage.answer.search(sentence)
    return match.group() if match else None


def _split(stage: Stage, text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The text without the questions that it holds ready with their answers, and these."""
    rest, copied, end = "", [], 0
    for found in stage.find(text):
        answer = stage.answer.search(text, found.end, found.end + _NEAR)
        if answer:
            copied.append((found.case.text, answer.group()))
        rest += text[end : found.start] + "this"
        end = answer.end() if answer else found.end
    return rest + text[end:], tuple(copied)


@lru_cache(maxsize=4096)
def knowledge(stage: Stage, text: str, interactions: bool = True) -> Knowledge:
    """Read an instruction for a stage.

    Args:
        stage: Whose skills to look for.
        text: The instruction.
        interactions: Whether a sentence that refers to another one teaches only after it.
    """
    # A question that stands in the prompt is not a rule, whatever its words.
    rest, copied = _split(stage, text)
    parts = sentences(rest)
    taught: list[str] = []
    denied: set[str] = set()
    claims: list[str] = []
    helpful = 0
    for sentence in parts:
        denied.update(skill.name for skill in stage.skills if skill.contradicts(sentence))
        claim = _claim(stage, sentence)
        if claim is not None:
            claims.append(claim)
            continue
        fresh = [
            s.name
            for s in taught_by(stage.skills, sentence)
            if s.name not in taught and (not interactions or s.after is None or s.after in taught)
        ]
        taught.extend(fresh)
        helpful += bool(fresh)
    useless = max(0, len(parts) - helpful - _FREE)
    return Knowledge(frozenset(taught), frozenset(denied), copied, tuple(claims), useless)
