"""Who runs a trial: a process, and whether it is still there."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def place() -> str:
    """A name of this machine since it was started, and of the container: processes of one place share their numbers."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if "/ns/" in path else Path(path).read_text(encoding="ascii").strip())
        except OSError:  # not a Linux machine
            parts.append("")
    return "|".join(parts)


def worker_name() -> str:
    """This process, as others see it."""
    return f"{place()}#{os.getpid()}"


def is_gone(worker: str) -> bool:
    """Whether a worker is known to have ended; False where that cannot be told from here."""
    where, _, number = worker.rpartition("#")
    if where != place() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _is_zombie(int(number))


def _is_zombie(number: int) -> bool:
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[:1] == ["Z"]
