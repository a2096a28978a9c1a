"""Each technique alone and each left out, on worlds: what it brings, and by what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluations.statistics import holm
from evaluations.worlds.figures import Row, by_arm, common_worlds
from evaluations.worlds.measure import summary
from evaluations.worlds.report import interval, markdown

SHIPPED, BARE = "default", "only judging by edit"
TECHNIQUES = (
    "learning rate (TLR)",
    "decay (TLRD)",
    "dropout (TDO)",
    "annealing (TSA)",
    "momentum (TMnt)",
    "contrastive (TCL)",
    "regularization (TRegu)",
)
# What is compared: the first less the second.
PAIRS: Mapping[str, tuple[str, str]] = {
    **{f"alone, {each}": (f"only {each}", BARE) for each in TECHNIQUES},
    **{f"left out, {each}": (SHIPPED, f"without {each}") for each in TECHNIQUES},
}
ARMS = (SHIPPED, BARE, *(f"{how} {each}" for how in ("only", "without") for each in TECHNIQUES))


def technique_figures(rows: Sequence[Row]) -> dict[str, Any]:
    """What each technique adds alone, and what the shipped settings lose without it.

    Args:
        rows: Of all `ARMS`, one generator and budget.

    Returns:
        ``worlds``: how many; ``shipped`` and ``bare``: their shares of the possible gain; and ``pairs``, by the names
        of `PAIRS`: the mean difference, its 95 % interval over worlds, and its p-value, corrected for all of them by
        Holm's method.
    """
    shares, worlds = by_arm(rows), common_worlds(rows, ARMS)
    found = {
        name: summary([shares[first][world] - shares[second][world] for world in worlds])
        for name, (first, second) in PAIRS.items()
    }
    corrected = holm({name: each.p for name, each in found.items()})
    told = {name: [each.mean, each.low, each.high, corrected[name]] for name, each in found.items()}
    return {
        "worlds": len(worlds),
        **{
            name: round(summary([shares[arm][world] for world in worlds]).mean, 4)
            for name, arm in (("shipped", SHIPPED), ("bare", BARE))
        },
        "pairs": {name: [round(value, 4) for value in values] for name, values in told.items()},
    }


def technique_table(found: Mapping[str, Any]) -> str:
    """These figures as a Markdown table."""
    rows = []
    for technique in TECHNIQUES:
        alone, left_out = (found["pairs"][f"{how}, {technique}"] for how in ("alone", "left out"))
        rows.append([technique, interval(alone), f"{alone[3]:.2f}", interval(left_out), f"{left_out[3]:.2f}"])
    head = ["technique", "alone less none", "p (Holm)", "all less left out", "p (Holm)"]
    return "\n".join(markdown(head, rows))
