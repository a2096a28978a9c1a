from .core.acceptance import AcceptAll, Acceptance, Bar, Greedy
from .core.budget import Budget
from .core.controller import step_numbers
from .core.ending import EndedBy
from .core.errors import (
    ControllerError,
    DLPOError,
    MetricError,
    ModelError,
    ProgramError,
    ResumeError,
    RunDirectoryError,
)
from .core.history import History, Record, StepContext
from .core.judges import EditJudge, Judge, Judging, WholeJudge
from .core.plan import Controller, Stopping
from .core.result import DLPOResult
from .core.schedule import Schedule
from .core.space import search_space, tunable, with_params
from .core.task import Task
from .core.technique import Technique
from .core.update import Constraint, Update
from .estimate.estimate import Estimate
from .host.tools import load_program
from .presets import default_settings, paper_settings, seven_techniques, tgd_settings
from .run.interrupt import Interrupted
from .run.steps import Steps
from .techniques import (
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
from .teleprompter import DLPOTeleprompter

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
    "EditJudge",
    "EndedBy",
    "Estimate",
    "ExponentialDecay",
    "Greedy",
    "History",
    "Interrupted",
    "Judge",
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
    "Steps",
    "Stopping",
    "Task",
    "Technique",
    "Update",
    "WholeJudge",
    "default_settings",
    "load_program",
    "paper_settings",
    "search_space",
    "seven_techniques",
    "step_numbers",
    "tgd_settings",
    "tunable",
    "with_params",
]
