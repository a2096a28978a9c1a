"""Critiques, summaries and other prose."""

import random
import re

from dspy_dlpo.simulation.brief import Brief
from dspy_dlpo.simulation.diagnosis import Finding

_BLAND = (
    "The task asks for a short, exact answer to a question of one recurring form.",
    "The inputs follow a common pattern and the outputs are brief.",
    "The work is done in a single pass from the input to the answer.",
)
_POINTS = re.compile(r"paragraph|each point|bullet|itemi[sz]e|one per line")
# Characters of an answer that a critic repeats.
_SHORT = 40
_VAGUE = "The reasoning was not careful enough here."
_RIGHT = "This step looks right."


def _quote(finding: Finding) -> str:
    words = finding.exhibit.case.text.split()
    return " ".join(words[:4]) + (" ..." if len(words) > 4 else "")


def remark(finding: Finding, rng: random.Random) -> str:
    """One remark on one case: the rule that seems to be missing, or a vague word, or praise."""
    if finding.skill is None:
        return _RIGHT
    what = rng.choice(finding.skill.missing)
    if finding.vague:
        what = rng.choice((_VAGUE, rng.choice(finding.skill.vague)))
    if not finding.answer:
        return what
    answer = finding.answer if len(finding.answer) <= _SHORT else "what was given"
    return f'In "{_quote(finding)}" {answer} is wrong: {what[0].lower()}{what[1:]}'


def remarks(brief: Brief, rng: random.Random, most: int) -> list[str]:
    """At most so many remarks: on some of the wrong answers, each wording once; else on right ones; else bland."""
    wrong = [finding for finding in brief.findings if finding.answer]
    if wrong:
        # A critic does not go through every case: it makes a few points.
        chosen = sorted(rng.sample(range(len(wrong)), min(most, len(wrong))))
        return list(dict.fromkeys(remark(wrong[place], rng) for place in chosen))
    induced = [remark(finding, rng) for finding in brief.findings if finding.skill][:2]
    if induced:
        return induced
    return [_RIGHT] if brief.findings and brief.current else [rng.choice(_BLAND)]


def prose(brief: Brief, rng: random.Random, most: int, about: str = "") -> str:
    """A critique where wrong answers are shown, else a bland summary.

    Args:
        brief: What the request gives.
        rng: Its draws.
        most: Points to make at most.
        about: What is said of the text wanted; points are set apart when it speaks of them.
    """
    return ("\n\n" if _POINTS.search(about) else " ").join(remarks(brief, rng, most))
