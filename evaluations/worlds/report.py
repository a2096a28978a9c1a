"""What arms came to on worlds, in Markdown: by budget, and by what was drawn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evaluations.worlds.frozen import generator_hash
from evaluations.worlds.measure import SMALLEST_RANGE, normalized, share_won, summary
from evaluations.worlds.traits import Traits, draw_traits

Row = Mapping[str, Any]
# What a claim needs: held-out examples, and the true gain from which one is looked for.
HELD_OUT, REAL_GAIN = 50, 0.1
# What is drawn as a number is told by thirds of the worlds.
THIRDS = ("low", "middle", "high")


def by_arm(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Normalized score by world, by arm; worlds of too small a range left out."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        share = normalized(row["score"], row["start"], row["best"])
        if share is not None:
            found.setdefault(row["arm"], {})[row["world"]] = share
    return found


def common_worlds(rows: Sequence[Row], arms: Sequence[str]) -> list[int]:
    """The worlds with a range that all arms have run, in order."""
    found = by_arm(rows)
    return sorted(set.intersection(*(set(found.get(arm, ())) for arm in arms)))


def table(rows: Sequence[Row], arms: Sequence[str]) -> str:
    """A Markdown table: each arm's share of the possible gain over the worlds that all have run, and against the first.

    Args:
        rows: Of one generator and budget.
        arms: In the order wanted; the first is what the others are compared with.
    """
    worlds = common_worlds(rows, arms)
    small = {row["world"] for row in rows if normalized(row["score"], row["start"], row["best"]) is None}
    lines = [
        f"Generator {generator_hash()[:12]}; {len(worlds)} worlds; {len(small)} more with a range below "
        f"{SMALLEST_RANGE} left out.",
        "",
        f"| arm | share of the gain | 95 % interval | spread | {arms[0]} less it | {arms[0]} ahead in | words | "
        "prompt-model calls | their tokens | US dollars | cut or failed |",
        "|---" * 11 + "|",
    ]
    if not worlds:
        return "\n".join([*lines[:1], "", "No world that all arms have run."])
    return "\n".join([*lines, *(_line(arm, arms[0], rows, worlds) for arm in arms)])


def figures(rows: Sequence[Row], arms: Sequence[str]) -> dict[str, Any]:
    """The figures of `table` that a ledger keeps: worlds, and each arm's mean and what the first is ahead of it."""
    found, worlds = by_arm(rows), common_worlds(rows, arms)
    if not worlds:
        return {"worlds": 0}
    means = {arm: round(_mean(found[arm][world] for world in worlds), 4) for arm in arms}
    ahead = {}
    for arm in arms[1:]:
        less = summary([found[arms[0]][world] - found[arm][world] for world in worlds])
        ahead[arm] = [round(each, 4) for each in (less.mean, less.low, less.high)]
    return {"worlds": len(worlds), "share": means, f"{arms[0]} less": ahead}


def _line(arm: str, first: str, rows: Sequence[Row], worlds: Sequence[int]) -> str:
    found = by_arm(rows)
    own = [found[arm][world] for world in worlds]
    mean = summary(own)
    versus = ["", ""]
    if arm != first:
        less = summary([found[first][world] - found[arm][world] for world in worlds])
        won = share_won(*({world: found[each][world] for world in worlds} for each in (first, arm)))
        versus = [f"{less.mean:+.3f} ({less.low:+.3f} .. {less.high:+.3f})", f"{won:.0%}"]
    spent = [row for row in rows if row["arm"] == arm and row["world"] in worlds]
    cells = [
        arm,
        f"{mean.mean:.3f}",
        f"{mean.low:.3f} .. {mean.high:.3f}",
        f"{statistics.pstdev(own):.2f}",
        *versus,
        f"{_mean(row['words'] + row['demo_words'] for row in spent):.0f}",
        f"{_mean(row['prompt_calls'] for row in spent):.0f}",
        f"{_mean(sum(row['tokens'][1]) for row in spent):,.0f}",
        f"{_mean(row['usd_spent'] for row in spent):.3f}",
        str(sum(bool(row["failure"]) for row in rows if row["arm"] == arm)),
    ]
    return f"| {' | '.join(cells)} |"


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def by_trait(rows: Sequence[Row], arms: tuple[str, str]) -> str:
    """A Markdown table: the first arm's share of the gain less the second's, by each thing that is drawn.

    Args:
        rows: Of one generator and budget.
        arms: The two that are compared.
    """
    found, worlds = by_arm(rows), common_worlds(rows, arms)
    less = {world: found[arms[0]][world] - found[arms[1]][world] for world in worlds}
    lines = [f"| drawn | {arms[0]} less {arms[1]}, and worlds |", "|---|---|"]
    drawn = {world: _flat(draw_traits(world)) for world in worlds}
    for name in next(iter(drawn.values()), {}):
        groups = _groups({world: drawn[world][name] for world in worlds})
        told = [f"{label} {_mean(less[w] for w in own):+.3f} ({len(own)})" for label, own in groups.items() if own]
        lines.append(f"| {name.replace('_', ' ')} | {'; '.join(told)} |")
    return "\n".join(lines)


def _flat(traits: Traits) -> dict[str, Any]:
    """All that is drawn, in one mapping; of the reader and the writer with these words before."""
    own = asdict(traits)
    parts = {"reader": own.pop("reading"), "writer": own.pop("writing")}
    return own | {f"{part}: {name}": value for part, each in parts.items() for name, value in each.items()}


def _groups(values: Mapping[int, Any]) -> dict[str, list[int]]:
    """Worlds by what was drawn: by value where it is a word or has few, else by thirds."""
    kinds = sorted(set(values.values()), key=lambda value: (str(type(value)), value))
    if len(kinds) <= len(THIRDS) + 2:
        return {str(kind): [world for world in values if values[world] == kind] for kind in kinds}
    order = sorted(values, key=lambda world: (values[world], world))
    size = len(order) / len(THIRDS)
    return {
        f"{label} ({values[own[0]]:g} .. {values[own[-1]]:g})": own
        for i, label in enumerate(THIRDS)
        if (own := order[round(i * size) : round((i + 1) * size)])
    }


def claims(rows: Sequence[Row], arm: str) -> str:
    """What an arm of ours claimed, against the truth, where enough examples were held out.

    Args:
        rows: Of one generator and budget; also of worlds where nothing can be gained.
        arm: The arm.
    """
    own = [row for row in rows if row["arm"] == arm and (row.get("held_out") or 0) >= HELD_OUT]
    return "\n".join(
        [
            f"Claims of {arm}, with at least {HELD_OUT} held-out examples ({len(own)} runs):",
            _counted("claimed where nothing was truly gained", own, lambda row: _gain(row) <= 0),
            _counted(
                f"claimed where {REAL_GAIN} or more was",
                own,
                lambda row: _gain(row) >= REAL_GAIN,
            ),
        ]
    )


def _counted(what: str, rows: Sequence[Row], wanted: Callable[[Row], bool]) -> str:
    chosen = [row for row in rows if wanted(row)]
    return f"- {what}: {sum(bool(row['claimed']) for row in chosen)} of {len(chosen)}"


def _gain(row: Row) -> float:
    return round(float(row["score"]) - float(row["start"]), 9)
