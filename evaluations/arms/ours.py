"""Our arms: the presets, each technique alone, each left out, and the numbers of each step chosen in the run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dspy

from dspy_dlpo import (
    Budget,
    DLPOTeleprompter,
    EditJudge,
    LearningRate,
    LinearDecay,
    Regularization,
    Task,
    Technique,
    WholeJudge,
    default_settings,
    paper_settings,
    seven_techniques,
    tgd_settings,
)
from dspy_dlpo.tuning import OptunaController, tune
from evaluations.arms.setup import Arm, Setup

SEARCHED = "search over settings"
# Settings that such a search tries at most, the runs that each has at least, and the examples that its claim is made on
# at most: each of these runs three times.
TRIALS, RUNS_OF_TRIAL, CLAIMED = 4, 100, 20


def optimize(setup: Setup, settings: dict[str, Any], runs: int | None = None) -> dspy.Module:
    """Optimize the task's program with our optimizer."""
    optimizer = DLPOTeleprompter(
        setup.task.metric,
        prompt_model=setup.prompt_lm,
        budget=Budget(metric_calls=setup.runs if runs is None else runs),
        seed=setup.seed,
        num_threads=setup.num_threads,
        **{"verbose": False, **settings},
    )
    return optimizer.compile(setup.task.program, trainset=setup.task.trainset, valset=setup.task.valset)


def without(kind: type[Technique], instead: Technique | None = None) -> dict[str, Any]:
    """The shipped settings with one technique left out, or with another in its place."""
    settings = default_settings()
    kept = [instead if isinstance(each, kind) else each for each in settings["techniques"]]
    return {**settings, "techniques": tuple(each for each in kept if each is not None)}


def beside(technique: Technique) -> dict[str, Any]:
    """The shipped settings with one technique more; the limit of words stays last."""
    settings = default_settings()
    *first, last = settings["techniques"]
    return {**settings, "techniques": (*first, technique, last)}


def alone(*techniques: Technique) -> dict[str, Any]:
    """The shipped judge and acceptance with no other techniques than these."""
    return {**default_settings(), "techniques": techniques}


def settings() -> dict[str, dict[str, Any]]:
    """The settings of every arm of ours, by name."""
    _, dropout, momentum, contrastive, _ = seven_techniques()["techniques"]
    annealing = seven_techniques()["acceptance"]
    return {
        "default": default_settings(),
        "paper settings": paper_settings(),
        "plain textual gradient descent": tgd_settings(),
        "without learning rate (TLR)": without(LearningRate),
        "without decay (TLRD)": without(LearningRate, LearningRate(8)),
        "without regularization (TRegu)": without(Regularization),
        "with dropout (TDO)": beside(dropout),
        "with annealing (TSA)": {**default_settings(), "acceptance": annealing},
        "with momentum (TMnt)": beside(momentum),
        "with contrastive (TCL)": beside(contrastive),
        "no technique": alone(),
        "only learning rate (TLR)": alone(LearningRate(8)),
        "only decay (TLRD)": alone(LearningRate(LinearDecay(8, 2))),
        "only dropout (TDO)": alone(dropout),
        "only annealing (TSA)": {**alone(), "acceptance": annealing},
        "only momentum (TMnt)": alone(momentum),
        "only contrastive (TCL)": alone(contrastive),
        "only regularization (TRegu)": alone(Regularization(max_words=200)),
        "by whole proposal": {**default_settings(), "judging": WholeJudge(trials=True)},
        "without trials": {**default_settings(), "judging": EditJudge(trials=False)},
    }


def controlled() -> dict[str, dict[str, Any]]:
    """The settings of every arm of ours with a controller, by name."""
    return {"Optuna controller": {**default_settings(), "controller": OptunaController()}}


def _arm(chosen: dict[str, Any]) -> Arm:
    return lambda setup: optimize(setup, chosen)


def searched(setup: Setup) -> dspy.Module:
    """A search over settings on the task itself, its claim included, within the runs that one run of the default has.

    The claim is made on examples that the trials do not see: half of the validation set, or some training examples.
    """
    task = setup.task
    if len(task.valset) > 1:
        train, val, test = task.trainset, task.valset[1::2], task.valset[::2]
    else:
        train, val, test = [x for i, x in enumerate(task.trainset) if i % 4], None, task.trainset[::4]
    test = test[:CLAIMED]
    left = setup.runs - 3 * len(test)
    trials = max(2, min(TRIALS, left // RUNS_OF_TRIAL))
    with TemporaryDirectory() as folder:
        result = tune(
            Task(task.program, task.metric, train, val, test, name="searched"),
            n_trials=trials,
            budget_per_trial=left // trials,
            storage=str(Path(folder) / "search.db"),
            prompt_model=setup.prompt_lm,
            num_threads=setup.num_threads,
            seed=setup.seed,
        )
    return result.program


def arms() -> dict[str, Arm]:
    """Every arm of ours, by name."""
    known = {name: _arm(chosen) for name, chosen in {**settings(), **controlled()}.items()}
    return {**known, SEARCHED: searched}
