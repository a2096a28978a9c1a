"""Each technique alone, and beside those that are shipped, on worlds: what it brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluations.statistics import holm
from evaluations.worlds.figures import Row, by_arm, common_worlds
from evaluations.worlds.measure import summary
from evaluations.worlds.report import interval, markdown

SHIPPED, BARE = "default", "no technique"
TECHNIQUES = (
    "learning rate (TLR)",
    "decay (TLRD)",
    "dropout (TDO)",
    "annealing (TSA)",
    "momentum (TMnt)",
    "contrastive (TCL)",
    "regularization (TRegu)",
)
# Those of them that the shipped settings have; the others are measured as one more.
IN_SHIPPED = ("learning rate (TLR)", "decay (TLRD)", "regularization (TRegu)")
# What is compared: the first less the second.
PAIRS: Mapping[str, tuple[str, str]] = {
    **{f"alone, {each}": (f"only {each}", BARE) for each in TECHNIQUES},
    **{
        f"in company, {each}": (SHIPPED, f"without {each}") if each in IN_SHIPPED else (f"with {each}", SHIPPED)
        for each in TECHNIQUES
    },
}
ARMS = tuple(dict.fromkeys(arm for pair in PAIRS.values() for arm in pair))


def technique_figures(rows: Sequence[Row]) -> dict[str, Any]:
    """What each technique adds alone, and what it adds to the other shipped ones.

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
        alone, company = (found["pairs"][f"{how}, {technique}"] for how in ("alone", "in company"))
        rows.append([technique, interval(alone), f"{alone[3]:.2f}", interval(company), f"{company[3]:.2f}"])
    head = ["technique", "alone less none", "p (Holm)", "with less without it", "p (Holm)"]
    return "\n".join(markdown(head, rows))
