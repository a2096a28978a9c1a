from .appraisal.appraising import judge_metric
from .appraisal.judge_report import JudgeReport
from .appraisal.labels import HumanLabel
from .core.acceptance import AcceptAll, Acceptance, Bar, Greedy
from .core.aim import Aim
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
    ReviewError,
    RunDirectoryError,
)
from .core.front import FrontPoint
from .core.history import History, Record, StepContext
from .core.judges import EditJudge, Judge, Judging, WholeJudge
from .core.plan import Controller, Stopping
from .core.rates import Rate
from .core.result import DLPOResult
from .core.review import Review, Suggestion
from .core.schedule import Schedule
from .core.space import search_space, tunable, with_params
from .core.task import Task
from .core.technique import Technique
from .core.update import Constraint, Update
from .estimate.estimate import Estimate
from .host.corpus_metric import CorpusMetric
from .host.parameters import text_paths
from .host.proposer import DLPOProposer
from .host.saving import save_program
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
    "Aim",
    "Annealing",
    "Bar",
    "Budget",
    "Constraint",
    "Contrastive",
    "Controller",
    "ControllerError",
    "CorpusMetric",
    "CosineDecay",
    "DLPOError",
    "DLPOProposer",
    "DLPOResult",
    "DLPOTeleprompter",
    "Dropout",
    "EditJudge",
    "EndedBy",
    "Estimate",
    "ExponentialDecay",
    "FrontPoint",
    "Greedy",
    "History",
    "HumanLabel",
    "Interrupted",
    "Judge",
    "JudgeReport",
    "Judging",
    "LearningRate",
    "LinearDecay",
    "MetricError",
    "ModelError",
    "Momentum",
    "ProgramError",
    "Rate",
    "Record",
    "Regularization",
    "ResumeError",
    "Review",
    "ReviewError",
    "RunDirectoryError",
    "Schedule",
    "StepContext",
    "StepDecay",
    "Steps",
    "Stopping",
    "Suggestion",
    "Task",
    "Technique",
    "Update",
    "WholeJudge",
    "default_settings",
    "judge_metric",
    "load_program",
    "paper_settings",
    "save_program",
    "search_space",
    "seven_techniques",
    "step_numbers",
    "text_paths",
    "tgd_settings",
    "tunable",
    "with_params",
]
