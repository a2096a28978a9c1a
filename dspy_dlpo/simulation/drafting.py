"""Sentences that a writer writes: ones that teach, ones that sound good, ones that fit only the examples at hand."""

import random

from dspy_dlpo.simulation.brief import Brief
from dspy_dlpo.simulation.settings import Writer
from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.words import plain

USELESS = (
    "Think carefully before you respond.",
    "Be precise and concise.",
    "You are an expert assistant.",
    "Double-check your work.",
    "Take a deep breath and work methodically.",
    "Accuracy is very important here.",
    "Make sure that you understand the task.",
    "Use your best judgement.",
    "Be consistent.",
    "Approach the problem systematically.",
    "Pay close attention to details.",
    "Avoid careless mistakes.",
    "Stay focused on the goal.",
    "Do your very best.",
)


def _unseen(texts: tuple[str, ...], present: str, rng: random.Random) -> str | None:
    # A good model hardly ever repeats word for word what it was shown.
    fresh = [text for text in texts if plain(text) not in present]
    if fresh:
        return rng.choice(fresh)
    return rng.choice(texts) if texts and rng.random() < 0.1 else None


def teaching(skill: Skill, brief: Brief, writer: Writer, rng: random.Random) -> str | None:
    """A sentence meant to teach the skill, sometimes too vague to; None when there is nothing new to say."""
    if rng.random() < writer.rate("vagueness"):
        return _unseen(skill.vague, brief.present, rng)
    return _unseen(skill.wordings, brief.present, rng)


def useless(brief: Brief, rng: random.Random) -> str | None:
    """A sentence that sounds good and helps nobody."""
    return _unseen(USELESS, brief.present, rng)


def overfitted(brief: Brief, rng: random.Random) -> str | None:
    """A sentence that fits only the examples at hand, None when there are none."""
    if not brief.findings:
        return None
    exhibit = rng.choice(brief.findings).exhibit
    answer = exhibit.stage.truth(exhibit.case)
    if rng.random() < 0.5:
        return f"The answer is usually {answer}."
    return f'For example, "{exhibit.case.text}" has the answer {answer}.'


def subjects(brief: Brief) -> tuple[Skill, ...]:
    """The skills that a writer without any evidence might think of."""
    return tuple(s for s in brief.stage.skills if s.name not in brief.known) if brief.stage else ()


def additions(brief: Brief, writer: Writer, rng: random.Random, most: int) -> list[str]:
    """New sentences for the prompt, the likely useful ones first.

    Args:
        brief: What the request gives.
        writer: Its rates.
        rng: Its draws.
        most: How many sentences are wanted at most.
    """
    drafts = [teaching(skill, brief, writer, rng) for skill in brief.suspects[:most]]
    if not drafts:
        drafts = [teaching(s, brief, writer, rng) for s in subjects(brief) if rng.random() < writer.prior]
    drafts += [rng.choice(f.skill.vague) for f in brief.findings if f.skill and f.vague and rng.random() < 0.3][:1]
    if rng.random() < writer.rate("overfitting"):
        drafts.append(overfitted(brief, rng))
    if rng.random() < writer.rate("bloat"):
        drafts.append(useless(brief, rng))
    return list(dict.fromkeys(draft for draft in drafts if draft))[:most]
