"""The price of a run, before anything is spent."""

from dspy_dlpo.estimate.estimate import Estimate

__all__ = ["Estimate"]
