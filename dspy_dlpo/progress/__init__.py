"""The progress of a run, on a terminal or as plain lines: ``on_record=ProgressBar(budget)``."""

from dspy_dlpo.progress.bar import ProgressBar

__all__ = ["ProgressBar"]
