"""The libraries behind pages, plots and tables: an extra, imported only where one is used."""

from __future__ import annotations

import importlib
from types import ModuleType


def extra(module: str, purpose: str) -> ModuleType:
    """Import a module of the extra "report".

    Args:
        module: Its name, such as ``"matplotlib.figure"``.
        purpose: What needs it, to begin a sentence with.

    Raises:
        ImportError: If its library is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        library = module.split(".")[0]
        if missing.name != library:
            raise
        raise ImportError(f'{purpose} needs {library}. Install it with: pip install "dspy-dlpo[report]"') from missing
