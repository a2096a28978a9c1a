"""Trials: sentences are tried without, or, if one matters, in another place.

Early sentences that fitted the first examples by chance are what holds a prompt back later. Sentences that were never
found to gain anything are tried together: as with any other edits, what their deletion loses is attributed, and those
that matter stay. That takes a fraction of the runs that trying them one by one takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.attribution import judge_edits, proposal
from dspy_dlpo.core.edits import Edit, Edits
from dspy_dlpo.core.history import History, LedgerEntry, Prompts, StepContext
from dspy_dlpo.core.judging import Bench, Judgement, judge
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import Constraint, admit_all

# So many sentences are tried together.
TOGETHER = 6

Trial = tuple[Prompts, Judgement, tuple[LedgerEntry, ...]]


def next_deletions(
    prompts: Prompts, history: History, constraints: Mapping[str, Sequence[Constraint]], since: int | None = None
) -> Edits:
    """The deletions to try next: sentences that never gained anything together, else one, the longest untried first.

    A sentence is not tried again while there is nothing new to learn: one that once mattered, not before the judging set
    has grown since; another, not in the same prompts on the same judging set; none whose last trial is record `since`
    or later.

    Returns:
        Deletions that the constraints admit; none when there is nothing to try.
    """
    credited, grown = _credited(history), _last_growth(history)
    fresh: list[tuple[bool, int, int, Edit]] = []
    for name in sorted(constraints):
        sentences = split(prompts[name])
        for i, sentence in enumerate(sentences):
            mattered = credited.get((name, sentence.strip()), -1)
            last, new = _last_trial(sentence.strip(), name, prompts, history)
            if mattered >= 0:
                last, new = max(last, mattered), max(last, mattered) < grown
            edit = Edit("delete", i, why="trial: is it needed?", predictor=name)
            legal = len(sentences) > 1 and admit_all(constraints[name], (edit,), prompts[name])[0]
            if legal and new and (since is None or last < since):
                fresh.append((mattered >= 0, last, len(fresh), edit))
    fresh.sort(key=lambda each: each[:3])
    suspects = [edit for gained, _, _, edit in fresh if not gained][:TOGETHER]
    return tuple(sorted(suspects, key=lambda edit: (edit.predictor, edit.at))) or tuple(each[3] for each in fresh[:1])


def try_deletions(bench: Bench, deletions: Edits) -> Trial:
    """Try prompts without sentences: what is no worse is kept."""
    bar = Bar(bench.mean, strict=False)
    if len(deletions) > 1:
        return judge_edits(bench, deletions, bar)
    prompts = proposal(bench.incumbent, deletions)
    # The passing examples run first: there it would show that the sentence matters.
    judgement = judge(bench, prompts, bar, [*bench.passing(), *bench.failing()])
    return prompts, judgement, (LedgerEntry(deletions[0], kept=judgement.passed, reason=judgement.reason),)


def try_move(bench: Bench, deletion: Edit, ctx: StepContext) -> Trial | None:
    """Try the sentence of a refused deletion in another place, drawn at random; kept only if it is better."""
    name = deletion.predictor
    count = len(split(bench.incumbent[name]))
    places = [to for to in range(count + 1) if to not in (deletion.at, deletion.at + 1)]
    if not places:
        return None
    move = Edit("move", deletion.at, to=ctx.rng("move", name).choice(places), why="trial: elsewhere?", predictor=name)
    prompts = proposal(bench.incumbent, [move])
    judgement = judge(bench, prompts, Bar(bench.mean))
    return prompts, judgement, (LedgerEntry(move, kept=judgement.passed, reason=judgement.reason),)


def _credited(history: History) -> dict[tuple[str, str], int]:
    """By predictor and text: the last record in which a sentence repaired an example, or its deletion lost one."""
    credited: dict[tuple[str, str], int] = {}
    for record in history:
        for entry in record.ledger:
            if entry.gained and entry.edit.text:
                for sentence in split(entry.edit.text):
                    credited[entry.edit.predictor, sentence.strip()] = record.step
            if entry.lost and entry.edit.op == "delete":
                sentence = split(record.prompts[entry.edit.predictor])[entry.edit.at]
                credited[entry.edit.predictor, sentence.strip()] = record.step
    return credited


def _last_trial(sentence: str, predictor: str, prompts: Prompts, history: History) -> tuple[int, bool]:
    """The record number of a sentence's last deletion trial (-1 for none), and whether one now would be new."""
    grown = _last_growth(history)
    for record in reversed(history):
        for entry in record.ledger if record.kind in ("trial", "prune") else ():
            edit = entry.edit
            if edit.op == "delete" and edit.predictor == predictor:
                tried = split(record.prompts[predictor])[edit.at].strip()
                if tried == sentence:
                    return record.step, record.prompts != prompts or record.step < grown
    return -1, True


def _last_growth(history: History) -> int:
    """The last record in which the judging set grew."""
    return max((record.step for record in history if record.kind in ("start", "growth")), default=-1)
