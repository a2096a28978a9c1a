"""What arms came to on worlds, in numbers: what the ledger keeps, and what tables show."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluations.worlds.measure import normalized, share_won, summary

Row = Mapping[str, Any]
# What a claim needs: held-out examples, and the true gain from which one is looked for.
HELD_OUT, REAL_GAIN = 50, 0.1


def by_arm(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Share of the possible gain by world, by arm; worlds of too small a range left out."""
    shares: dict[str, dict[int, float]] = {}
    for row in rows:
        share = normalized(row["score"], row["start"], row["best"])
        if share is not None:
            shares.setdefault(row["arm"], {})[row["world"]] = share
    return shares


def common_worlds(rows: Sequence[Row], arms: Sequence[str]) -> list[int]:
    """The worlds with a range that all arms have run, in order."""
    shares = by_arm(rows)
    return sorted(set.intersection(*(set(shares.get(arm, ())) for arm in arms)))


def figures(rows: Sequence[Row], arms: Sequence[str]) -> dict[str, Any]:
    """Each arm's share of the possible gain over the worlds that all have run, what it spent, and what it claimed.

    Args:
        rows: Of one generator and budget.
        arms: In the order wanted; the first is what the others are compared with.

    Returns:
        ``worlds``, ``left_out`` (worlds of too small a range), and ``arms``, by name: ``share`` with its 95 % interval
        (``low``, ``high``) and its ``spread`` over worlds, means of ``words``, ``prompt_calls``, ``prompt_tokens`` and
        ``usd``, and how often it ``failed``. Of all but the first ``less``: what the first is ahead, its interval and
        p-value, and ``won``: the share of worlds in which the first is ahead. Of arms that claim gains ``claims``.
    """
    shares, worlds = by_arm(rows), common_worlds(rows, arms)
    small = {row["world"] for row in rows if normalized(row["score"], row["start"], row["best"]) is None}
    told: dict[str, Any] = {"worlds": len(worlds), "left_out": len(small), "arms": {}}
    if not worlds:
        return told
    first = {world: shares[arms[0]][world] for world in worlds}
    for arm in arms:
        own = {world: shares[arm][world] for world in worlds}
        told["arms"][arm] = {
            **_of_shares(list(own.values())),
            **_of_spending([row for row in rows if row["arm"] == arm and row["world"] in own]),
            "failed": sum(bool(row["failure"]) for row in rows if row["arm"] == arm),
            **({} if arm == arms[0] else {"less": _less(first, own), "won": share_won(first, own)}),
            **claims(rows, arm),
        }
    return told


def _of_shares(values: Sequence[float]) -> dict[str, float]:
    mean = summary(values)
    named = {"share": mean.mean, "low": mean.low, "high": mean.high, "spread": statistics.pstdev(values)}
    return {name: round(value, 4) for name, value in named.items()}


def _of_spending(rows: Sequence[Row]) -> dict[str, float]:
    return {
        "words": round(_mean(row["words"] + row["demo_words"] for row in rows), 1),
        "prompt_calls": round(_mean(row["prompt_calls"] for row in rows), 1),
        "prompt_tokens": round(_mean(sum(row["tokens"][1]) for row in rows)),
        "usd": round(_mean(row["usd_spent"] for row in rows), 4),
    }


def _less(first: Mapping[int, float], other: Mapping[int, float]) -> list[float]:
    found = summary([first[world] - other[world] for world in first])
    return [round(value, 4) for value in (found.mean, found.low, found.high, found.p)]


def claims(rows: Sequence[Row], arm: str) -> dict[str, Any]:
    """What an arm claimed, against the truth, where at least `HELD_OUT` examples were held out.

    Args:
        rows: Of one generator and budget; also of worlds where nothing can be gained.
        arm: The arm.

    Returns:
        ``claims``: ``false``: claims, and runs, in which nothing was truly gained; ``true``: the same where `REAL_GAIN`
        or more was. Nothing for an arm that claims nothing.
    """
    own = [row for row in rows if row["arm"] == arm and row.get("claimed") is not None]
    own = [row for row in own if (row.get("held_out") or 0) >= HELD_OUT]
    if not own:
        return {}
    vain = [bool(row["claimed"]) for row in own if _gain(row) <= 0]
    real = [bool(row["claimed"]) for row in own if _gain(row) >= REAL_GAIN]
    return {"claims": {"false": [sum(vain), len(vain)], "true": [sum(real), len(real)]}}


def _gain(row: Row) -> float:
    return round(float(row["score"]) - float(row["start"]), 9)


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)
