"""A controller chooses the numbers of each step: how many edits, how warm, how many examples."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dspy_dlpo.core.errors import ControllerError
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.space import TunableNumber, numbers, with_params

if TYPE_CHECKING:
    from dspy_dlpo.core.plan import Plan

# Fields of a plan that a step reads; the others hold for the whole run.
_OF_A_STEP = ("techniques", "acceptance", "batch_size")


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


def step_numbers(plan: Plan) -> dict[str, TunableNumber]:
    """The numbers that a step works with, of any techniques and any acceptance.

    Returns:
        By name, such as ``"Dropout.p"`` or ``"batch_size"``: what the plan holds, its range, and where it stands.
    """
    found = numbers(replace(plan, controller=None))
    return {name: each for name, each in found.items() if each.path.split(".")[0] in _OF_A_STEP}


def controlled(plan: Plan, ctx: StepContext) -> tuple[Plan, dict[str, float]]:
    """Ask a plan's controller for the numbers of a step.

    Returns:
        The plan of this step, and what was chosen by name; the plan itself and nothing if it has no controller.

    Raises:
        ControllerError: If what is chosen is no number of the plan, or a value that the plan refuses.
    """
    if plan.controller is None:
        return plan, {}
    choice: Any = plan.controller.choose(plan, ctx)
    if not isinstance(choice, Mapping):
        raise ControllerError(f"{plan.controller!r} chose {choice!r}. Return numbers by name, such as {{}} for none.")
    known, changed = step_numbers(plan), plan
    for name, value in choice.items():
        said = f"{plan.controller!r} chose {name}={value!r}"
        if name not in known:
            raise ControllerError(f"{said}, which this plan does not have. It has {', '.join(sorted(known))}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ControllerError(f"{said}, which is no finite number. Return such a number.")
        try:
            changed = with_params(changed, {known[name].path: value})
        except (TypeError, ValueError) as error:
            raise ControllerError(f"{said}, which the plan refuses: {error}") from error
    return changed, dict(choice)
