"""What was spent, counted; and told to people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


def rounded(usd: float) -> float:
    """US dollars to 12 decimals, a ten-thousandth of a token of the cheapest model.

    So a sum is the same in whatever order its parts are added: without, a run on `Budget(usd=0.1)` that was killed
    and gone on with could end a call earlier or later than one that was not.
    """
    return round(usd, 12)


@dataclass
class Tally:
    """What was spent.

    Args:
        calls: Public calls of language models, retries inside one not counted.
        cache_hits: How many of them a cache answered, for nothing.
        failures: How many raised.
        input_tokens: Tokens in, as reported.
        output_tokens: Tokens out, as reported.
        usd: US dollars, of the calls whose price is known.
        unpriced: Billed calls whose price is unknown.
        unreported: Billed calls whose tokens were not reported.
        scoring_calls: Calls of the metric itself for a score.
        feedback_calls: Calls of the metric itself for what it says of a predictor.
    """

    calls: int = 0
    cache_hits: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    unreported: int = 0
    scoring_calls: int = 0
    feedback_calls: int = 0

    def add(self, other: Tally) -> None:
        """Add another one."""
        self.count(**{each.name: getattr(other, each.name) for each in fields(other)})

    def count(self, **spent: float) -> None:
        """Add to what is named."""
        totals = self.__dict__
        for name, value in spent.items():
            totals[name] += value
        if "usd" in spent:
            self.usd = rounded(self.usd)

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is 0 is left out."""
        return {name: value for name, value in asdict(self).items() if value}


Tallies = Mapping[str, Tally]


def counted(spent: Tallies) -> dict[str, Tally]:
    """What was spent by now, by role: who counts may go on counting."""
    return {role: replace(tally) for role, tally in spent.items()}


def summed(parts: Iterable[Tallies]) -> dict[str, Tally]:
    """What was spent by role, in all parts together."""
    totals: dict[str, Tally] = {}
    for part in parts:
        for role, tally in part.items():
            totals.setdefault(role, Tally()).add(tally)
    return totals


def summary(tally: Tally) -> dict[str, Any]:
    """What was spent, for a person: money is None where a price is unknown."""
    names = ("calls", "cache_hits", "failures", "input_tokens", "output_tokens")
    return {**{name: getattr(tally, name) for name in names}, "usd": None if tally.unpriced else tally.usd}


def bill(totals: Tallies, metric_calls: int, seconds: float, lost: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    """What a run has spent, as it is told: program runs, calls of the metric, money and time, and models by role.

    A metric that asks no model is none of the roles. What was lost is told only if something was.

    Args:
        totals: By role.
        metric_calls: Program runs.
        seconds: How long it took.
        lost: Program runs and requests to the prompt model that were in flight when a process died.
    """
    judge = totals.get("metric", Tally())
    roles = {role: summary(tally) for role, tally in sorted(totals.items()) if tally is not judge or tally.calls}
    money = [each["usd"] for each in roles.values()]
    return {
        "metric_calls": metric_calls,
        "scoring_calls": judge.scoring_calls,
        "feedback_calls": judge.feedback_calls,
        "usd": None if None in money else math.fsum(money),
        "seconds": seconds,
        **roles,
        **({"lost": dict(zip(("metric_calls", "prompt_calls"), lost, strict=True))} if any(lost) else {}),
    }
