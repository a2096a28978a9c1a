"""The records of a run as a person reads them: what was found wrong, what was tried, what it did, why it was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import History, LedgerEntry, Record, RecordKind
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import Note, TextGradient
from dspy_dlpo.report.diffs import Sentence, folded, sentence_diff
from dspy_dlpo.report.examples import flips

KINDS = {
    RecordKind.START: "Start",
    RecordKind.STEP: "Step",
    RecordKind.TRIAL: "Trial",
    RecordKind.GROWTH: "Growth of the judging set",
    RecordKind.PRUNE: "Pruning",
}
# Why an edit was kept or not that was judged together with all others of its record.
JUDGED_TOGETHER = (Why.TAKEN_WHOLE, Why.JUDGED_WHOLE)
# The forms in which the writer is asked to answer, in words.
FORMS = {
    "edits": "edits as fields",
    "schema": "edits by a JSON schema",
    "lines": "edits in plain text",
    "rewrite": "a new prompt as a field",
    "prompt": "a new prompt in plain text",
}
OPERATIONS = {"add": "added", "replace": "replaced", "delete": "deleted", "move": "moved"}


@dataclass(frozen=True)
class TriedEdit:
    """One edit, with what it was found to do.

    Args:
        step: Number of its record.
        operation: What it does, in a word.
        predictor: Whose prompt it changes.
        deleted: The sentence that it takes away or moves; empty for an addition.
        added: The sentence that it brings; empty for a deletion.
        why: The reason given for it; empty for a deletion that was tried to see if the sentence is needed.
        is_writers: Whether a writer gave that reason; else it is what the training answers show.
        gained: Training examples that it repaired.
        lost: Training examples that it broke.
        kept: Whether it was part of what was judged in the end.
        in_force: Whether it was, and that was accepted.
        effect: What it did, in words.
        reason: Why it was kept or not.
    """

    step: int
    operation: str
    predictor: str
    deleted: str
    added: str
    why: str = ""
    is_writers: bool = True
    gained: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    kept: bool = False
    in_force: bool = False
    effect: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ChangedLine:
    """A sentence of a difference, and the edit behind it where one is known (at the first of its sentences)."""

    kind: str
    text: str
    edit: TriedEdit | None = None


@dataclass(frozen=True)
class ChangedPrompt:
    """What a record changed in one prompt: its sentences, unchanged ones folded."""

    predictor: str
    lines: tuple[ChangedLine, ...]


@dataclass(frozen=True)
class RecordView:
    """One record of a run.

    Args:
        step: Its number.
        kind: What it is, in words.
        state: ``"accepted"``, ``"refused"`` or ``"neutral"`` for what nothing was decided of.
        outcome: How it ended, in a word or two.
        scores: Scores before and after, and on how many examples, in words.
        bar: The bar, in words; empty if there was none.
        reason: Why it was kept or not.
        together: What its edits did together, in words, where they were not told apart; else empty.
        cost: Program runs that it took.
        critiques: What critic or writer said is wrong.
        changed: What it changed, by prompt; empty unless accepted.
        others: The judged edits that `changed` does not show.
        edits: All judged edits.
        unjudged: Edits that were admitted and not judged.
        dropped: Edits that broke a rule, each with the reason.
        notes: What the techniques said to the writer, by predictor.
        asked: In which forms the writer was asked, in words, where the first was not enough.
        chosen: Numbers that a controller chose.
        gained: Training examples that it gained as a whole, against the prompts in force.
        lost: Training examples that it lost as a whole.
    """

    step: int
    kind: str
    state: str
    outcome: str
    scores: str
    bar: str
    reason: str
    together: str
    cost: int
    critiques: tuple[TextGradient, ...]
    changed: tuple[ChangedPrompt, ...]
    others: tuple[TriedEdit, ...]
    edits: tuple[TriedEdit, ...]
    unjudged: tuple[TriedEdit, ...]
    dropped: tuple[TriedEdit, ...]
    notes: Mapping[str, tuple[Note, ...]]
    asked: str
    chosen: Mapping[str, float]
    gained: tuple[int, ...]
    lost: tuple[int, ...]


def record_views(history: History) -> list[RecordView]:
    """Every record of a run, in order."""
    costs = [0, *(record.cost for record in history)]
    return [
        _view(record, record.cost - before, whole)
        for record, before, whole in zip(history, costs, flips(history), strict=False)
    ]


def _view(record: Record, cost: int, whole: tuple[tuple[int, ...], tuple[int, ...]]) -> RecordView:
    decided = not record.kind.enlarges
    judged = tuple(_judged(entry, record) for entry in record.ledger)
    in_ledger = [entry.edit for entry in record.ledger]
    changed = _changed(record, judged) if record.accepted and decided else ()
    shown = [line.edit for prompt in changed for line in prompt.lines if line.edit is not None]
    return RecordView(
        step=record.index,
        kind=KINDS[record.kind],
        state=("accepted" if record.accepted else "refused") if decided else "neutral",
        outcome=("kept" if record.accepted else "not kept") if decided else "",
        scores=_scores(record),
        bar="" if record.bar is None or not decided else f"{record.bar:.3f}",
        reason=str(record.reason),
        together=_together(record),
        cost=max(0, cost),
        critiques=tuple(each for each in record.gradients if each.text),
        changed=changed,
        others=tuple(edit for edit in judged if edit not in shown),
        edits=judged,
        unjudged=tuple(tried(edit, record) for edit in record.edits if edit not in in_ledger),
        dropped=tuple(tried(each.edit, record, reason=each.reason) for each in record.dropped),
        notes={name: notes for name, notes in record.notes.items() if notes},
        asked=_asked(record),
        chosen=record.chosen,
        gained=whole[0] if record.accepted else (),
        lost=whole[1] if record.accepted else (),
    )


def _asked(record: Record) -> str:
    """The requests to the writer, in order; empty where every first reply could be used."""
    if all(each.usable for each in record.asked):
        return ""
    told = (f"{FORMS.get(each.form, each.form)}{'' if each.usable else ' (of no use)'}" for each in record.asked)
    return ", then ".join(told)


def _scores(record: Record) -> str:
    """Scores before and after, in words."""
    if record.score is None:
        return "" if record.base is None else f"{record.base:.3f} before; cut short, so it has no full score"
    where = f"on {len(record.scores)} training examples"
    if record.base is None:
        return f"{record.score:.3f} {where}"
    return f"{record.base:.3f} → {record.score:.3f} {where}"


def _changed(record: Record, judged: Sequence[TriedEdit]) -> tuple[ChangedPrompt, ...]:
    prompts = []
    for name, text in record.proposal.items():
        before = record.prompts.get(name, "")
        if text != before:
            kept = [edit for edit in judged if edit.kept and edit.predictor == name]
            prompts.append(ChangedPrompt(name, _annotated(folded(sentence_diff(before, text)), kept)))
    return tuple(prompts)


def _annotated(lines: Sequence[Sentence], kept: list[TriedEdit]) -> tuple[ChangedLine, ...]:
    """Lines with the edits behind them."""
    found = []
    for line in lines:
        edit = next((each for each in kept if _is_behind(each, line)), None)
        if edit is not None:
            kept.remove(edit)
        found.append(ChangedLine(line.kind, line.text, edit))
    return tuple(found)


def _is_behind(edit: TriedEdit, line: Sentence) -> bool:
    text = line.text.strip()
    if line.kind == "added":
        return any(text == sentence.strip() for sentence in split(edit.added))
    return line.kind in ("deleted", "moved") and not edit.added and text == edit.deleted


def _judged(entry: LedgerEntry, record: Record) -> TriedEdit:
    return tried(
        entry.edit,
        record,
        gained=entry.gained,
        lost=entry.lost,
        kept=entry.kept,
        in_force=entry.kept and record.accepted,
        effect=_effect(entry, record),
        reason=str(entry.reason),
    )


def _effect(entry: LedgerEntry, record: Record) -> str:
    """What an edit did, in words; of edits that were not told apart, what they did together; empty if unknown."""
    if entry.gained or entry.lost or _is_told_apart(entry, record):
        return f"+{len(entry.gained)} −{len(entry.lost)} examples"
    if not entry.kept or record.score is None or record.base is None:
        return ""
    several = sum(each.kept for each in record.ledger) > 1
    return f"{'together ' if several else ''}{record.base:.3f} → {record.score:.3f}"


def _together(record: Record) -> str:
    """What the edits of a record did together, if it is not known what each did."""
    if len(record.ledger) < 2 or record.score is None or record.base is None:
        return ""
    if any(_is_told_apart(entry, record) or entry.gained or entry.lost for entry in record.ledger):
        return ""
    return f"{record.base:.3f} → {record.score:.3f}"


def _is_told_apart(entry: LedgerEntry, record: Record) -> bool:
    """Whether each change of an example was booked on the edits behind it."""
    is_trial = record.kind in (RecordKind.TRIAL, RecordKind.PRUNE)
    if is_trial and all(each.edit.op == "delete" for each in record.ledger):
        return len(record.ledger) > 1
    return entry.reason.why not in JUDGED_TOGETHER


def tried(edit: Edit, record: Record, **found: object) -> TriedEdit:
    """An edit with the sentences that it takes and brings."""
    sentences = split(record.prompts.get(edit.predictor, ""))
    is_step = record.kind == RecordKind.STEP
    old = sentences[edit.at] if edit.op != "add" and 0 <= edit.at < len(sentences) else ""
    return TriedEdit(
        step=record.index,
        operation=OPERATIONS.get(edit.op, edit.op),
        predictor=edit.predictor,
        deleted=old.strip(),
        added=edit.text.strip(),
        why=edit.why if is_step or edit.op != "delete" else "",
        is_writers=is_step,
        **found,  # type: ignore[arg-type]
    )
