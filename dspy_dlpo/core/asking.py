"""The writer is asked in one form after the other, until its reply holds an edit that is admitted.

A weak model cannot answer in every form. Which ones it can is seen from the history, so it is asked in one of these
from then on, and a run that is gone on with asks as it did before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from dspy_dlpo.core.edits import Dropped, Edits, sound
from dspy_dlpo.core.history import Asked, History, StepContext
from dspy_dlpo.core.request import admit, admit_reply
from dspy_dlpo.core.roles import Reply, Write
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.core.update import Update


@dataclass
class Written:
    """What came of asking the writer.

    Args:
        replies: The last reply to each request, with the last critique said.
        edits: The edits that are admitted.
        dropped: Those that are not, with their reasons.
        asked: What was asked, in order.
    """

    replies: list[Reply] = field(default_factory=list)
    edits: Edits = ()
    dropped: tuple[Dropped, ...] = ()
    asked: tuple[Asked, ...] = ()


def written(write: Write, updates: Sequence[Update], forms: Sequence[str], ctx: StepContext) -> Written:
    """Ask for edits, all requests at once, and pool those of each predictor.

    Where a reply cannot be used, the next form is tried. Where it breaks rules, the form was not at fault: one more
    form is tried, with word of what was refused. An empty reply may mean that there is nothing to mend: it is asked
    again only while there is no edit at all.

    Args:
        write: The writer.
        updates: The requests; those of one predictor have the same constraints.
        forms: The forms that the writer can be asked in.
        ctx: The step.

    Raises:
        RunEnds: If no more may be spent.
    """
    found = Written([Reply()] * len(updates))
    edits: list[Edits] = [()] * len(updates)
    asks = dict(enumerate(updates))
    last_try: set[int] = set()
    for form in in_order(forms, ctx.history):
        sent = [replace(update, form=form) for update in asks.values()]
        refused: dict[int, tuple[Dropped, ...]] = {}
        for i, update, reply in zip(list(asks), sent, write(sent, ctx.index) if sent else [], strict=True):
            edits[i], dropped = admit_reply(update, reply)
            usable = bool(sound(reply.edits, update.prompt)[0])
            said = reply.critique or found.replies[i].critique
            found.replies[i] = reply if said == reply.critique else replace(reply, critique=said)
            found.dropped += (*reply.dropped, *dropped)
            if not reply.lost:
                found.asked += (Asked(update.predictor, form, usable),)
            if not edits[i] and not reply.lost and i not in last_try:
                refused[i] = dropped
                last_try |= {i} if usable else set()
        idle = {i for i in refused if any(edits) and _is_empty(found.replies[i])}
        asks = {i: _told(asks[i], refused[i]) for i in refused if i not in idle}
    for name in dict.fromkeys(update.predictor for update in updates):
        own = [i for i, update in enumerate(updates) if update.predictor == name]
        kept = edits[own[0]]
        if len(own) > 1:
            kept, dropped = admit(updates[own[0]], _in_turns([edits[i] for i in own]))
            found.dropped += dropped
        found.edits += kept
    return found


def _in_turns(replies: Sequence[Edits]) -> Edits:
    """The first edit of each reply, then the second of each, and so on: the most useful come first in each."""
    rounds = zip_longest(*replies)
    return tuple(edit for each in rounds for edit in each if edit is not None)


def in_order(forms: Sequence[str], history: History) -> list[str]:
    """The forms, those first of whose requests most came; of equals in the order given.

    A request counts 1 if an edit of its reply gained an example, one half if the reply could be used, else 0;
    `Thresholds.granted` requests of one half each are taken for granted. So a form never asked in has one half; one
    that failed at its first try (2/5) stands behind it, and one that gained at its first try (3/5) before it. The
    form that was asked in first in each of the last `Thresholds.in_vain` steps, of which none gained, is last for once.
    """
    count, came = dict.fromkeys(forms, THRESHOLDS.granted), dict.fromkeys(forms, THRESHOLDS.granted / 2)
    for record in history.steps():
        last = {each.predictor: each.form for each in record.asked if each.usable}
        gained = {entry.edit.predictor for entry in record.ledger if entry.gained or (entry.kept and record.gained)}
        for each in record.asked:
            if each.form in count:
                count[each.form] += 1
                brought = each.predictor in gained and last.get(each.predictor) == each.form
                came[each.form] += 1.0 if brought else 0.5 * each.usable
    tired = _in_vain(history)
    return sorted(forms, key=lambda form: (form == tired, -came[form] / count[form]))


def _in_vain(history: History) -> str:
    """The form that the last steps were asked in first without a gain; empty if there is none."""
    recent = [record for record in history.steps()[-THRESHOLDS.in_vain :] if record.asked]
    first = {record.asked[0].form for record in recent}
    is_one = len(recent) == THRESHOLDS.in_vain and len(first) == 1
    return first.pop() if is_one and not any(record.gained for record in recent) else ""


def _is_empty(reply: Reply) -> bool:
    return not (reply.edits or reply.error or reply.dropped)


def _told(update: Update, refused: Sequence[Dropped]) -> Update:
    """The request with word of what was refused just now."""
    lines = dict.fromkeys(f"- {' '.join(each.edit.text.split())} ({each.reason})" for each in refused if each.edit.text)
    return update.with_note("Just answered and refused", "\n".join(lines)) if lines else update
