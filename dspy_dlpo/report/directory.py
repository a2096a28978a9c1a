"""Read what a run directory holds, whether the run has ended, goes on or was killed; nothing is written."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.history import Prompts, prompts_key
from dspy_dlpo.core.memory import ending_of
from dspy_dlpo.core.reading import row_from_data
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.storage import CALLS, HISTORY, RESULT, SETTINGS

# What is added up of the calls of a role.
COUNTS = ("calls", "cache_hits", "failures", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class Calls:
    """What ``calls.jsonl`` tells.

    Args:
        runs: Runs of the program on training examples: the rows by prompts and example.
        metric_calls: Runs of the program that came back, and those that were lost in flight.
        spent: By role, calls, tokens and money.
        lost: Runs of the program, and requests to the prompt model, that were in flight when a process died.
        ended: How the steps ended, in words; empty while they go on.
        unreadable: Lines that cannot be read, beside a last one that was cut by a crash.
    """

    runs: Mapping[tuple[str, int], tuple[Row, ...]] = field(default_factory=dict)
    metric_calls: int = 0
    spent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    ended: str = ""
    unreadable: int = 0

    def rows(self, prompts: Prompts, example: int) -> tuple[Row, ...]:
        """The runs of prompts on a training example that were not lost in transport."""
        found = self.runs.get((prompts_key(prompts), example), ())
        return tuple(row for row in found if row.score is not None)


def read_calls(log_dir: str | os.PathLike[str]) -> Calls:
    """Read ``calls.jsonl``; a line that cannot be read is counted and left out.

    Returns:
        What it tells; nothing if there is no such file.

    Raises:
        RunDirectoryError: If the file cannot be read.
    """
    path = Path(log_dir).expanduser() / CALLS
    try:
        with open(path, "rb") as file:
            return _summed(_lines(file))
    except FileNotFoundError:
        return Calls()
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}. Make it readable, or pass another run.") from error


def _lines(file: Any) -> Iterator[Mapping[str, Any] | None]:
    """The lines of a log as data; None for one that is none. A last line without a line break was cut by a crash."""
    for line in file:
        try:
            content = json.loads(line)
        except ValueError:
            if line.endswith(b"\n") and line.strip():
                yield None
        else:
            yield content if isinstance(content, dict) else None


def _summed(lines: Iterator[Mapping[str, Any] | None]) -> Calls:
    runs: dict[tuple[str, int], list[Row]] = {}
    came: set[tuple[Any, ...]] = set()
    spent: dict[str, Counter[str]] = {}
    sent: Counter[str] = Counter()
    ended, unreadable = "", 0
    for line in lines:
        try:
            role = line["role"] if line else ""
            if line is None:
                unreadable += 1
            elif role == "sent":
                sent[line["what"]] += line["number"]
            elif role == "ended":
                ended = str(ending_of(line))
            elif role in ("critic", "writer"):
                came.add(("ask", line["ask"]))
                _add(spent, role, line["spent"])
            elif role == "feedback":
                _add(spent, "metric", line["spent"])
            elif role == "task":
                key = (line["prompts"], int(line["example"]))
                came.add(("task", line["set"], *key, line["rollout"]))
                if line["set"] == "train":
                    runs.setdefault(key, []).append(row_from_data(line))
                for each, tally in line["spent"].items():
                    _add(spent, each, tally)
        except (KeyError, TypeError, ValueError, AttributeError):
            unreadable += 1
    got = Counter(each[0] for each in came)
    lost = {"metric_calls": max(0, sent["task"] - got["task"]), "prompt_calls": max(0, sent["ask"] - got["ask"])}
    return Calls(
        {key: tuple(rows) for key, rows in runs.items()},
        max(got["task"], sent["task"]),
        {role: _bill(counts) for role, counts in sorted(spent.items())},
        lost,
        ended,
        unreadable,
    )


def _add(spent: dict[str, Counter[str]], role: str, tally: Mapping[str, Any]) -> None:
    spent.setdefault(role, Counter()).update({name: number for name, number in tally.items() if number})


def _bill(counts: Counter[str]) -> dict[str, Any]:
    usd = None if counts["unpriced"] else float(counts["usd"])
    return {**{name: int(counts[name]) for name in COUNTS}, "usd": usd}


def read_settings(log_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``run.json`` says of a run; empty if there is no such file.

    Raises:
        RunDirectoryError: If it cannot be read.
    """
    path = Path(log_dir).expanduser() / SETTINGS
    return read_object(path) if path.exists() else {}


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        RunDirectoryError: If it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}. Pass another run, or restore the file.") from error
    if not isinstance(content, dict):
        raise RunDirectoryError(f"{path} holds no run or result. Pass the log_dir of a run, or a saved result.")
    return content


def check_directory(path: Path) -> None:
    """Make sure that a directory looks like one of a run.

    Raises:
        RunDirectoryError: If it does not exist, or holds no run.
    """
    if not path.exists():
        raise RunDirectoryError(f"{str(path)!r} does not exist. Pass the log_dir of a run.")
    if not any((path / name).is_file() for name in (SETTINGS, HISTORY, RESULT)):
        raise RunDirectoryError(
            f"{str(path)!r} holds no run: there is no {SETTINGS}, {HISTORY} or {RESULT}. Pass the log_dir of a run."
        )
