"""The request to the writer is put together, and what comes back is admitted or dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dspy_dlpo.core.edits import Dropped, Edit, Edits, sound
from dspy_dlpo.core.history import Fault, History, StepContext
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.reasons import Reason, Why
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.technique import apply_all
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.core.update import TextGradient, Update, admit_all


def request(plan: Plan, prompt: str, gradient: TextGradient, ctx: StepContext, declined: Sequence[Edit] = ()) -> Update:
    """The request for one predictor: its gradient, what was refused before, and what the techniques add.

    Args:
        plan: The plan of the step.
        prompt: The predictor's prompt.
        gradient: What is wrong with it.
        ctx: The step.
        declined: Edits that a person declined after an earlier process had ended.
    """
    name = gradient.predictor
    update = Update(name, prompt, (gradient,), constraints=plan.constraints[name])
    refused = _refused(ctx.history, name, declined)
    if refused:
        update = update.with_note("Tried before and refused", refused)
    return apply_all(plan.techniques, update, ctx)


def admit_reply(update: Update, reply: Reply) -> tuple[Edits, tuple[Dropped, ...]]:
    """The edits of a reply that make sense and break no rule, and those dropped with their reasons."""
    own = [replace(edit, predictor=update.predictor) for edit in reply.edits]
    return admit(update, _with_moves(own, update.prompt))


def _with_moves(edits: Sequence[Edit], prompt: str) -> Edits:
    """Edits, with an addition of what the prompt says already as a move of that sentence: it was overlooked there.

    A deletion of that sentence is the other half of the move.
    """
    sentences = [sentence.strip() for sentence in split(prompt)]
    said_at = [_said_at(each, sentences) for each in edits]
    pairs = zip(edits, said_at, strict=True)
    return tuple(_moved(each, at) for each, at in pairs if each.op != "delete" or each.at not in said_at)


def _said_at(edit: Edit, sentences: Sequence[str]) -> int | None:
    """Where the one sentence stands that an addition says again; None for any other edit."""
    text = edit.text.strip()
    return sentences.index(text) if edit.op == "add" and sentences.count(text) == 1 else None


def _moved(edit: Edit, at: int | None) -> Edit:
    return edit if at is None or edit.at in (at, at + 1) else replace(edit, op="move", at=at, to=edit.at, text="")


def admit(update: Update, edits: Edits) -> tuple[Edits, tuple[Dropped, ...]]:
    """The edits of one request's predictor that make sense and break no rule, and those dropped with their reasons."""
    own = tuple(edit for edit in edits if edit.predictor == update.predictor)
    kept, unsound = sound(own, update.prompt)
    kept, refused = admit_all(update.constraints, kept, update.prompt)
    return kept, (*unsound, *refused)


def fault_of(gradients: Sequence[TextGradient], replies: Sequence[Reply]) -> Fault | None:
    """The fault of critic or writer behind a step without edits; None if a reply was usable."""
    if not gradients:
        return Fault.NO_CRITIQUE
    unreadable = any(reply.error for reply in replies) and not any(reply.edits for reply in replies)
    return Fault.NO_USABLE_REPLY if unreadable else None


def why_nothing(gradients: Sequence[TextGradient], replies: Sequence[Reply], dropped: Sequence[Dropped]) -> Reason:
    """Why there is no edit to judge."""
    if not gradients:
        return Why.NO_CRITIQUE.because()
    errors = sorted({reply.error for reply in replies if reply.error})
    if errors:
        return Why.UNUSABLE_REPLY.because("; ".join(errors))
    if dropped:
        return Why.NONE_ADMITTED.because("; ".join(sorted({each.reason for each in dropped})))
    return Why.NOTHING_PROPOSED.because()


def _refused(history: History, predictor: str, declined: Sequence[Edit]) -> str:
    """The last refused edits of a predictor, with reasons, so that they are not proposed again for the same reason.

    Only of an edit that was judged alone it is known that it was at fault: others may have failed for their company.
    """
    lines = {text: f"- {text} ({Why.DECLINED.because()})" for text in _texts(declined, predictor)}
    for record in reversed(history.steps()):
        for entry in record.ledger:
            text = " ".join(entry.edit.text.split())
            is_known = not entry.kept and entry.reason.why not in (Why.JUDGED_WHOLE, Why.OUTDONE)
            if is_known and entry.edit.predictor == predictor and text and len(lines) < THRESHOLDS.recalled:
                lines.setdefault(text, f"- {text} ({entry.reason})")
    return "\n".join(lines.values())


def _texts(edits: Sequence[Edit], predictor: str) -> list[str]:
    """What the last edits of a predictor would have brought."""
    texts = [" ".join(edit.text.split()) for edit in reversed(edits) if edit.predictor == predictor]
    return [text for text in texts if text][: THRESHOLDS.recalled]
