"""Trials: prompts are tried without some of their sentences.

Early sentences that fitted the first examples by chance are what holds a prompt back later. Sentences that were never
found to gain anything are tried together, and judged as any other edits are: what is no worse without them stays so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dspy_dlpo.core.edits import Edit, Edits
from dspy_dlpo.core.history import History, LedgerEntry, Prompts, Record, RecordKind
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.core.update import Constraint, admit_all


def next_deletions(
    prompts: Prompts,
    history: History,
    constraints: Mapping[str, Sequence[Constraint]],
    *,
    own: bool = True,
    since: int | None = None,
) -> Edits:
    """The deletions to try next: added sentences that never gained anything together, else one, longest untried first.

    During the run nothing is tried while there is nothing new to learn: an added sentence has a few steps to prove
    itself, and whatever was tried, or once mattered, or is the user's own waits until the judging set has grown.

    Args:
        prompts: The prompts to shorten.
        history: What was tried before.
        constraints: What may never be changed, by predictor.
        own: Whether the user's own sentences may go, too.
        since: At the end of a run, the record at which pruning began: every sentence is tried once more.

    Returns:
        Deletions that the constraints admit; none when there is nothing to try.
    """
    found = [each for name in sorted(constraints) for each in _evidence(name, prompts, history)]
    found = [each for each in found if own or not each.known.own]
    grown = max((record.index for record in history if record.kind.enlarges), default=-1)
    steps = [record.index for record in history.steps()]
    due = [each for each in found if (each.is_due(grown, steps) if since is None else each.known.tried < since)]
    suspects = sorted((each for each in due if each.known.mattered < 0), key=lambda each: each.known.tried)
    together = _first_admitted(suspects, THRESHOLDS.tried_together, constraints, prompts)
    if together:
        together.sort(key=lambda edit: (edit.predictor, edit.at))
        return tuple(edit for name in constraints for edit in _admitted(name, together, constraints, prompts))
    settled = sorted(due, key=lambda each: max(each.known.tried, each.known.mattered))
    return tuple(_first_admitted(settled, 1, constraints, prompts))


def _first_admitted(
    found: Sequence[_Evidence], count: int, constraints: Mapping[str, Sequence[Constraint]], prompts: Prompts
) -> list[Edit]:
    """The first so many deletions of which each alone is admitted; each look reads the whole prompt, so no more."""
    admitted = (each.edit for each in found if _admitted(each.edit.predictor, [each.edit], constraints, prompts))
    return list(islice(admitted, count))


def _admitted(
    name: str, edits: Sequence[Edit], constraints: Mapping[str, Sequence[Constraint]], prompts: Prompts
) -> Edits:
    """The edits of one predictor that its constraints admit together."""
    own = tuple(edit for edit in edits if edit.predictor == name)
    own = own[: len(split(prompts[name])) - 1]  # something must be left to run with
    return admit_all(constraints[name], own, prompts[name])[0]


@dataclass
class _Known:
    """What the history knows of one sentence; record numbers, -1 for never.

    Args:
        added: When the run wrote it.
        mattered: When it last repaired an example or its deletion lost one; 0 at least for the user's own.
        tried: When its deletion was last tried.
        own: Whether it is the user's own.
    """

    added: int = -1
    mattered: int = -1
    tried: int = -1
    own: bool = False


@dataclass(frozen=True)
class _Evidence:
    """The deletion of a sentence, and what is known of the sentence."""

    edit: Edit
    known: _Known

    def is_due(self, grown: int, steps: Sequence[int]) -> bool:
        """Whether a trial now would teach something new, given the records of the last growth and of the steps."""
        known = self.known
        if known.mattered >= 0:
            return max(known.tried, known.mattered) < grown
        waited = sum(step > known.added for step in steps)
        return waited >= THRESHOLDS.probation and known.tried < grown


def _evidence(name: str, prompts: Prompts, history: History) -> list[_Evidence]:
    """What is known of every sentence of one predictor's prompt, if it has more than one."""
    sentences = [sentence.strip() for sentence in split(prompts[name])]
    own = {sentence.strip() for sentence in split(history[0].prompts[name])} if history else set()
    known = {sentence: _Known(mattered=0 if sentence in own else -1, own=sentence in own) for sentence in sentences}
    for record in history:
        for entry in record.ledger:
            if entry.edit.predictor == name:
                _learn(known, entry, record)
    deletions = [Edit("delete", i, why="trial: is it needed?", predictor=name) for i in range(len(sentences))]
    return [_Evidence(edit, known[sentences[edit.at]]) for edit in deletions if len(sentences) > 1]


def _learn(known: Mapping[str, _Known], entry: LedgerEntry, record: Record) -> None:
    """Take one ledger entry into account: when each sentence was added, mattered and was tried."""
    edit = entry.edit
    for sentence in split(edit.text) if edit.op in ("add", "replace") else ():
        if (facts := known.get(sentence.strip())) is not None:
            facts.added = record.index if entry.kept and record.accepted else facts.added
            facts.mattered = record.index if entry.gained else facts.mattered
    if edit.op == "delete":
        facts = known.get(split(record.prompts[edit.predictor])[edit.at].strip())
        if facts is not None:
            facts.mattered = record.index if entry.lost else facts.mattered
            if record.kind in (RecordKind.TRIAL, RecordKind.PRUNE):
                facts.tried = record.index
