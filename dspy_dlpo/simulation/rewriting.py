"""Whole-prompt rewrites, which forget and blur."""

import random

from dspy_dlpo.simulation.brief import Brief
from dspy_dlpo.simulation.drafting import additions
from dspy_dlpo.simulation.settings import Writer
from dspy_dlpo.simulation.skills import taught_by
from dspy_dlpo.simulation.words import sentences


def _blurred(sentence: str, brief: Brief, rng: random.Random) -> str:
    skills = taught_by(brief.stage.skills, sentence) if brief.stage else ()
    return rng.choice(skills[0].vague) if skills else sentence


def _kept(brief: Brief, writer: Writer, rng: random.Random) -> list[str]:
    kept = []
    for number, sentence in enumerate(sentences(brief.current)):
        if number and rng.random() < writer.rate("forgetting"):
            continue
        kept.append(_blurred(sentence, brief, rng) if rng.random() < writer.rate("blur") else sentence)
    return kept


def rewrite(brief: Brief, writer: Writer, rng: random.Random) -> str:
    """A whole new instruction made from the current one, with sentences for the rules that seem to be missing."""
    most = brief.max_edits if brief.max_edits and rng.random() >= writer.rate("disobedience") else writer.points
    new = additions(brief, writer, rng, most)
    kept = _kept(brief, writer, rng)
    if not kept:
        return "\n".join(f"{number}. {text}" for number, text in enumerate(new or ["Answer exactly."], 1))
    return ("\n" if brief.current.count("\n") > 1 else " ").join((*kept, *new))
