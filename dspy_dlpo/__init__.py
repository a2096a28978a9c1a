"""A DSPy optimizer: textual gradient descent with the seven techniques of DLPO, judged edit by edit."""

from dspy_dlpo.core.acceptance import AcceptAll, Acceptance, Bar, Greedy
from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.controller import Controller, step_numbers
from dspy_dlpo.core.errors import (
    ControllerError,
    DLPOError,
    MetricError,
    ModelError,
    ProgramError,
    ResumeError,
    RunDirectoryError,
)
from dspy_dlpo.core.history import History, Record, StepContext
from dspy_dlpo.core.judging import Judging
from dspy_dlpo.core.plan import Stopping
from dspy_dlpo.core.schedule import Schedule
from dspy_dlpo.core.space import search_space, tunable, with_params
from dspy_dlpo.core.task import Task
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Constraint, Update
from dspy_dlpo.estimate import Estimate
from dspy_dlpo.host.tools import load_program
from dspy_dlpo.interrupt import Interrupted
from dspy_dlpo.presets import default_settings, paper_settings, tgd_settings
from dspy_dlpo.report import DLPOResult
from dspy_dlpo.techniques import (
    Annealing,
    Contrastive,
    CosineDecay,
    Dropout,
    ExponentialDecay,
    LearningRate,
    LinearDecay,
    Momentum,
    Regularization,
    StepDecay,
)
from dspy_dlpo.teleprompter import DLPOTeleprompter

__all__ = [
    "AcceptAll",
    "Acceptance",
    "Annealing",
    "Bar",
    "Budget",
    "Constraint",
    "Contrastive",
    "Controller",
    "ControllerError",
    "CosineDecay",
    "DLPOError",
    "DLPOResult",
    "DLPOTeleprompter",
    "Dropout",
    "Estimate",
    "ExponentialDecay",
    "Greedy",
    "History",
    "Interrupted",
    "Judging",
    "LearningRate",
    "LinearDecay",
    "MetricError",
    "ModelError",
    "Momentum",
    "ProgramError",
    "Record",
    "Regularization",
    "ResumeError",
    "RunDirectoryError",
    "Schedule",
    "StepContext",
    "StepDecay",
    "Stopping",
    "Task",
    "Technique",
    "Update",
    "default_settings",
    "load_program",
    "paper_settings",
    "search_space",
    "step_numbers",
    "tgd_settings",
    "tunable",
    "with_params",
]
