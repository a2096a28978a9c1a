"""Scheduling inside a run: before each step Optuna is asked for its numbers, and told what the steps before gained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, create_trial

from dspy_dlpo.core.checks import check_real, check_whole
from dspy_dlpo.core.controller import step_numbers
from dspy_dlpo.core.departures import Reach, StepOutcome, step_outcomes
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.plan import Controller, Plan
from dspy_dlpo.core.space import TunableNumber

# What is searched, for every number: how far a step departs from the plan, down to -1 and up to 1.
_DEPARTURE = FloatDistribution(-1.0, 1.0)


@dataclass(frozen=True)
class OptunaController(Controller):
    """Let Optuna choose the numbers of each step, and learn within the run from what its steps gain.

    The plan's numbers and schedules stay the centre: what is searched is how far, and which way, a step departs from
    them, as a run has too few steps to find from anywhere what a schedule knows. The first step takes the plan as it
    is, the next ones depart at random, then Optuna's TPE sampler proposes. The study is built anew in memory from the
    run's history at each step: nothing is stored, and a run that was killed goes on with the same choices.

    A step is worth the share of the missing score that it gained, less what its program runs earn in this run on
    average: the run's gain per program run is raised, and early steps, which gain most anyway, are not preferred.

    Args:
        numbers: Names of the numbers to choose, as `step_numbers` gives them. Those of techniques that the plan does
            not have are left out.
        reach: Farthest departure, as a share of the number's range, above 0 and at most 1. No value leaves its range.
        n_startup: Steps before anything is learned, at least 1: the first as planned, the others at random.
        n_candidates: Candidates among which the sampler chooses, at least 1.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an illegal value.
    """

    numbers: tuple[str, ...] = ("LearningRate.max_edits", "batch_size", "Dropout.p", "Annealing.temperature")
    reach: float = 0.25
    n_startup: int = 4
    n_candidates: int = 24

    def __post_init__(self) -> None:
        if not isinstance(self.numbers, tuple) or not all(isinstance(name, str) for name in self.numbers):
            raise TypeError(f"OptunaController(numbers={self.numbers!r}) is no tuple of names. Pass such a tuple.")
        if not self.numbers or len(set(self.numbers)) < len(self.numbers):
            raise ValueError(
                f"OptunaController(numbers={self.numbers!r}) must name each number once, and at least one."
            )
        check_real("OptunaController", "reach", self.reach, 0, 1, above=True)
        for name in ("n_startup", "n_candidates"):
            check_whole("OptunaController", name, getattr(self, name))

    def choose(self, plan: Plan, ctx: StepContext) -> Mapping[str, float]:
        """Ask a study of the past steps for the departures of this one."""
        reaches = {name: Reach(field, self.reach) for name, field in self._fields(plan).items()}
        past = _trials(reaches, list(step_outcomes(ctx.history, plan.high)))
        departures = self._suggested(list(reaches), past, ctx) if past else {}
        return {name: each.value(ctx.progress, departures.get(name, 0.0)) for name, each in reaches.items()}

    def _fields(self, plan: Plan) -> dict[str, TunableNumber]:
        """The numbers to choose that the plan has."""
        known = step_numbers(plan)
        owners = {_owner(name) for name in known}
        wrong = [name for name in self.numbers if name not in known and _owner(name) in owners]
        found = {name: known[name] for name in self.numbers if name in known}
        if wrong or not found:
            said = f"{wrong[0]!r}, which the settings do not have" if wrong else "nothing that the settings have"
            raise ValueError(
                f"OptunaController(numbers={self.numbers!r}) names {said}. Pass some of {', '.join(sorted(known))}."
            )
        return found

    def _suggested(self, names: list[str], past: list[FrozenTrial], ctx: StepContext) -> dict[str, float]:
        seed = ctx.rng("controller").getrandbits(32)
        sampler = TPESampler(n_startup_trials=self.n_startup, n_ei_candidates=self.n_candidates, seed=seed)
        with _silence():
            study = optuna.create_study(direction="maximize", sampler=sampler)
            study.add_trials(past)
            return dict(study.ask(dict.fromkeys(names, _DEPARTURE)).params)


def _owner(name: str) -> str:
    """The class in the name of a number; empty where it is the plan's own."""
    return name.rpartition(".")[0]


def _trials(reaches: Mapping[str, Reach], outcomes: list[StepOutcome]) -> list[FrozenTrial]:
    """The past steps as trials; without a choice of its own a step took what was planned."""
    rate = max(0.0, sum(each.gain for each in outcomes)) / max(1e-9, sum(each.passes for each in outcomes))
    distributions: dict[str, BaseDistribution] = dict.fromkeys(reaches, _DEPARTURE)
    trials = []
    for each in outcomes:
        chosen, at = each.record.chosen, each.record.progress
        params = {name: reach.departure(at, chosen[name]) if name in chosen else 0.0 for name, reach in reaches.items()}
        trials.append(create_trial(params=params, distributions=distributions, value=each.gain - rate * each.passes))
    return trials


@contextmanager
def _silence() -> Iterator[None]:
    """Optuna tells of every study that it makes, and we make one a step."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
