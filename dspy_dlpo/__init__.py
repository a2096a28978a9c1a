"""A DSPy optimizer: textual gradient descent with the seven techniques of DLPO, on few edits at a time."""

import lazy_loader

# Each name is imported when it is first used. Type checkers read the same names in `__init__.pyi`.
_NAMES = {
    "core.acceptance": ["AcceptAll", "Acceptance", "Bar", "Greedy"],
    "core.budget": ["Budget"],
    "core.controller": ["step_numbers"],
    "core.ending": ["EndedBy"],
    "core.errors": [
        "ControllerError",
        "DLPOError",
        "MetricError",
        "ModelError",
        "ProgramError",
        "ResumeError",
        "RunDirectoryError",
    ],
    "core.history": ["History", "Record", "StepContext"],
    "core.judges": ["EditJudge", "Judge", "Judging", "WholeJudge"],
    "core.plan": ["Controller", "Stopping"],
    "core.result": ["DLPOResult"],
    "core.schedule": ["Schedule"],
    "core.space": ["search_space", "tunable", "with_params"],
    "core.task": ["Task"],
    "core.technique": ["Technique"],
    "core.update": ["Constraint", "Update"],
    "estimate.estimate": ["Estimate"],
    "host.tools": ["load_program"],
    "presets": ["default_settings", "paper_settings", "seven_techniques", "tgd_settings"],
    "run.interrupt": ["Interrupted"],
    "run.steps": ["Steps"],
    "techniques": [
        "Annealing",
        "Contrastive",
        "CosineDecay",
        "Dropout",
        "ExponentialDecay",
        "LearningRate",
        "LinearDecay",
        "Momentum",
        "Regularization",
        "StepDecay",
    ],
    "teleprompter": ["DLPOTeleprompter"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
