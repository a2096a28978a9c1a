"""How much a model may be asked in a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dspy_dlpo.core.checks import check_real


@dataclass(frozen=True)
class Rate:
    """How much one model may be asked in a minute, as its provider limits it.

    Calls are spread over the minute evenly, so that a provider that counts by the second refuses none.

    Args:
        requests: Calls that may begin in a minute, above 0; None for any number. Retries inside a call, which are
            DSPy's, are not counted.
        tokens: Tokens, in and out, that calls may take in a minute, above 0; None for any number.

    Raises:
        TypeError: If one of them is no number.
        ValueError: If one of them is not above 0, or neither is given.

    Example:
        >>> Rate(requests=500, tokens=30_000).minutes(calls=100, tokens=90_000)
        3.0
    """

    requests: float | None = None
    tokens: float | None = None

    def __post_init__(self) -> None:
        if not self.limits:
            raise ValueError("Rate() limits nothing. Pass requests=, tokens= or both, for a minute.")
        for name, limit in self.limits.items():
            check_real("Rate", name, limit, 0, above=True)

    @property
    def limits(self) -> dict[str, float]:
        """What is limited, by name."""
        given = {"requests": self.requests, "tokens": self.tokens}
        return {name: limit for name, limit in given.items() if limit is not None}

    def minutes(self, calls: float, tokens: float) -> float:
        """The least time, in minutes, that so many calls of so many tokens in all take."""
        used = {"requests": calls, "tokens": tokens}
        return max(used[name] / limit for name, limit in self.limits.items())


# One for every model, each by itself, or by the names of models; None for no limit.
Rates = Rate | Mapping[str, Rate] | None


def rate_of(rates: Rates, model: str) -> Rate | None:
    """The rate of a model; None if it has none."""
    return rates.get(model) if isinstance(rates, Mapping) else rates


def check_rates(rates: Any) -> None:
    """Check what is to be a rate for all models, or rates by the name of the model.

    Raises:
        TypeError: If it is neither.
    """
    if rates is None or isinstance(rates, Rate):
        return
    if isinstance(rates, Mapping) and all(
        isinstance(name, str) and isinstance(rate, Rate) for name, rate in rates.items()
    ):
        return
    raise TypeError(
        f"rates={rates!r} is neither a Rate nor a dict of them. Pass Rate(requests=500), for each model by itself, or "
        '{"openai/gpt-4o": Rate(requests=500, tokens=30_000)}, by the names of models.'
    )
