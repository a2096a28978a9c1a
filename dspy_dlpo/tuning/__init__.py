"""Optuna schedules and tunes the hyperparameters, and shows it; the only room that imports Optuna."""

try:
    # Imported first, so that their absence is told once and clearly.
    import optuna as _optuna  # noqa: F401
    import optuna_dashboard as _dashboard  # noqa: F401
except ModuleNotFoundError as error:
    if error.name not in ("optuna", "optuna_dashboard"):
        raise
    raise ImportError('dspy_dlpo.tuning needs Optuna. Install it with: pip install "dspy-dlpo[tune]"') from error

from dspy_dlpo.tuning.controller import OptunaController
from dspy_dlpo.tuning.job import search_parameters, settings_of
from dspy_dlpo.tuning.search import Price, Search, TuneResult, price, tune
from dspy_dlpo.tuning.slots import Pulse

__all__ = [
    "OptunaController",
    "Price",
    "Pulse",
    "Search",
    "TuneResult",
    "price",
    "search_parameters",
    "settings_of",
    "tune",
]
