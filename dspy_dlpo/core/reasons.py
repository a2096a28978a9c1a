"""Why a proposal, or one edit of it, was kept or not: an enumeration for code, with a sentence for people.

Nothing decides by a sentence, and none is stored, so each may be reworded at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dspy_dlpo.core.enumerations import SentenceEnum


class Why(SentenceEnum):
    """Why something was kept or not; `sentence` says it to people, with the details where the braces stand."""

    # Of prompts that were judged.
    REACHES_BAR = "reaches_bar", "{} reaches the bar of {}"
    MISSES_BAR = "misses_bar", "{} misses the bar of {}"
    CANNOT_REACH_BAR = "cannot_reach_bar", "cannot reach the bar of {} any more"
    VOID = "void", "void: too many calls failed"
    REPAIRS_NONE_FIRST = "repairs_none_first", "repairs none of the first {} that it is about"
    NOTHING_CHANGES = "nothing_changes", "nothing changes"
    BUDGET_ENDED = "budget_ended", "the budget ended during judging"
    # Of one edit.
    TAKEN_WHOLE = "taken_whole", "taken whole with the others"
    JUDGED_WHOLE = "judged_whole", "judged as a whole"
    PAYS = "pays", "pays"
    HARMLESS = "harmless", "no effect found"
    GAINS_NOTHING = "gains_nothing", "would take words of the user's own for no gain"
    REPAIRS_NOTHING = "repairs_nothing", "repairs no failing example"
    LOSES_MORE = "loses_more", "loses no less than it gains"
    OUTDONE = "outdone", "the others gain more without it"
    # Of a step without an edit to judge.
    NO_CRITIQUE = "no_critique", "the critic gave no usable critique"
    UNUSABLE_REPLY = "unusable_reply", "the writer's reply is unusable: {}"
    NONE_ADMITTED = "none_admitted", "no edit is admitted: {}"
    NOTHING_PROPOSED = "nothing_proposed", "the writer proposed nothing"
    # Of what a person was asked about.
    DECLINED = "declined", "declined in review"
    # Of the judging set.
    JUDGING_SET = "judging_set", "{} examples, {}{}"
    # Of a judge of one's own, or a run of an earlier version: in its own words.
    OTHER = "other", "{}"

    def because(self, *details: object) -> Reason:
        """A reason with what its sentence needs beside."""
        return Reason(self, tuple(map(str, details)))


@dataclass(frozen=True)
class Reason:
    """Why something was kept or not; ``str(reason)`` is a sentence.

    Args:
        why: What a program decides by.
        details: What the sentence needs beside: numbers, errors, other sentences.
    """

    why: Why = Why.OTHER
    details: tuple[str, ...] = ("",)

    def __str__(self) -> str:
        return self.why.sentence.format(*self.details)


NO_REASON = Reason()


def reason_from_data(data: Any) -> Reason:
    """The reason that plain data hold; a sentence, as earlier versions stored it, is one in its own words."""
    if not isinstance(data, Mapping):
        return Why.OTHER.because(data)
    return Reason(Why(data["why"]), tuple(data["details"]))
