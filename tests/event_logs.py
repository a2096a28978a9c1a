"""The log of a run directory, and copies of the directory as it was at an earlier moment."""

import json
import shutil
from pathlib import Path


def lines(folder: Path) -> list[str]:
    return (folder / "events.jsonl").read_text().splitlines()


def events(folder: Path, *kinds: str) -> list[dict]:
    """The events as plain data, or those of some kinds."""
    found = [json.loads(line) for line in lines(folder)]
    return [event for event in found if not kinds or event["event"] in kinds]


def places(folder: Path, *kinds: str) -> list[int]:
    """The places in the log of the events of some kinds."""
    return [i for i, event in enumerate(events(folder)) if event["event"] in kinds]


def keep(folder: Path, count: int, torn: str = "") -> Path:
    """Cut a log after so many lines, with the beginning of one more, as if the process had died then."""
    kept = lines(folder)[:count]
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in kept) + torn)
    (folder / "result.json").unlink(missing_ok=True)
    return folder


def cut(whole: Path, folder: Path, count: int, torn: str = "") -> Path:
    """A copy of a run directory as it was after so many lines of its log."""
    return keep(Path(shutil.copytree(whole, folder)), count, torn)
