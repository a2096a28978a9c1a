"""Trials: one sentence is tried without, or, if it matters, in another place.

Early sentences that fitted the first examples by chance are what holds a prompt back later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.attribution import proposal
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import History, Prompts, StepContext
from dspy_dlpo.core.judging import Bench, Judgement, judge
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import Constraint, admit_all

Trial = tuple[Prompts, Judgement, Edit]


def next_deletion(
    prompts: Prompts, history: History, constraints: Mapping[str, Sequence[Constraint]], since: int | None = None
) -> Edit | None:
    """The deletion to try next: of the sentence whose last trial is longest ago, first of all those never tried.

    A sentence that was tried in these very prompts on this very judging set is not tried again, nor one whose last
    trial is record `since` or later.

    Returns:
        A deletion, or None when there is nothing to try.
    """
    candidates: list[tuple[int, int, Edit]] = []
    for name in sorted(constraints):
        sentences = split(prompts[name])
        for i, sentence in enumerate(sentences):
            edit = Edit("delete", i, why="trial: is it needed?", predictor=name)
            if len(sentences) > 1 and admit_all(constraints[name], (edit,), prompts[name])[0]:
                last, fresh = _last_trial(sentence.strip(), name, prompts, history)
                if fresh and (since is None or last < since):
                    candidates.append((last, len(candidates), edit))
    return min(candidates)[2] if candidates else None


def try_deletion(bench: Bench, deletion: Edit) -> Trial:
    """Try a prompt without a sentence: kept if it is no worse. The passing examples run first, where it would show."""
    prompts = proposal(bench.incumbent, [deletion])
    order = [*bench.passing(), *bench.failing()]
    return prompts, judge(bench, prompts, Bar(bench.mean, strict=False), order), deletion


def try_move(bench: Bench, deletion: Edit, ctx: StepContext) -> Trial | None:
    """Try the sentence of a refused deletion in another place, drawn at random; kept only if it is better."""
    name = deletion.predictor
    count = len(split(bench.incumbent[name]))
    places = [to for to in range(count + 1) if to not in (deletion.at, deletion.at + 1)]
    if not places:
        return None
    move = Edit("move", deletion.at, to=ctx.rng("move", name).choice(places), why="trial: elsewhere?", predictor=name)
    prompts = proposal(bench.incumbent, [move])
    return prompts, judge(bench, prompts, Bar(bench.mean)), move


def _last_trial(sentence: str, predictor: str, prompts: Prompts, history: History) -> tuple[int, bool]:
    """The record number of a sentence's last deletion trial (-1 for none), and whether one now would be new."""
    grown = max((record.step for record in history if record.kind in ("start", "growth")), default=-1)
    for record in reversed(history):
        for entry in record.ledger if record.kind in ("trial", "prune") else ():
            edit = entry.edit
            if edit.op == "delete" and edit.predictor == predictor:
                tried = split(record.prompts[predictor])[edit.at].strip()
                if tried == sentence:
                    return record.step, record.prompts != prompts or record.step < grown
    return -1, True
