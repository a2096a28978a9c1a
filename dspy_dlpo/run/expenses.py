"""What a run has spent by now: the log's account of what came back, and the meter's of what is under way."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from dspy_dlpo.core.budget import Used
from dspy_dlpo.core.events import What
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.tally import Tally, bill, summed
from dspy_dlpo.host.meter import Meter

# The models that a run of the program asks.
OF_A_RUN = ("task", "metric")


class Expenses:
    """Adds up what was spent.

    Args:
        log: The run's.
        meter: Counts what this process spends.
    """

    def __init__(self, log: RunLog, meter: Meter) -> None:
        self._log, self._meter = log, meter
        self._began = time.monotonic()
        self._ran_before = sum(record.seconds for record in log.state.history)

    @property
    def seconds(self) -> float:
        """How long the run took, in earlier processes too."""
        return self._ran_before + time.monotonic() - self._began

    def totals(self) -> Mapping[str, float]:
        """Running totals: program runs, and calls, tokens and money (if every price is known) over all roles."""
        tallies = self._meter.tallies()
        spent = {"metric_calls": float(self._log.state.spent)}
        for role in ("task", "critic", "writer"):
            spent[f"{role}_calls"] = float(tallies.get(role, Tally()).calls)
        for side in ("input_tokens", "output_tokens"):
            spent[side] = float(sum(getattr(tally, side) for tally in tallies.values()))
        if not any(tally.unpriced for tally in tallies.values()):
            spent["usd"] = math.fsum(tally.usd for tally in tallies.values())
        return spent

    def used(self) -> Used:
        """What was used of the resources other than program runs."""
        tallies, spent = self._meter.tallies(), self._log.state.spent
        runs = max(1, spent)
        each = {name: used / runs for name, used in _resources(tallies.get(role, Tally()) for role in OF_A_RUN).items()}
        recorded = _resources(self._log.state.unclaimed().values())
        seconds = self.seconds
        return Used(
            {**_resources(tallies.values()), "seconds": seconds},
            {**each, "seconds": seconds / runs if spent else 0.0},
            {**recorded, "lm_calls": recorded["lm_calls"] + self._log.state.lost[What.ASK.value]},
        )

    def bill(self) -> dict[str, Any]:
        """What was spent in all, by earlier processes too: program runs, calls of the metric, and models by role."""
        state = self._log.state
        lost = state.lost[What.RUN.value], state.lost[What.ASK.value]
        return bill(summed([self._meter.tallies(), state.unclaimed()]), state.paid, self.seconds, lost)


def _resources(tallies: Iterable[Tally]) -> dict[str, float]:
    """Calls that no cache answered, tokens and money; infinite where they cannot be told."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return {
        "lm_calls": float(total.calls - total.cache_hits),
        "tokens": math.inf if total.unreported else float(total.input_tokens + total.output_tokens),
        "usd": math.inf if total.unpriced else total.usd,
    }
