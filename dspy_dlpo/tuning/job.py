"""What a search over settings is made of: tasks, seeds, budget, pruning; the same for every worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from dspy_dlpo.core.budget import Budget, resolve_budget
from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.json_lines import to_json
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.task import Task
from dspy_dlpo.presets import default_settings, seven_techniques
from dspy_dlpo.run.fingerprint import digest, fingerprint, hashed
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.settings import BATCH_SIZE, Data, check_data
from dspy_dlpo.teleprompter import DLPOTeleprompter
from dspy_dlpo.tuning.space import LARGEST_BATCH, Parameter, Space

PRUNING = ("pairs", "steps", "none")
# The Wilcoxon test cannot tell anything with fewer pairs.
FEWEST_PAIRS = 4
# Arguments of the optimizer that a search sets itself.
_OWN = ("metric", "seed", "log_dir", "on_record", "budget", "auto")


class Pair(NamedTuple):
    """One task with one seed: what a setting is tried on."""

    task: int
    seed: int


@dataclass(frozen=True)
class Job:
    """A search over settings, as it is described at `tune`."""

    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]
    budget: Budget
    pruning: str
    options: Mapping[str, Any]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every task with every seed; all tasks with the first seed come first."""
        return tuple(Pair(task, seed) for seed in self.seeds for task in range(len(self.tasks)))

    @cached_property
    def base(self) -> Plan:
        """The shipped settings: the optimizer's defaults, or what `options` holds in their place."""
        return _plan(self.options, self._fewest)

    @cached_property
    def space(self) -> Space:
        """What is searched."""
        return _space(self.options, self._fewest)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The kinds of text that trials change."""
        return self.optimizer(self.base).settings.parameters

    @cached_property
    def _fewest(self) -> int:
        return min(len(self._data(task).train) for task in self.tasks)

    def name(self, task: int) -> str:
        """What a task is called."""
        return str(getattr(self.tasks[task], "name", "") or f"task{task}")

    def optimizer(self, plan: Plan, task: int = 0, **own: Any) -> DLPOTeleprompter:
        """The optimizer with the settings of a plan, for one task."""
        options = {"verbose": "on_record" not in own, "seed": 0, **self.options, **plan_settings(plan), **own}
        return DLPOTeleprompter(self.tasks[task].metric, **options, budget=self.budget)

    @cached_property
    def definition(self) -> dict[str, str]:
        """What must be the same for all workers of a study, by name."""
        fingerprints = to_json([self._fingerprint(task) for task in range(len(self.tasks))])
        return {
            "program, data, metric or model": hashed(fingerprints),
            "testset": hashed(to_json([digest(task.testset or ()) for task in self.tasks])),
            "space of settings": self.space.digest,
            "budget_per_trial": repr(self.budget),
            "seeds": repr(self.seeds),
            "pruning": self.pruning,
        }

    def _fingerprint(self, task: int) -> Mapping[str, Any]:
        settings, program = self.optimizer(self.base, task).settings, self.tasks[task].program
        return fingerprint(settings, program, self._data(self.tasks[task]), Preflight(settings, program).prompt_model)

    def _data(self, task: Task) -> Data:
        settings = DLPOTeleprompter(task.metric, **{**self.options, "batch_size": None}).settings
        return check_data(settings, task.trainset, task.valset)


def settings_of(params: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """The settings of a trial's parameters, as keyword arguments of `DLPOTeleprompter`.

    Args:
        params: As Optuna and the dashboard show them.
        **options: ``techniques``, ``acceptance``, ``judging`` and ``batch_size``, if the search was given them.

    Raises:
        KeyError: If a parameter is missing: the search had other options.
    """
    return plan_settings(_space(options).settings(params))


def search_parameters(**options: Any) -> list[Parameter]:
    """What a search over the shipped settings tries, in the order in which it is chosen.

    Args:
        **options: ``techniques``, ``acceptance``, ``judging`` and ``batch_size``, instead of the shipped ones.
    """
    return _space(options).parameters


def plan_settings(plan: Plan) -> dict[str, Any]:
    """What a search chooses of a plan, as keyword arguments of `DLPOTeleprompter`."""
    return {name: getattr(plan, name) for name in ("techniques", "acceptance", "judging", "batch_size")}


def _plan(options: Mapping[str, Any], fewest: int = BATCH_SIZE) -> Plan:
    given = {name: options[name] for name in default_settings() if options.get(name) is not None}
    chosen = {**default_settings(), **given}
    batch_size = options.get("batch_size") or min(BATCH_SIZE, fewest)
    return Plan(**{**chosen, "techniques": tuple(chosen["techniques"])}, batch_size=batch_size)


def _space(options: Mapping[str, Any], fewest: int = LARGEST_BATCH) -> Space:
    """The space of a search on tasks with so many examples at least: all seven techniques, unless the user chose."""
    seven = seven_techniques()
    return Space(
        _plan(options, fewest),
        fewest,
        beside=seven["techniques"] if options.get("techniques") is None else (),
        annealing=seven["acceptance"] if options.get("acceptance") is None else None,
    )


def make_job(
    task: Task | Sequence[Task],
    *,
    budget_per_trial: Budget | int | None = None,
    seeds_per_trial: int = 1,
    seed: int = 0,
    pruning: str = "auto",
    **options: Any,
) -> Job:
    """Check what a search is made of; the arguments are those of `tune`."""
    check_whole("tune", "seeds_per_trial", seeds_per_trial)
    budget = resolve_budget("light", None) if budget_per_trial is None else budget_per_trial
    budget = budget if isinstance(budget, Budget) else Budget(metric_calls=budget)
    tasks = tuple(task) if isinstance(task, Sequence) else (task,)
    own = sorted(set(options) & set(_OWN))
    if own:
        raise TypeError(f"{own[0]}= is set by the search itself. Leave it out; see the arguments of tune().")
    _check_tasks(tasks)
    seeds = tuple(range(seed, seed + seeds_per_trial))
    job = Job(tasks, seeds, budget, _pruning(pruning, len(tasks) * seeds_per_trial), options)
    job.definition  # noqa: B018 - looks at every program, model and example before anything is spent
    return job


def _check_tasks(tasks: Sequence[Any]) -> None:
    if not tasks:
        raise ValueError("task=[] is empty. Pass a Task, or several.")
    for i, task in enumerate(tasks):
        if not all(hasattr(task, name) for name in ("program", "metric", "trainset", "testset")):
            raise TypeError(f"task[{i}] is a {type(task).__name__}. Pass a dspy_dlpo.Task.")
        if not task.testset:
            raise ValueError(
                "The task has no testset. What chooses settings is not what the claim is made on: pass "
                "Task(program, metric, trainset, valset, testset)."
            )


def _pruning(wanted: str, pairs: int) -> str:
    if wanted not in (*PRUNING, "auto"):
        raise ValueError(f'pruning={wanted!r} is none of "auto", "pairs", "steps" and "none". Pass one of them.')
    if wanted == "pairs" and pairs < FEWEST_PAIRS:
        raise ValueError(
            f'pruning="pairs" compares settings pair by pair, and {pairs} pairs of task and seed are too few. Pass '
            'more seeds_per_trial or tasks, or pruning="steps".'
        )
    return ("pairs" if pairs >= FEWEST_PAIRS else "steps") if wanted == "auto" else wanted
