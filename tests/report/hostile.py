"""A run in which everything that a person or a model may write holds a script, and then some."""

import json
from dataclasses import replace
from pathlib import Path

from browser import ATTACK

from dspy_dlpo import DLPOResult, History
from dspy_dlpo.core.edits import Dropped, Edit
from dspy_dlpo.core.events import Recorded, event_to_json
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.update import Note

# Arabic, a right-to-left override, halves of a pair, a null, other control characters, a closing tag, template code.
ODD = "مرحبا بالعالم \u202e gnol \ud800 \x00 \x1b[31m \r\n </script></style><!-- {{ 7 * 7 }} {% raw %} \ufffe 漢字かな"
EVIL = f"{ATTACK} {ODD}"


def hostile(result: DLPOResult, folder: Path) -> DLPOResult:
    """The result, and its run directory, with an attack in every text."""
    history = [_record(record) for record in result.history]
    best = {f"{name}{ATTACK}": f"{text} {EVIL}" for name, text in result.best_prompts.items()}
    start = {f"{name}{ATTACK}": f"{EVIL} {text}" for name, text in result.start_prompts.items()}
    folder.mkdir()
    settings = json.loads((Path(result.log_dir) / "run.json").read_text())
    settings["settings"][f"frozen{ATTACK}"] = [EVIL]
    settings["metric"] = settings["program"]["modules"] = EVIL
    (folder / "run.json").write_text(json.dumps(settings))
    lines = (Path(result.log_dir) / "events.jsonl").read_text().splitlines()
    evil = [event_to_json(Recorded(record)) + "\n" for record in history]
    (folder / "events.jsonl").write_text("".join([*map(_event, lines), *evil]))
    changed = replace(
        result,
        verdict=f"verdict {EVIL}",
        ended=f"ended {EVIL}",
        start_prompts=start,
        best_prompts=best,
        history=History(history),
        log_dir=str(folder),
        spent={**result.spent, EVIL: result.spent["task"]},
    )
    changed.save(folder / "result.json")
    return changed


def _record(record):
    """A record with an attack in every text; its prompts stay, so that the runs of the log are found."""
    edit = Edit("add", 0, text=f"edit {EVIL}", why=f"why {EVIL}", predictor=next(iter(record.prompts)))
    return replace(
        record,
        reason=Why.OTHER.because(f"reason {EVIL}"),
        gradients=tuple(replace(each, text=f"critique {EVIL}") for each in record.gradients),
        notes={name: (*notes, Note(f"title {EVIL}", f"body {EVIL}")) for name, notes in record.notes.items()},
        dropped=(Dropped(edit, f"dropped {EVIL}"),) if record.kind == "step" else (),
        ledger=tuple(
            replace(entry, reason=Why.OTHER.because(f"{entry.reason} {EVIL}"), edit=replace(entry.edit, why=EVIL))
            for entry in record.ledger
        ),
        chosen={f"number {EVIL}": 1.0} if record.kind == "step" else {},
    )


def _event(line: str) -> str:
    event = json.loads(line)
    if event["event"] == "RunDone":
        row = event["row"]
        for name in ("inputs", "expected", "outputs"):
            row[name] = {f"{key}{ATTACK}": f"{value} {EVIL}" for key, value in row[name].items()}
        row["feedback"] = row["error"] = EVIL
    return json.dumps(event) + "\n"
