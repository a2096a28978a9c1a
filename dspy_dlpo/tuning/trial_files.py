"""The files of a trial: for every pair the evolution of its prompts, its records as a table, and the program."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import upload_artifact
from optuna.artifacts._protocol import ArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna_dashboard.artifact import get_artifact_path

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import Record, RecordKind
from dspy_dlpo.tuning.evolution import evolution_svg
from dspy_dlpo.tuning.outcome import Outcome
from dspy_dlpo.tuning.svg_text import clean

# Said outright, as what a system's own list says of a name differs.
_TYPES = {".svg": "image/svg+xml", ".json": "application/json", ".jsonl": "text/plain; charset=utf-8"}
# Characters of a cell of the table, and of a task's name in the name of a file.
_LONGEST_CELL, _LONGEST_NAME = 4000, 40


def upload_files(trial: optuna.Trial, store: ArtifactStore, outcomes: Sequence[Outcome]) -> str:
    """Store the files of a trial and show them at it.

    A trial that is a second attempt lists the files of the first: those of the same name are replaced, so that
    nothing is listed twice.

    Returns:
        Where the dashboard serves the evolution of the first pair; empty without pairs.
    """
    known, first = _known(trial), ""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _files(outcomes):
            path = Path(folder, name)
            # A lone surrogate becomes what JSON writes for it; the picture has none.
            path.write_bytes(text.encode("utf-8", "backslashreplace"))
            artifact = _put(trial, store, path, known.get(name))
            first = first or get_artifact_path(trial, artifact)
    return first


def _put(trial: optuna.Trial, store: ArtifactStore, path: Path, known: str | None) -> str:
    if known is None:
        kind = _TYPES[path.suffix]
        return upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial, mimetype=kind)
    with suppress(ArtifactNotFound):
        store.remove(known)
    with path.open("rb") as file:
        store.write(known, file)
    return known


def _known(trial: optuna.Trial) -> dict[str, str]:
    """The artifacts that a trial lists: names of files and of artifacts; one that was removed is ``null`` there."""
    attributes = trial.storage.get_trial_system_attrs(trial._trial_id)
    listed = [json.loads(value) for name, value in attributes.items() if name.startswith("artifacts:")]
    return {each["filename"]: each["artifact_id"] for each in listed if each is not None}


def _files(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    """Name and text of every file, the evolution of the first pair first; no name twice."""
    seen: dict[str, int] = {}
    for outcome in outcomes:
        task = re.sub(r"[^\w.-]+", "_", clean(outcome.task))[:_LONGEST_NAME]
        pair = f"{task}-seed{outcome.seed}"
        seen[pair] = seen.get(pair, 0) + 1
        pair += f"-{seen[pair]}" if seen[pair] > 1 else ""
        result = outcome.result
        yield f"evolution-{pair}.svg", evolution_svg(result.history, f"{outcome.task}, seed {outcome.seed}")
        yield f"steps-{pair}.jsonl", "".join(_line(_row(record)) + "\n" for record in result.history)
        yield f"program-{pair}.json", outcome.program_json or _line(result.best_prompts, indent=2)


def _line(content: Mapping[str, Any], indent: int | None = None) -> str:
    return json.dumps(content, ensure_ascii=False, indent=indent)


def _row(record: Record) -> dict[str, Any]:
    """A record as a flat row of a table; the prompts of those that were kept only."""
    several = len(record.proposal) > 1
    kept = record.accepted or record.kind == RecordKind.START
    return {
        "step": record.index,
        "kind": record.kind.value,
        "accepted": record.accepted,
        "score": "" if record.score is None else round(record.score, 4),
        "base": "" if record.base is None else round(record.base, 4),
        "runs": record.cost,
        "edits": _cell([(each.predictor, _edit(each)) for each in record.edits], named=several),
        "reason": _cell([("", str(record.reason))], named=False),
        "critique": _cell([(each.predictor, each.text) for each in record.gradients if each.text], named=several),
        "prompts": _cell(list(record.proposal.items()) if kept else [], named=several),
    }


def _edit(edit: Edit) -> str:
    to = "" if edit.to is None else f" to {edit.to}"
    return f"{edit.op} {edit.at}{to}: {edit.text.strip()}".removesuffix(": ")


def _cell(texts: Sequence[tuple[str, str]], *, named: bool) -> str:
    """Texts as one cell, each after the name of its predictor; the dashboard shows no line breaks."""
    text = clean("\n• ".join(f"[{name}] {text}" if named else text for name, text in texts))
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
