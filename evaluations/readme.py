"""Write the figures of the README from the stored results: ``python -m evaluations.readme``."""

from __future__ import annotations

from pathlib import Path

from evaluations.grid import Rows
from evaluations.report.tables import OURS, START, Table, ablation, arms_of, goals
from evaluations.statistics import Row, difference, mean_of, mean_score, pick, spread

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "evaluations" / "results"
START_MARK, END_MARK = "<!-- figures -->\n", "<!-- end of figures -->"


def figures() -> str:
    """The README's tables, as Markdown."""
    rows = pick(Rows(RESULTS / "simulated").read(), noise=0.0, forgetting=True, usd=None)
    more = Rows(RESULTS / "ablation").read()
    seeds = len({row["seed"] for row in rows})
    parts = [
        f"Share of 150 untouched questions answered right, mean over six tasks and {seeds} seeds (standard deviation "
        "over seeds); every arm had the same hard cap on runs of the program, counted at the model:",
        _markdown(_arms(rows)),
    ]
    if more:
        count = len({row["seed"] for row in more})
        parts += [
            f"Each technique alone and left out, 600 runs, six tasks, {count} seeds (intervals: 95 %):",
            _markdown(_techniques(more)),
        ]
    missed = [f"- {line[0]}: {line[1]}" for line in goals(rows).rows if line[2] == "no"]
    if missed:
        parts += ["What we set out to show and could not (yet):", "\n".join(missed)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Put the figures between the two marks of the README."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(START_MARK)
    after = rest.split(END_MARK)[1]
    path.write_text(f"{before}{START_MARK}\n{figures()}\n{END_MARK}{after}", encoding="utf-8")


def _arms(rows: list[Row]) -> Table:
    lines = []
    small, large = pick(rows, runs=600), pick(rows, runs=2000)
    for arm in arms_of(small):
        name = f"**DLPO** ({arm} settings)" if arm == OURS else arm
        cells = [
            f"{mean_score(pick(each, arm=arm)):.2f} ({spread(pick(each, arm=arm)):.2f})" for each in (small, large)
        ]
        found = difference(pick(small, arm=OURS), pick(small, arm=arm)) if arm != OURS else None
        versus = "" if found is None else f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
        words = "" if arm == START else f"{mean_of(pick(small, arm=arm), 'words'):.0f}"
        demos = mean_of(pick(small, arm=arm), "demo_words")
        lines.append((name, *cells, versus, words + (f" + {demos:.0f} of demos" if demos else "")))
    head = ("optimizer", "600 runs", "2,000 runs", "DLPO less it at 600 [95 %]", "words")
    return Table("", "", head, tuple(lines))


def _techniques(rows: list[Row]) -> Table:
    table = ablation(rows)
    return Table("", "", table.head[1:6], tuple(row[1:6] for row in table.rows))


def _markdown(table: Table) -> str:
    lines = [table.head, ("---",) * len(table.head), *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
