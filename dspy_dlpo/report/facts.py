"""What was spent, by role, and what determined the run, as rows of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = {
    "task": "task model, running the program",
    "critic": "prompt model, as critic",
    "writer": "prompt model, as writer",
    "metric": "models that the metric asks",
}
COUNTS = ("calls", "cache_hits", "failures", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class Spending:
    """What was spent.

    Args:
        rows: Role, then calls, cache hits, failures, tokens in and out, and money, as text.
        total: The same of all roles together.
        runs: Program runs.
        lost: What was lost in flight, in words; empty if nothing was.
        seconds: How long it took, in words.
    """

    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...]
    runs: int
    lost: str
    seconds: str


@dataclass(frozen=True)
class Group:
    """Settings that belong together: names and values, under a title."""

    title: str
    rows: list[tuple[str, str]]


def spending(spent: Mapping[str, Any]) -> Spending:
    """What a result says was spent; roles that were never asked are left out."""
    roles = {name: each for name, each in spent.items() if isinstance(each, Mapping) and "calls" in each}
    used = {name: each for name, each in roles.items() if each["calls"] or name != "metric"}
    rows = tuple(_row(ROLES.get(name, name), used[name]) for name in sorted(used, key=_order))
    sums: dict[str, Any] = {name: sum(int(each.get(name) or 0) for each in used.values()) for name in COUNTS}
    lost = spent.get("lost") or {}
    words = [(lost.get("metric_calls"), "runs of the program"), (lost.get("prompt_calls"), "calls of the prompt model")]
    return Spending(
        rows,
        _row("together", {**sums, "usd": spent.get("usd")}),
        int(spent.get("metric_calls") or 0),
        " and ".join(f"{number:,} {what}" for number, what in words if number),
        duration(float(spent.get("seconds") or 0.0)),
    )


def _order(name: str) -> int:
    return list(ROLES).index(name) if name in ROLES else len(ROLES)


def _row(name: str, counts: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = (f"{int(counts.get(each) or 0):,}" for each in COUNTS)
    return (name, *numbers, money(counts.get("usd")))


def money(usd: float | None) -> str:
    """US dollars, as far as they are known."""
    return "price unknown" if usd is None else f"${usd:,.4f}" if usd < 10 else f"${usd:,.2f}"


def duration(seconds: float) -> str:
    """A time in the two largest units that it has."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def setting_groups(settings: Mapping[str, Any]) -> list[Group]:
    """What ``run.json`` says, in groups of names and values."""
    rest = dict(settings)
    arguments, budgets, program = (rest.pop(name, None) for name in ("settings", "budgets", "program"))
    groups = [
        Group("Arguments of the optimizer", _flat(arguments)),
        Group("Budget", _budget_rows(budgets)),
        Group("Models, data, metric and versions", _flat(rest)),
        # The prompts are shown elsewhere.
        Group("Program", [row for row in _flat(program) if not row[0].startswith("prompts.") and row[1] != "none"]),
    ]
    return [group for group in groups if group.rows]


def _budget_rows(budgets: Any) -> list[tuple[str, str]]:
    rows = []
    for budget in budgets if isinstance(budgets, list) else []:
        if isinstance(budget, Mapping):
            limits = ", ".join(f"{name}={value}" for name, value in budget.items() if name != "from_record")
            rows.append((f"from record {budget.get('from_record', 0)}", limits))
    return rows


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Plain data as names and values; nested names are joined by dots."""
    rows: list[tuple[str, str]] = []
    for key, each in value.items() if isinstance(value, Mapping) else ():
        name = f"{prefix}{key}"
        if isinstance(each, Mapping):
            rows += _flat(each, f"{name}.")
        elif isinstance(each, (list, tuple)):
            separator = "\n" if any(isinstance(item, str) for item in each) else ", "
            rows.append((name, separator.join(map(_shown, each)) or "none"))
        else:
            rows.append((name, _shown(each)))
    return rows


def _shown(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
