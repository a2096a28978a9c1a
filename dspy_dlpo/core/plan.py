"""All that determines a run beside its data and its models: the plan, and who may change its numbers at each step."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dspy_dlpo.core.acceptance import Acceptance, Greedy
from dspy_dlpo.core.checks import check_real, check_whole
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.judges import EditJudge, Judge
from dspy_dlpo.core.paths import absolute_path
from dspy_dlpo.core.space import tunable
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Constraint


@dataclass(frozen=True)
class Stopping:
    """When a run ends before its budget does.

    Args:
        target: Mean judged score, in the metric's units, that is enough; it counts once the judging set holds 100
            examples, or all there are. None for no target.
        patience: Steps in a row without a gain after which the run ends, at least 1; None for no limit.
        stop_file: The run ends when this file appears; None for the file ``stop`` in the run directory. It must not
            exist when the run begins, or goes on. ``~`` and the working directory are those of now.
        max_steps: Steps, trials and growths at most, at least 1; None for no limit. When given, it also is the clock of
            all schedules.
        broken_program: Whether a run ends at once, with a `ProgramError`, when the first 8 runs of the program (all, if
            there are fewer examples) fail at the same line by a mistake that no instructions could mend.

    Raises:
        ValueError: If a number is out of range.
        TypeError: If a value has the wrong type.
    """

    target: float | None = None
    patience: int | None = None
    stop_file: str | os.PathLike[str] | None = None
    max_steps: int | None = None
    broken_program: bool = True

    def __post_init__(self) -> None:
        for name in ("max_steps", "patience"):
            if getattr(self, name) is not None:
                check_whole("Stopping", name, getattr(self, name), way_out="Pass None for no limit.")
        if self.target is not None:
            check_real("Stopping", "target", self.target, -math.inf, way_out="Pass None for no target.")
        if not isinstance(self.broken_program, bool):
            raise TypeError(f"Stopping(broken_program={self.broken_program!r}) is neither True nor False. Pass one.")
        if self.stop_file is not None:
            object.__setattr__(self, "stop_file", absolute_path("Stopping.stop_file", self.stop_file))


class Controller(ABC):
    """Chooses the numbers of each step. Subclasses are frozen dataclasses with this one method.

    It holds no state: what past steps chose (``record.chosen``) and what came of it stand in the history; all chance
    comes from ``ctx.rng``. So a run that was killed goes on with the choices of one that was not. Nothing needs to be
    registered: pass an object of your own class as ``DLPOTeleprompter(controller=)``.

    Example:
        >>> from dataclasses import dataclass
        >>> from dspy_dlpo import Controller
        >>> @dataclass(frozen=True)
        ... class Bolder(Controller):
        ...     most: int = 8
        ...
        ...     def choose(self, plan, ctx):
        ...         refused = sum(not record.accepted for record in ctx.history.steps()[-3:])
        ...         return {"LearningRate.max_edits": min(self.most, 2 + 2 * refused)}
    """

    @abstractmethod
    def choose(self, plan: Plan, ctx: StepContext) -> Mapping[str, float]:
        """Choose numbers for the step at hand; called before anything else is done in it.

        It is also called once before the run begins, with no history, so that an illegal choice costs nothing.

        Args:
            plan: The run's plan as it was given, schedules included; `step_numbers` finds what may be chosen in it.
            ctx: The step, the progress from 0 to 1, the history and the source of randomness.

        Returns:
            Numbers by name, such as ``{"LearningRate.max_edits": 3, "batch_size": 8}``. Each stands in for the plan's
            number or schedule in this step only; what is left out stays as the plan says.
        """


@dataclass(frozen=True)
class Plan:
    """All that determines a run beside its data and its models.

    Args:
        techniques: Shape the requests to the writer, from left to right.
        acceptance: Sets the bar.
        judging: How proposals are judged.
        stopping: When to end early.
        batch_size: Failing examples that a step looks at, at least 1.
        gradients: Text gradients of each predictor in a step, at least 1; they share the batch.
        update: Which predictors a step updates: ``"all"`` that are blamed, the ``"most_blamed"``, or one ``"in_turn"``.
        seed: Seed of all chance.
        high: The metric's best score; None if unknown.
        low: The metric's lowest score.
        constraints: What may never be changed, by predictor; the predictors that may be edited are its keys.
        examples: The training examples in words.
        controller: Chooses the numbers of each step; None for those that stand here.

    Raises:
        ValueError: If `batch_size` or `gradients` is out of range.
        TypeError: If one is no number.
    """

    techniques: tuple[Technique, ...] = ()
    acceptance: Acceptance = field(default_factory=Greedy)
    judging: Judge = field(default_factory=EditJudge)
    stopping: Stopping = field(default_factory=Stopping)
    batch_size: int = tunable(4, low=2, high=16)
    gradients: int = 1
    update: str = "all"
    seed: int = 0
    high: float | None = 1.0
    low: float = 0.0
    constraints: Mapping[str, tuple[Constraint, ...]] = field(default_factory=dict)
    examples: Sequence[str] = ()
    controller: Controller | None = None

    def __post_init__(self) -> None:
        check_whole("", "batch_size", self.batch_size)
        check_whole("", "gradients", self.gradients)
