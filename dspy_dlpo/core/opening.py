"""How a run begins in a directory, or goes on with the one that it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.errors import ResumeError, RunDirectoryError
from dspy_dlpo.core.events import BudgetRaised, Resumed, Started
from dspy_dlpo.core.json_lines import mend_last_line, to_json
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.state import RunState
from dspy_dlpo.core.storage import EVENTS, OLD, SETTINGS, RunDirectory, read_state

# How settings and events are told, and what is decided from them: raised when a run of before cannot be gone on with.
IDENTITY = 5
# Settings that are recorded and may change while a run goes on.
MAY_DIFFER = ("package", "dspy")
# Prices at the start, of a run that chooses by them.
PRICES = "prices"
# And before the first record, where runs have no scores of their own that rest on it.
METRIC = ("metric", "metric_uses")


def open_log(directory: RunDirectory, settings: Mapping[str, Any], budget: Budget) -> RunLog:
    """Begin a run in a directory, or go on with the one it holds.

    A directory in which nothing was scored yet is begun anew, whatever its settings. One of which only runs are there,
    for a metric that scores whole sets, is gone on with under another such metric: that one was found not to work.

    Args:
        directory: The directory.
        settings: All that determines the run, beside its budget.
        budget: Its budget; one that is higher than before is recorded, and the run goes on with it.

    Raises:
        ResumeError: If the directory holds a run of other settings, of a higher budget, or of an earlier version.
        RunDirectoryError: If it cannot be read or written.
    """
    check_version(directory.path)
    mend_last_line(directory.path / EVENTS)
    stored, state = _stored(directory.path)
    new = json.loads(to_json(settings))
    if stored is None or not _holds_anything(state):
        directory.forget()
        directory.write_json(SETTINGS, new)
        log = RunLog(directory.append)
        log.add(Started(budget.given))
        return log
    mended = not state.history and bool(stored.get("scores_sets") and new.get("scores_sets"))
    _check_same(directory.path, stored, new, (*MAY_DIFFER, *METRIC) if mended else MAY_DIFFER)
    if mended:
        directory.write_json(SETTINGS, new)
    before = {name: limit for name, limit in state.budgets[-1].items() if name != "from_record"}
    _check_budget(directory.path, before, budget)
    log = RunLog(directory.append, state)
    log.add(Resumed())
    if budget.given != before:
        log.add(BudgetRaised(budget.given))
    return log


def check_run(path: Path) -> None:
    """Make sure that what a directory holds can be read, and says of what run it is; an empty one is fine.

    Raises:
        RunDirectoryError: If it cannot be read, or holds events of a run that nothing names.
    """
    _stored(path)


def check_version(path: Path) -> None:
    """Make sure that no earlier version wrote a directory.

    Raises:
        ResumeError: If one did.
    """
    if any((path / name).exists() for name in OLD) and not (path / EVENTS).exists():
        raise ResumeError(
            f"{str(path)!r} holds a run of an earlier version of dspy_dlpo, in {' and '.join(OLD)}, which this version "
            "does not read. Pass another directory, or go on with that version."
        )


def _check_same(path: Path, stored: Mapping[str, Any], new: Mapping[str, Any], may_differ: Sequence[str]) -> None:
    if stored["identity"] != new.get("identity"):
        raise ResumeError(
            f"log_dir={str(path)!r} holds a run of dspy_dlpo {stored.get('package', 'unknown')}, which told data, "
            "programs and metrics apart, or wrote what happened, in another way, so that this version cannot go on "
            "with it. Pass another directory, or go on with that version."
        )
    differences = _differences({key: stored.get(key) for key in new}, new)
    differences = [each for each in differences if each.split(".")[0].split(" ")[0] not in may_differ]
    if differences and all(each.startswith(f"{PRICES}.") for each in differences):
        raise ResumeError(
            f"log_dir={str(path)!r} holds a run that chooses by the prices of its start, and {'; '.join(differences)}. "
            "Pass Budget(..., prices=) with those of the start, in US dollars for a million tokens in and out, or "
            "another directory."
        )
    if differences:
        raise ResumeError(
            f"log_dir={str(path)!r} holds another run: {'; '.join(differences[:5])}. Make the call that began it, or "
            "pass another directory."
        )


def _check_budget(path: Path, before: Mapping[str, Any], budget: Budget) -> None:
    lower = budget.lower_than(Budget(**before))
    if lower:
        raise ResumeError(
            f"log_dir={str(path)!r} holds a run with a higher budget: {lower[0]} was "
            f"{before.get(lower[0], 'not limited')}, now {budget.given[lower[0]]}. Pass at least the old budget, or "
            "another directory."
        )


def _stored(folder: Path) -> tuple[dict[str, Any] | None, RunState]:
    """The settings of the run that a directory holds, None if it holds none, and what is known of it."""
    path = folder / SETTINGS
    state = read_state(folder) if (folder / EVENTS).exists() else RunState()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not content.get("identity"):
            raise ValueError("it is not of a run of this version")
    except FileNotFoundError:
        if state.budgets:
            raise RunDirectoryError(
                f"log_dir={str(folder)!r} holds events, but no {SETTINGS} that says of what run. Pass another "
                "directory."
            ) from None
        return None, state
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}. Pass another directory.") from error
    return content, state


def _holds_anything(state: RunState) -> bool:
    """Whether something was recorded that is worth its money."""
    rows = (row for which in ("train", "val") for _, _, row in state.rows(which))
    scored = any(row.is_answered and not row.mistake for row in rows)
    return bool(state.budgets) and (scored or bool(state.history))


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """In words, where two pieces of plain data differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [each for key in keys for each in _differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    return [] if old == new else [f"{name} was {_short(old)}, now {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
