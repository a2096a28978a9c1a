"""The tree of errors.

DLPOError
├── ControllerError        the controller chose a number that a step cannot work with
├── MetricError            the metric raised, or returned something that is no score
├── ModelError             a language model cannot be used at all
├── ProgramError           the program has nothing that may be optimized
└── RunDirectoryError      the run directory cannot be used
    └── ResumeError        it holds another run

Misuse of an argument is a plain ``ValueError`` or ``TypeError``.
"""


class DLPOError(Exception):
    """Anything this package raises that a caller may want to catch."""


class ControllerError(DLPOError):
    """The controller chose a number that the plan does not have, or a value that it refuses."""


class MetricError(DLPOError):
    """The metric raised on its first example, or returned something that is no legal score."""


class ModelError(DLPOError):
    """A language model cannot be used at all: not configured, no key, no quota."""


class ProgramError(DLPOError):
    """The program has no text that may be optimized."""


class RunDirectoryError(DLPOError):
    """The run directory cannot be read or written."""


class ResumeError(RunDirectoryError):
    """The run directory holds another run."""
