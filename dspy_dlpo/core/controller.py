"""A controller is asked for the numbers of each step: how many edits, how warm, how many examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dspy_dlpo.core.errors import ControllerError
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.space import TunableNumber, numbers, with_params

# Fields of a plan that a step reads; the others hold for the whole run.
_OF_A_STEP = ("techniques", "acceptance", "batch_size")


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
