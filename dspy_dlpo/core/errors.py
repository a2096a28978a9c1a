"""The tree of errors.

DLPOError
├── ControllerError        the controller chose a number that a step cannot work with
├── MetricError            the metric raised, or returned something that is no score
│   └── RangeError         its score left the range that it is said to have
├── ModelError             a language model cannot be used at all
├── ProgramError           the program has nothing that may be optimized, or cannot run
├── ReviewError            nobody can be asked about an edit, or the answer is none
└── RunDirectoryError      the run directory cannot be used
    └── ResumeError        it holds another run

Misuse of an argument is a plain ``ValueError`` or ``TypeError``.
"""

from __future__ import annotations

from typing import Any


class DLPOError(Exception):
    """Anything this package raises that a caller may want to catch.

    Attributes:
        result: The `DLPOResult` of the run that failed: its records and what was spent; None if there was no run yet.
    """

    result: Any = None


class ControllerError(DLPOError):
    """The controller chose a number that the plan does not have, or a value that it refuses."""


class MetricError(DLPOError):
    """The metric raised on its first example, or returned something that is no legal score."""


class RangeError(MetricError):
    """A score outside the range that the metric is said to have."""


class ModelError(DLPOError):
    """A language model cannot be used at all: not configured, no key, no quota."""


class ProgramError(DLPOError):
    """The program has no text that may be optimized, or fails on every example by a mistake of its own."""


class ReviewError(DLPOError):
    """Nobody can be asked about an edit, or what was answered is no answer."""


class RunDirectoryError(DLPOError):
    """The run directory cannot be read or written."""


class ResumeError(RunDirectoryError):
    """The run directory holds another run."""
