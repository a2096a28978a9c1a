"""Optuna schedules and tunes the hyperparameters, and shows it; the only room that imports Optuna."""

try:
    import optuna as _optuna  # noqa: F401 - imported first, so that its absence is told once and clearly
except ModuleNotFoundError as error:
    if error.name != "optuna":
        raise
    raise ImportError('dspy_dlpo.tuning needs Optuna. Install it with: pip install "dspy-dlpo[tune]"') from error

from dspy_dlpo.tuning.controller import OptunaController

__all__ = ["OptunaController"]
