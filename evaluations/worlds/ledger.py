"""Reports on worlds that nobody has seen: each hundred is used once, and every report is kept, failures too."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from evaluations.grid import append_line, read_lines
from evaluations.worlds.frozen import generator_hash

# Worlds below this are for development.
FIRST, SIZE = 1000, 100


def next_worlds(ledger: Path) -> range:
    """The next hundred that no report has used."""
    used = [int(line["to"]) for line in read_lines(ledger)] if ledger.exists() else []
    first = max([FIRST, *used])
    return range(first, first + SIZE)


def add(ledger: Path, worlds: range, results: Mapping[str, Any]) -> dict[str, Any]:
    """Add a report.

    Args:
        ledger: The file of reports, one a line.
        worlds: The worlds that it used.
        results: What it found, by budget in runs.

    Returns:
        The report as it is kept.
    """
    report = {**signed(worlds), "results": results}
    ledger.parent.mkdir(parents=True, exist_ok=True)
    append_line(ledger, json.dumps(report) + "\n")
    return report


def signed(worlds: range) -> dict[str, Any]:
    """What says of which worlds, when and of which sources figures are."""
    return {
        "from": worlds.start,
        "to": worlds.stop,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "generator": generator_hash(),
    }


def commit() -> str:
    """The commit that is measured, with ``+`` where files have been changed since; empty outside of a repository."""
    try:
        head, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    return done.stdout.strip()
