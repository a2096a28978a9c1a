"""A skill: one rule of a task, with the sentences that teach it and those that do not."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from dspy_dlpo.simulation.words import says, sentences


@dataclass(frozen=True)
class Skill:
    """One rule of a task that a reader follows when its instructions teach it.

    Recognition is by meaning-bearing words (see ``words.says``), so a person's own wording teaches too.

    Args:
        name: Unique in its stage.
        slip: Probability in 0 to 1 that a reader who was not taught makes the mistake in a case where the rule matters.
        patterns: A sentence that says any of these teaches the rule.
        wordings: Sentences that teach it; each says a pattern.
        vague: Sentences on the same subject that teach nothing.
        missing: How a critique names the rule when it is missing; each says a pattern.
        against: A sentence that says any of these contradicts the rule.
        contrary: Sentences that contradict it; each says a pattern of ``against``.
        after: Name of the skill whose sentence must stand earlier, because this sentence refers to it.
    """

    name: str
    slip: float
    patterns: tuple[str, ...]
    wordings: tuple[str, ...]
    vague: tuple[str, ...]
    missing: tuple[str, ...]
    against: tuple[str, ...] = ()
    contrary: tuple[str, ...] = ()
    after: str | None = None

    def teaches(self, sentence: str) -> bool:
        """Whether the sentence, alone and with its context in place, teaches this rule."""
        return any(says(pattern, sentence) for pattern in self.patterns) and not self.contradicts(sentence)

    def contradicts(self, sentence: str) -> bool:
        """Whether the sentence says the opposite of this rule."""
        return any(says(pattern, sentence) for pattern in self.against)


@lru_cache(maxsize=32768)
def taught_by(skills: tuple[Skill, ...], sentence: str) -> tuple[Skill, ...]:
    """The skills that one sentence teaches, in the order of ``skills``."""
    return tuple(skill for skill in skills if skill.teaches(sentence))


def named_in(skills: tuple[Skill, ...], texts: Iterable[str]) -> tuple[Skill, ...]:
    """The skills named anywhere in the texts, first named first, each once."""
    found: dict[str, Skill] = {}
    for text in texts:
        for sentence in sentences(text):
            for skill in taught_by(skills, sentence):
                found.setdefault(skill.name, skill)
    return tuple(found.values())
