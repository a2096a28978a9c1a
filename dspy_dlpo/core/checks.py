"""Checks of arguments: one sentence with the argument, the value and the rule, a second with the way out."""

from __future__ import annotations

import math
from typing import Any


def check_whole(owner: str, name: str, value: Any, low: int = 1, way_out: str = "Pass such a number.") -> None:
    """Check that a value is a whole number of at least `low`.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is not whole, or too small.
    """
    shown = _shown(owner, name, value)
    if not isinstance(value, (int, float)):
        raise TypeError(f"{shown} must be a whole number of at least {low}. {way_out}")
    if isinstance(value, (bool, float)) or value < low:
        raise ValueError(f"{shown} must be a whole number of at least {low}. {way_out}")


def check_real(
    owner: str,
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
    way_out: str = "Pass such a number.",
) -> None:
    """Check that a value is a finite number from `low` to `high`; `above` and `below` leave out the ends.

    Raises:
        TypeError: If it is no number.
        ValueError: If it lies outside.
    """
    lower = f"above {low:g}" if above else f"at least {low:g}"
    upper = "" if math.isinf(high) else f" and {'below' if below else 'at most'} {high:g}"
    rule = "a finite number" if math.isinf(low) else f"a number of {lower}{upper}"
    message = f"{_shown(owner, name, value)} must be {rule}. {way_out}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(message)
    inside = (low < value if above else low <= value) and (value < high if below else value <= high)
    if not math.isfinite(value) or not inside:
        raise ValueError(message)


def _shown(owner: str, name: str, value: Any) -> str:
    """An argument with its value, in the class that takes it, if it is one."""
    return f"{owner}({name}={value!r})" if owner else f"{name}={value!r}"
