"""Write the tables of docs/performance.md from the stored results: ``python benchmarks/page.py``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from measuring import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def stored(name: str) -> Any:
    """What a benchmark found last."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def overhead() -> str:
    """CPU time of a compile against that of the same calls made by DSPy."""
    columns = ("dspy.Evaluate", "requests", "compile", "ratio", "ratio to all calls")
    rows = [
        [name, str(each["runs"]), *(f"{each[column]:.2f}" for column in columns)]
        for name, each in stored("overhead")["found"].items()
    ]
    head = ["model, task, budget", "runs", "`dspy.Evaluate`", "critic and writer", "`compile`"]
    return table([*head, "to `dspy.Evaluate`", "to all calls"], rows)


def imports() -> str:
    """What the package adds to the import of DSPy."""
    return table(["", "CPU ms"], [[what, f"{value:.0f}"] for what, value in stored("imports")["found"].items()])


def concurrency() -> str:
    """Wall time under latency."""
    rows = []
    for name, each in stored("concurrency")["found"].items():
        bound = f"{each['times the bound']:.2f}" if "times the bound" in each else ""
        rows.append([name, f"{each['seconds']:.1f}", str(each["calls"]), f"{each['latencies a call']:.3f}", bound])
    return table(["", "seconds", "calls", "latencies a call", "times the lower bound"], rows)


def judging() -> str:
    """Runs of refused prompts."""
    found = stored("judging")["found"]
    rows = [
        [name, str(each["refused"]), str(each["runs"]), str(each["in full"]), f"{each['share']:.0%}"]
        for name, each in found.items()
        if isinstance(each, dict) and "refused" in each
    ]
    mean = found["refused, mean share over tasks"]
    return table(
        ["task", "refused prompts", "runs made", "runs in full", "share"],
        [*rows, ["mean over tasks", "", "", "", f"{mean:.0%}"]],
    )


def growth() -> str:
    """Time and memory by size."""
    rows = []
    for what, each in stored("growth")["found"].items():
        for size, point in each["points"].items():
            rows.append([f"{int(size):,} {what}", f"{point['seconds']:.1f}", f"{point['MB']:.0f}", ""])
        rows[-1][-1] = f"{each['exponent']:.2f}"
    return table(["", "CPU seconds", "MB", "exponent"], rows)


def machines() -> str:
    """How a search and a grid scale with workers."""
    search, grid = stored("workers"), stored("grid")
    rows = [
        [
            name,
            f"{search['found'][name]['seconds']:.1f}",
            f"{search['found'][name]['times as fast']:.2f}",
            f"{grid['found'][name]['seconds']:.1f}",
            f"{grid['found'][name]['times as fast']:.2f}",
        ]
        for name in grid["found"]
    ]
    return table(["", "search, seconds", "times as fast", "grid, seconds", "times as fast"], rows)


def storages() -> str:
    """Trials a second that a storage takes in."""
    found = stored("storages")["found"]
    kinds = dict.fromkeys(name.rpartition(", ")[0] for name in found)
    counts = dict.fromkeys(name.rpartition(", ")[2] for name in found)
    rows = [[kind, *(f"{found[f'{kind}, {count}']:.0f}" for count in counts)] for kind in kinds]
    return table(["trials a second", *counts], rows)


TABLES = {each.__name__: each for each in (overhead, imports, concurrency, judging, growth, machines, storages)}


def written(text: str) -> str:
    """A page with its tables as the results stand."""

    def replaced(match: re.Match[str]) -> str:
        return f"<!-- {match['name']} -->\n\n{TABLES[match['name']]()}\n\n<!-- end -->"

    return re.sub(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", replaced, text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
