"""What the writer thinks of: the rule behind a failure, a wrong one that fits it, a harmful sentence, or words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from dspy_dlpo.simulation.words import plain
from evaluations.worlds.brief import Brief
from evaluations.worlds.exhibits import Exhibit
from evaluations.worlds.making import MOST
from evaluations.worlds.rules import Atom, Rule, made, read_all
from evaluations.worlds.task import Task
from evaluations.worlds.vocabulary import CATEGORIES, FILLERS, VAGUE

# Ideas that one example, or one piece of advice, gives at most.
_EACH = 2


@dataclass(frozen=True)
class Idea:
    """One change of a prompt.

    Args:
        rule: A rule to add; None for a sentence without one, or for a deletion.
        text: The sentence to add; empty for a deletion.
        drop: The sentence to delete; empty for an addition.
        before: The sentence that an addition must come before; empty for the end.
    """

    rule: Rule | None = None
    text: str = ""
    drop: str = ""
    before: str = ""


@dataclass
class _Thinker:
    """Has ideas about one request; one use."""

    task: Task
    work: Brief
    rng: random.Random
    found: list[Idea] = field(default_factory=list)

    @property
    def _taught(self) -> list[tuple[str, Rule]]:
        return [(text, rule) for text, rule in read_all(self.task.language, self.work.current) if rule is not None]

    def about(self, exhibit: Exhibit, factor: float = 1.0) -> Idea | None:
        """An idea about one example: right at the drawn rate, else wrong or empty; None if there is nothing to say."""
        writing = self.task.traits.writing
        told = exhibit.told or exhibit.truth in exhibit.given
        skill = writing.skill * factor * (1.0 if told else writing.blind)
        slot = self._slot(exhibit)
        if self.rng.random() < skill:
            return self._right(exhibit, slot)
        if self.rng.random() < writing.traps:
            return self._add(self._trap(exhibit, slot, told), "")
        return self.filler()

    def _slot(self, exhibit: Exhibit) -> int:
        wrong = [
            i for labels in exhibit.wrong for i, (a, b) in enumerate(zip(labels, exhibit.truth, strict=True)) if a != b
        ]
        return self.rng.choice(wrong or list(range(len(exhibit.truth))))

    def _right(self, exhibit: Exhibit, slot: int) -> Idea | None:
        step, taught = self.work.step, self._taught
        rule = step.deciding(exhibit.record)[slot]
        places = {sentence: i for i, (sentence, _) in enumerate(taught)}
        ranked = step.ranked([(places[text], other) for text, other in taught], slot, exhibit.record)
        culprit = next((taught[i][0] for i, other in ranked if other.label != rule.label), "")
        if rule in (other for _, other in taught):
            return Idea(drop=culprit or self._empty_sentence()) if culprit or self._empty_sentence() else None
        if culprit and step.mode != "first match wins" and self.rng.random() < 0.5:
            return Idea(drop=culprit)
        return self._add(rule, culprit)

    def _empty_sentence(self) -> str:
        """A sentence of the prompt, not the first, that states no rule: it may be why a rule was overlooked."""
        parts = read_all(self.task.language, self.work.current)[1:]
        return next((text for text, rule in parts if rule is None), "")

    def _add(self, rule: Rule | None, before: str) -> Idea | None:
        if rule is None or rule in (other for _, other in self._taught):
            return None
        return Idea(rule, rule.say(self.rng.randrange(12)), before=before)

    def _trap(self, exhibit: Exhibit, slot: int, told: bool) -> Rule | None:
        """A wrong rule that fits the example: too broad, of a feature that does not matter, shifted, or too narrow."""
        step = self.work.step
        behind = step.deciding(exhibit.record)[slot]
        label = behind.label if told else self.rng.choice(step.slots[slot])
        kind = self.rng.choice(("broad", "chance", "chance", "shifted", "narrow"))
        atoms = list(behind.atoms)
        if kind == "broad" and len(atoms) > 1:
            atoms.remove(self.rng.choice(atoms))
        elif kind == "shifted" and any(atom.op != "is" for atom in atoms):
            atoms = [self._shifted(atom, exhibit) for atom in atoms]
        elif kind == "narrow" and atoms:
            used = {atom.feature for atom in atoms}
            free = [feature for feature in step.features if feature not in used]
            atoms += [self._seen(feature, exhibit) for feature in self.rng.sample(free, min(len(free), 1))]
        else:
            chosen = self.rng.sample(step.features, self.rng.choice((1, 1, 2)))
            atoms = [self._seen(feature, exhibit) for feature in chosen]
        rule = made(atoms, label)
        return None if rule in step.rules else rule

    def _seen(self, feature: str, exhibit: Exhibit) -> Atom:
        """A condition on a feature that is true of an example."""
        value = exhibit.record[feature]
        if feature in CATEGORIES:
            return Atom(feature, "is", value)
        if int(value) > MOST // 2:
            return Atom(feature, ">", str(int(value) - self.rng.randint(1, 4)))
        return Atom(feature, "<", str(int(value) + self.rng.randint(1, 4)))

    def _shifted(self, atom: Atom, exhibit: Exhibit) -> Atom:
        return atom if atom.op == "is" else self._seen(atom.feature, exhibit)

    def filler(self) -> Idea | None:
        """A sentence that sounds good, not one of the prompt's."""
        vague = [text.format(feature=feature) for text in VAGUE[1:2] for feature in self.work.step.features]
        options = [text for text in (*FILLERS, *vague) if text not in self.work.current]
        return Idea(text=self.rng.choice(options)) if options else None

    def advised(self, rule: Rule) -> Idea | None:
        """Adopt a rule that the request names, in words of its own."""
        return self._add(rule, "")


def ideas(task: Task, work: Brief, rng: random.Random, most: int | None = None) -> list[Idea]:
    """The writer's ideas about a request, each once, at most as many as were drawn for it and as the request allows.

    Args:
        task: The world's task.
        work: What the request gives.
        rng: Its draws.
        most: At most so many; None for as many as the writer has.
    """
    writing, thinker = task.traits.writing, _Thinker(task, work, rng)
    limits = [limit for limit in (most, work.most, writing.ideas) if limit is not None]
    examples, factor = (work.failures, 1.0) if work.failures else (work.others, writing.induction)
    sources: list[Rule | Exhibit] = [*work.named, *examples]
    found = [Idea(drop=text) for text, _ in read_all(task.language, work.current) if plain(text) in work.blamed]
    for source in _rounds(sources, min(limits), rng):
        idea = thinker.advised(source) if isinstance(source, Rule) else thinker.about(source, factor)
        if idea is not None:
            found.append(idea)
    if rng.random() < writing.bloat or not found:
        filler = thinker.filler()
        found += [filler] if filler and (found or rng.random() < writing.bloat) else []
    return _distinct(found)[: min(limits)]


def _rounds(sources: Sequence[Rule | Exhibit], count: int, rng: random.Random) -> list[Rule | Exhibit]:
    """Each source once, in any order, and a second time if more ideas are wanted."""
    rounds = [source for _ in range(_EACH) for source in rng.sample(list(sources), len(sources))]
    return rounds[:count]


def _distinct(found: Sequence[Idea]) -> list[Idea]:
    kept: dict[object, Idea] = {}
    for idea in found:
        kept.setdefault(idea.rule or idea.drop or idea.text, idea)
    return list(kept.values())


def remark(task: Task, work: Brief, exhibit: Exhibit, rng: random.Random) -> str:
    """One point of a critique: the rule behind a failure, a wrong or vague one, or a sentence that does harm."""
    writing, thinker = task.traits.writing, _Thinker(task, work, rng)
    feature = rng.choice(work.step.features)
    if rng.random() < writing.vague:
        return rng.choice(VAGUE).format(feature=feature)
    idea = thinker.about(exhibit, 1.0 - writing.wrong)
    if idea is None or not (idea.rule or idea.drop):
        return rng.choice(VAGUE).format(feature=feature)
    if idea.drop:
        return f"One sentence does harm and should go: {idea.drop}"
    return f"A rule is missing. {idea.text}"
