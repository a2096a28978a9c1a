"""Files that are replaced whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

DRAFT = ".draft"


def replace_file(target: Path, text: str, mode: int = 0o600) -> None:
    """Put a text in the place of a file: whoever reads it, or a crash, finds the old text or the new one.

    Args:
        target: The file.
        text: What it shall hold, as UTF-8.
        mode: Who may read and write it.

    Raises:
        OSError: If it cannot be written; the file is then as it was.
    """
    draft = target.with_name(f".{target.name}{DRAFT}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, target)
