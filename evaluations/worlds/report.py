"""What arms came to on worlds, in Markdown: by budget, by what was drawn, and what had been set out to be shown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evaluations.worlds.figures import HELD_OUT, REAL_GAIN, Row, by_arm, common_worlds
from evaluations.worlds.measure import SMALLEST_RANGE
from evaluations.worlds.traits import Traits, draw_traits

Figures = Mapping[str, Any]
OURS, PEER = "default", "GEPA"
# What is drawn as a number is told by thirds of the worlds.
THIRDS = ("low", "middle", "high")
_HEAD = (
    "arm",
    "share of the gain",
    "95 % interval",
    "spread",
    "{} less it",
    "{} ahead in",
    "words",
    "prompt-model calls",
    "their tokens",
    "US dollars",
    "cut or failed",
)


def table(found: Figures) -> str:
    """The figures of one budget as a Markdown table (see `figures`)."""
    shown = f"{found['worlds']} worlds; {found['left_out']} more with a range below {SMALLEST_RANGE} left out."
    if not found["arms"]:
        return f"{shown}\n\nNo world that all arms have run."
    head = [name.format(next(iter(found["arms"]))) for name in _HEAD]
    return "\n".join([shown, "", *markdown(head, (_cells(arm, own) for arm, own in found["arms"].items()))])


def _cells(arm: str, own: Figures) -> list[str]:
    return [
        arm,
        f"{own['share']:.3f}",
        f"{own['low']:.3f} .. {own['high']:.3f}",
        f"{own['spread']:.2f}",
        interval(own["less"]) if "less" in own else "",
        f"{own['won']:.0%}" if "won" in own else "",
        f"{own['words']:.0f}",
        f"{own['prompt_calls']:.0f}",
        f"{own['prompt_tokens']:,.0f}",
        f"{own['usd']:.3f}",
        str(own["failed"]),
    ]


def interval(less: Sequence[float]) -> str:
    """A difference with its interval."""
    return f"{less[0]:+.3f} ({less[1]:+.3f} .. {less[2]:+.3f})"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def claims_told(found: Figures) -> str:
    """What each arm claimed, against the truth, as a Markdown list; empty if none claims anything."""
    return "\n".join(
        f"- {arm}, at least {HELD_OUT} examples held out: a gain claimed in {own['claims']['false'][0]} of "
        f"{own['claims']['false'][1]} runs in which nothing was truly gained, and in {own['claims']['true'][0]} of "
        f"{own['claims']['true'][1]} in which {REAL_GAIN} or more was."
        for arm, own in found["arms"].items()
        if "claims" in own
    )


def missed(results: Mapping[str, Figures]) -> list[str]:
    """What was set out to be shown and is not, as sentences; budgets that were not run are passed over."""
    said = []
    for runs in sorted(results, key=int):
        arms, where = results[runs]["arms"], f"at {int(runs):,} runs"
        ours, peer = arms[OURS], arms.get(PEER)
        behind = [arm for arm, own in arms.items() if arm not in (OURS, PEER) and own["share"] >= ours["share"]]
        said += [f"ahead of {arm} {where}: {interval(arms[arm]['less'])}" for arm in behind]
        if peer is None:
            continue
        wanted = 0.05 if runs == "600" else 0.0
        least = " by 0.05" if wanted else ""
        if peer["less"][1] <= 0 or peer["less"][0] < wanted:
            said.append(f"ahead of {PEER}{least} {where}, with an interval above 0: {interval(peer['less'])}")
        if runs == "600" and peer["won"] < 0.65:
            said.append(f"ahead of {PEER} in 65 of 100 worlds {where}: {peer['won']:.0%}")
        for name, factor, what in (
            ("spread", 1.0, "a spread at most {}'s"),
            ("words", 1.0, "prompts no longer than {}'s"),
            ("prompt_tokens", 1.5, "tokens of the prompt model at most 1.5 times {}'s"),
        ):
            if ours[name] > factor * peer[name]:
                said.append(f"{what.format(PEER)} {where}: {_number(ours[name])}, {PEER} {_number(peer[name])}")
    few, many = (results.get(runs, {}).get("arms", {}) for runs in ("400", "2000"))
    if few and PEER in many and few[OURS]["share"] < many[PEER]["share"]:
        shares = f"{few[OURS]['share']:.3f} and {many[PEER]['share']:.3f}"
        said.append(f"at 400 runs at least the share that {PEER} reaches at 2,000: {shares}")
    return said


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def by_trait(rows: Sequence[Row], arms: tuple[str, str]) -> str:
    """A Markdown table: the first arm's share of the gain less the second's, by each thing that is drawn.

    Args:
        rows: Of one generator and budget.
        arms: The two that are compared.
    """
    shares, worlds = by_arm(rows), common_worlds(rows, arms)
    less = {world: shares[arms[0]][world] - shares[arms[1]][world] for world in worlds}
    drawn = {world: _flat(draw_traits(world)) for world in worlds}
    lines = []
    for name in next(iter(drawn.values()), {}):
        groups = _groups({world: drawn[world][name] for world in worlds})
        told = [
            f"{label} {statistics.fmean(less[w] for w in own):+.3f} ({len(own)})"
            for label, own in groups.items()
            if own
        ]
        lines.append([name.replace("_", " "), "; ".join(told)])
    return "\n".join(markdown(["drawn", f"{arms[0]} less {arms[1]}, and worlds"], lines))


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
