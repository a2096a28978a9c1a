"""The generator's fingerprint: figures count for one generator only, which is frozen before optimizers are changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import dspy_dlpo.simulation

# What of the simulation the worlds' models read and answer with.
READING = (
    "brief",
    "calls",
    "draws",
    "editing",
    "engine",
    "exhibits",
    "layout",
    "reading",
    "request",
    "words",
    "writing",
)
# What measures worlds and shows them, but draws nothing.
_APART = (
    "__init__",
    "bench",
    "command",
    "figures",
    "frozen",
    "ledger",
    "measure",
    "page",
    "report",
    "run",
    "techniques",
)


def generator_files() -> list[Path]:
    """The source files that a world depends on, sorted."""
    room = Path(__file__).parent
    reading = Path(dspy_dlpo.simulation.__file__).parent
    own = [path for path in room.glob("*.py") if path.stem not in _APART]
    return sorted([*own, *(reading / f"{name}.py" for name in READING)], key=lambda path: (path.parent.name, path.name))


def generator_hash() -> str:
    """SHA-256 over these files, names and contents."""
    found = hashlib.sha256()
    for path in generator_files():
        found.update(f"{path.parent.name}/{path.name}\0".encode())
        found.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return found.hexdigest()
