"""Critiques, summaries and other prose."""

import random

from dspy_dlpo.simulation.brief import Brief
from dspy_dlpo.simulation.diagnosis import Finding

_BLAND = (
    "The task asks for a short, exact answer to a question of one recurring form.",
    "The inputs follow a common pattern and the outputs are brief.",
    "The work is done in a single pass from the input to the answer.",
)
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
    return f'On "{_quote(finding)}" the result {finding.answer} is wrong. {what}' if finding.answer else what


def remarks(brief: Brief, rng: random.Random, most: int = 6) -> list[str]:
    """Remarks on the wrong answers, each wording once; else on the right ones; else bland ones."""
    wrong = [finding for finding in brief.findings if finding.answer]
    if wrong:
        return list(dict.fromkeys(remark(finding, rng) for finding in wrong))[:most]
    induced = [remark(finding, rng) for finding in brief.findings if finding.skill][:2]
    if induced:
        return induced
    return [_RIGHT] if brief.findings and brief.current else [rng.choice(_BLAND)]


def prose(brief: Brief, rng: random.Random) -> str:
    """A paragraph: a critique where wrong answers are shown, else a bland summary."""
    return " ".join(remarks(brief, rng))
