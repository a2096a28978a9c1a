"""Restoring: the user's own sentences that a proposal taken whole has taken away are tried back at their place.

Nothing showed that it was for these changes that the proposal gained. Where the prompts are no worse with the user's
own words, these stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dspy_dlpo.core.acceptance import TOLERANCE, Bar
from dspy_dlpo.core.attribution import Judged, judge_by_edit
from dspy_dlpo.core.edits import Edit, Edits, sound
from dspy_dlpo.core.history import History, LedgerEntry, Prompts, Record, RecordKind
from dspy_dlpo.core.judging import Incumbent, Judgement, judge, judgement_of
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.core.trials import losses
from dspy_dlpo.core.update import Constraint, admit_all


@dataclass(frozen=True)
class _Taken:
    """A sentence of the user's own that was taken away, as it was written, and the edit that did it."""

    sentence: str
    edit: Edit

    @property
    def new(self) -> str:
        """The first of the sentences that replaced it; empty if none did."""
        return next(iter(_stripped(self.edit.text)), "")


def next_restorations(prompts: Prompts, history: History, constraints: Mapping[str, Sequence[Constraint]]) -> Edits:
    """The edits that bring back the user's sentences which proposals taken whole took away; each is tried once.

    Args:
        prompts: The prompts in force.
        history: What was done before; it begins with the user's own prompts.
        constraints: What must hold, by predictor.

    Returns:
        Edits that the constraints admit, so many at most as are tried together.
    """
    found: list[Edit] = []
    for name in constraints:
        taken = _taken(name, history)
        back = _back(taken, prompts[name], history[0].prompts[name]) if taken else ()
        found += admit_all(constraints[name], sound(back, prompts[name])[0], prompts[name])[0]
    return tuple(found[: THRESHOLDS.tried_together])


def _taken(name: str, history: History) -> tuple[_Taken, ...]:
    """The sentences of one predictor that were taken away and not tried back since, in the order of their going."""
    own = set(_stripped(history[0].prompts[name])) if history else set()
    taken: dict[str, _Taken] = {}
    for record in history:
        for entry in record.ledger:
            edit = entry.edit
            if edit.predictor != name:
                continue
            if record.kind == RecordKind.TRIAL and edit.op in ("add", "replace"):
                taken.pop(edit.text.strip(), None)
            elif edit.op in ("replace", "delete") and _is_whole(entry, record):
                sentence = split(record.prompts[name])[edit.at]
                taken |= {sentence.strip(): _Taken(sentence, edit)} if sentence.strip() in own else {}
    return tuple(taken.values())


def _is_whole(entry: LedgerEntry, record: Record) -> bool:
    """Whether an edit came into force with all others of a proposal, and not for what it was found to do."""
    return record.kind == RecordKind.STEP and record.accepted and entry.kept and entry.reason.why is Why.TAKEN_WHOLE


def _back(taken: Sequence[_Taken], prompt: str, start: str) -> Edits:
    """One edit for each sentence: in place of what replaced it if that is there still, else at its place in the start.

    Of several sentences that replaced it the first one goes; trials try without the others.
    """
    now, order = _stripped(prompt), _stripped(start)
    gone = [each for each in taken if each.sentence.strip() not in now]
    at = {sentence: now.index(sentence) for sentence in order if sentence in now}
    at |= {each.sentence.strip(): now.index(each.new) for each in gone if each.new in now}
    edits = [_brought(each, at, order, now) for each in gone]
    return tuple(sorted(edits, key=lambda edit: order.index(edit.text.strip())))


def _brought(taken: _Taken, at: Mapping[str, int], order: Sequence[str], now: Sequence[str]) -> Edit:
    old = taken.sentence.strip()
    op, place = ("replace", at[old]) if taken.new in now else ("add", _place(old, order, at))
    return Edit(op, place, taken.sentence, "trial: are the user's own words as good?", predictor=taken.edit.predictor)


def _place(sentence: str, order: Sequence[str], at: Mapping[str, int]) -> int:
    """Where a sentence goes: after the nearest of the user's sentences that stood before it, else before the next."""
    here = order.index(sentence)
    before = [at[each] + 1 for each in order[:here] if each in at]
    after = [at[each] for each in order[here:] if each in at]
    return before[-1] if before else after[0] if after else 0


def _stripped(text: str) -> list[str]:
    return [sentence.strip() for sentence in split(text)]


def try_restorations(incumbent: Incumbent, edits: Edits, start: Prompts) -> Judged:
    """Try prompts with the user's own sentences back: what is no worse is kept."""
    bar = Bar(incumbent.mean, strict=False)
    if len(edits) > 1:
        prompts, judgement, ledger = judge_by_edit(incumbent, edits, bar, idle=True)
        said = (entry.reason if entry.gained or not entry.kept else Why.RESTORED.because() for entry in ledger)
        return prompts, judgement, tuple(replace(entry, reason=why) for entry, why in zip(ledger, said, strict=True))
    prompts = incumbent.part(edits)
    judgement = _no_worse(incumbent, prompts, bar, start)
    lost = () if judgement.passed else losses(incumbent, prompts)
    reason = Why.RESTORED.because() if judgement.passed else judgement.reason
    return prompts, judgement, (LedgerEntry(edits[0], (), lost, judgement.passed, reason),)


def _no_worse(incumbent: Incumbent, prompts: Prompts, bar: Bar, start: Prompts) -> Judgement:
    """Judge prompts, but stop as soon as more is lost than gained: old words are not expected to make up for it later.

    What the user's own prompts fail on runs first: there it would show that the new words matter.
    """
    old = incumbent.runs.means(start, incumbent.examples)
    passing = sorted(incumbent.passing(), key=lambda x: old.get(x, math.inf))
    change = 0.0
    for i in range(0, len(passing), incumbent.runs.wave):
        change += math.fsum(incumbent.changes([(prompts, x) for x in passing[i : i + incumbent.runs.wave]]))
        if change < -TOLERANCE:
            return judgement_of(incumbent, prompts, False, Why.OWN_WORDS_LOSE.because())
    return judge(incumbent, prompts, bar, [*passing, *incumbent.failing()])
