"""Write the figures of the README from the stored results: ``python -m evaluations.readme``."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "evaluations" / "results"
START, END = "<!-- figures -->\n", "<!-- end of figures -->"

Row = dict[str, object]


def figures() -> str:
    """The README's tables, as Markdown."""
    demo, judging, ablation = (_rows(name) for name in ("demo", "judging_and_noise", "ablation"))
    tasks = sorted({str(row["task"]) for row in demo})
    parts = [
        "Share of 150 held-out questions answered right, mean over 5 seeds and standard deviation. `@bbh` are real "
        "questions of BIG-Bench Hard, answered by the simulated model; in the last column 5 % of replies were random "
        "while optimizing:",
        _table(
            ("task", "start", "700 runs", "by edit, 600", "by whole proposal, 600", "2,000", "2,000, noisy"),
            [
                (
                    task,
                    _mean([row for row in demo if row["task"] == task], "test_before"),
                    _spread([row for row in demo if row["task"] == task]),
                    _spread(_pick(judging, task, "default", 600, 0.0)),
                    _spread(_pick(judging, task, "by whole proposal", 600, 0.0)),
                    _spread(_pick(judging, task, "default", 2000, 0.0)),
                    _spread(_pick(judging, task, "default", 2000, 0.05)),
                )
                for task in tasks
            ],
        ),
        "One thing changed at a time, 600 runs, mean over 10 seeds (differences below about 0.05 are noise):",
        _table(
            ("settings", "object_counting", "support_desk", "words"),
            [
                (
                    arm,
                    _spread(_pick(ablation, "object_counting", arm, 600, 0.0)),
                    _spread(_pick(ablation, "support_desk", arm, 600, 0.0)),
                    f"{statistics.fmean(float(str(row['words'])) for row in ablation if row['arm'] == arm):.0f}",
                )
                for arm in dict.fromkeys(str(row["arm"]) for row in ablation)
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Put the figures between the two marks of the README."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    path.write_text(f"{before}{START}\n{figures()}\n{END}{after}", encoding="utf-8")


def _rows(name: str) -> list[Row]:
    lines = (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _pick(rows: list[Row], task: str, arm: str, budget: int, noise: float) -> list[Row]:
    wanted = {"task": task, "arm": arm, "budget": budget, "noise": noise}
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _column(rows: list[Row], name: str) -> list[float]:
    return [float(str(row[name])) for row in rows]


def _mean(rows: list[Row], name: str) -> str:
    return f"{statistics.fmean(_column(rows, name)):.2f}"


def _spread(rows: list[Row]) -> str:
    scores = _column(rows, "test_after")
    return f"{statistics.fmean(scores):.2f} ± {statistics.stdev(scores):.2f}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
