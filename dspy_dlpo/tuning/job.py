"""What a search over settings is made of: tasks, seeds, budget, objective; the same for every worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dspy_dlpo.core.budget import Budget, resolve_budget
from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.json_lines import to_json
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.task import Task
from dspy_dlpo.presets import default_settings, seven_techniques
from dspy_dlpo.run.fingerprint import digest, fingerprint, hashed
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.settings import BATCH_SIZE, Data, check_data
from dspy_dlpo.teleprompter import DLPOTeleprompter
from dspy_dlpo.tuning.space import LARGEST_BATCH, Parameter, Space

OBJECTIVES = (("score",), ("score", "words"), ("score", "usd"))
PRUNING = ("pairs", "steps", "none")
# The Wilcoxon test cannot tell anything with fewer pairs.
FEWEST_PAIRS = 4
# Arguments of the optimizer that a search sets itself.
_OWN = ("metric", "seed", "log_dir", "on_record", "budget", "auto")


@dataclass(frozen=True)
class Pair:
    """One task with one seed: what a setting is tried on."""

    task: int
    seed: int


@dataclass(frozen=True)
class Job:
    """A search over settings.

    Args:
        tasks: What settings are tried on.
        seeds: With which seeds each.
        budget: What one run of the optimizer may spend.
        objective: ``("score",)``, or with ``"words"`` or ``"usd"`` as the second.
        pruning: ``"pairs"``, ``"steps"`` or ``"none"``.
        options: Further arguments of `DLPOTeleprompter`, the same for all trials.
    """

    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]
    budget: Budget
    objective: tuple[str, ...]
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

    def optimizer(
        self,
        plan: Plan,
        task: int = 0,
        *,
        seed: int = 0,
        log_dir: Any = None,
        on_record: Callable[[Record], None] | None = None,
    ) -> DLPOTeleprompter:
        """The optimizer with the settings of a plan, for one task."""
        chosen = plan_settings(plan)
        return DLPOTeleprompter(
            self.tasks[task].metric,
            **{"verbose": on_record is None, **self.options, **chosen},
            budget=self.budget,
            seed=seed,
            log_dir=log_dir,
            on_record=on_record,
        )

    @cached_property
    def definition(self) -> dict[str, str]:
        """What must be the same for all workers of a study, by name."""
        return {
            "program, data, metric or model": hashed(
                to_json([self._fingerprint(task) for task in range(len(self.tasks))])
            ),
            "testset": hashed(to_json([digest(task.testset or ()) for task in self.tasks])),
            "space of settings": self.space.digest,
            "budget_per_trial": repr(self.budget),
            "seeds": repr(self.seeds),
            "objective": repr(self.objective),
            "pruning": self.pruning,
        }

    def _fingerprint(self, task: int) -> Mapping[str, Any]:
        settings, program = self.optimizer(self.base, task).settings, self.tasks[task].program
        preflight = Preflight(settings, program)
        return fingerprint(settings, program, self._data(self.tasks[task]), preflight.prompt_model)

    def _data(self, task: Task) -> Data:
        settings = DLPOTeleprompter(task.metric, **{**self.options, "batch_size": None}).settings
        return check_data(settings, task.trainset, task.valset)


def settings_of(params: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """The settings of a trial, as keyword arguments of `DLPOTeleprompter`.

    Args:
        params: The trial's parameters, as Optuna and the dashboard show them.
        **options: ``techniques``, ``acceptance``, ``judging`` and ``batch_size``, if the search was given them.

    Raises:
        KeyError: If a parameter is missing: the search had other options.
    """
    return plan_settings(_space(options).settings(params))


def search_parameters(**options: Any) -> list[Parameter]:
    """What a search over the shipped settings tries.

    Args:
        **options: ``techniques``, ``acceptance``, ``judging`` and ``batch_size``, instead of the shipped ones.

    Returns:
        The dimensions, in the order in which they are chosen.
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
    objective: str | Sequence[str] = "score",
    pruning: str = "none",
    **options: Any,
) -> Job:
    """Check what a search is made of; the arguments are those of `tune`.

    Raises:
        TypeError: If something has the wrong type.
        ValueError: If something is missing or cannot be.
    """
    check_whole("tune", "seeds_per_trial", seeds_per_trial)
    budget = budget_per_trial
    if not isinstance(budget, Budget):
        budget = resolve_budget("light", None) if budget is None else Budget(metric_calls=budget)
    tasks = tuple(task) if isinstance(task, Sequence) else (task,)
    goals = (objective,) if isinstance(objective, str) else tuple(objective)
    if goals not in OBJECTIVES:
        raise ValueError(f'objective={objective!r} is none. Pass "score", ("score", "words") or ("score", "usd").')
    own = sorted(set(options) & set(_OWN))
    if own:
        raise TypeError(f"{own[0]}= is set by the search itself. Leave it out; see the arguments of tune().")
    _check_tasks(tasks)
    pairs = len(tasks) * seeds_per_trial
    seeds = tuple(range(seed, seed + seeds_per_trial))
    job = Job(tasks, seeds, budget, goals, _pruning(pruning, pairs, len(goals)), options)
    job.definition  # noqa: B018 - looks at every program, model and example before anything is spent
    if "usd" in goals:
        _check_prices(job)
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


def _pruning(wanted: str, pairs: int, goals: int) -> str:
    if wanted not in (*PRUNING, "auto"):
        raise ValueError(f'pruning={wanted!r} is none of "auto", "pairs", "steps" and "none". Pass one of them.')
    if goals > 1:
        if wanted in ("pairs", "steps"):
            raise ValueError(f'pruning={wanted!r} needs one objective. Pass objective="score", or pruning="none".')
        return "none"
    if wanted == "pairs" and pairs < FEWEST_PAIRS:
        raise ValueError(
            f'pruning="pairs" compares settings pair by pair, and {pairs} pairs of task and seed are too few. Pass '
            'more seeds_per_trial or tasks, or pruning="steps".'
        )
    return ("pairs" if pairs >= FEWEST_PAIRS else "steps") if wanted == "auto" else wanted


def _check_prices(job: Job) -> None:
    """Refuse to weigh money that nobody knows."""
    for number, task in enumerate(job.tasks):
        settings = job.optimizer(job.base, number).settings
        Preflight(replace(settings, budget=replace(settings.budget, usd=settings.budget.usd or 1.0)), task.program)
