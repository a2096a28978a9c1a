"""What the benchmarks share: quiet libraries, facts of the machine, and results as JSON."""

from __future__ import annotations

import json
import logging
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@contextmanager
def quiet() -> Iterator[None]:
    """Without logs and warnings of the libraries that are measured."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def machine() -> dict[str, Any]:
    """Facts that a figure depends on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("dspy-dlpo", "dspy", "gepa", "optuna")},
    }


def write(name: str, found: Any, **more: Any) -> None:
    """Keep what a benchmark found, with the machine that it ran on."""
    RESULTS.mkdir(exist_ok=True)
    content = {**more, "machine": machine(), "found": found}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
