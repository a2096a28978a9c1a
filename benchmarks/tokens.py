"""Prompt-model tokens for each edit that is kept, by optimizer: ``python benchmarks/tokens.py``.

Read from the stored rows of the benchmark (`evaluations/results/simulated`), so all optimizers had the same tasks,
seeds, caps and models. An edit is one sentence added, deleted, replaced or moved between the start and what was
returned: that is what the tokens have bought.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path

import click
from measuring import write

from dspy_dlpo.core.edits import diff

ROWS = Path(__file__).parents[1] / "evaluations" / "results" / "simulated" / "rows.jsonl"
ARMS = ("default", "paper settings", "GEPA", "TextGrad", "MIPROv2 (zero-shot)", "COPRO", "SIMBA")


def edits(start: dict[str, str], returned: dict[str, str]) -> int:
    """Sentence edits between two sets of prompts."""
    return sum(len(diff(start[name], returned[name])) for name in start)


@click.command()
@click.option("--runs", type=int, multiple=True, default=(600, 2000), show_default=True, help="Caps on program runs.")
def main(runs: tuple[int, ...]) -> None:
    """Print tokens for each edit, and the ratio to ours."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    starts = {(row["task"], row["seed"]): row["prompts"] for row in rows if row["arm"] == "start prompt"}
    found: dict[str, dict[str, float]] = {}
    for cap in runs:
        sums: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        for row in rows:
            start = starts.get((row["task"], row["seed"]))
            if row["arm"] in ARMS and row["runs"] == cap and not row["noise"] and row["forgetting"] and start:
                made = edits(start, row["prompts"])
                sums[row["arm"]].append((sum(row["tokens"][1]), made, statistics.fmean(row["test"])))
        each = {arm: sum(t for t, *_ in cells) / max(1, sum(n for _, n, _ in cells)) for arm, cells in sums.items()}
        for arm in ARMS:
            tokens, kept, scores = zip(*sums[arm], strict=True)
            found[f"{arm}, {cap} runs"] = {
                "tokens": statistics.fmean(tokens),
                "edits": statistics.fmean(kept),
                "tokens an edit": each[arm],
                "ours to this": each["default"] / each[arm],
                "score": statistics.fmean(scores),
            }
            shown = ", ".join(f"{what} {value:,.4g}" for what, value in found[f"{arm}, {cap} runs"].items())
            click.echo(f"{arm}, {cap} runs: {shown}")
    write("tokens", found, unit="tokens of the prompt model, in and out; simulated")


if __name__ == "__main__":
    main()
