"""Write the figures of README and docs from stored results and code: ``python -m evaluations.readme``."""

from __future__ import annotations

from pathlib import Path

from dspy_dlpo.tuning import search_parameters
from evaluations.grid import Rows
from evaluations.report.local import local_figures
from evaluations.report.tables import OURS, START, Table, ablation, arms_of, goals
from evaluations.statistics import Row, difference, mean_of, mean_score, pick, spread

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "evaluations" / "results"
TUNING = ROOT / "docs" / "tuning.md"


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


def tuning_figures() -> str:
    """What tuning and scheduling bring, as a Markdown list."""
    shown = []
    for suite, arm, what in (
        (
            "tuning",
            "tuned on other tasks",
            "Settings found best by `python -m evaluations.tuning` on the other half of the tasks, with other seeds",
        ),
        ("controller", "Optuna controller", "`OptunaController()`"),
    ):
        rows = Rows(RESULTS / suite).read()
        found = difference(pick(rows, arm=arm), pick(rows, arm=OURS))
        if found is None:
            continue
        scores = f"{mean_score(pick(rows, arm=arm)):.3f}, shipped {mean_score(pick(rows, arm=OURS)):.3f}"
        gain = f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
        if found.low > 0:
            verdict = "Reliably better."
        elif found.high < 0:
            verdict = "Reliably worse: the shipped settings stay the default."
        else:
            verdict = "The interval holds 0: the shipped settings stay the default."
        by_task = ", ".join(f"{task} {mean:+.3f}" for task, mean in sorted(found.tasks.items()))
        shown.append(f"- {what}: {scores}; {gain}. {verdict} By task: {by_task}.")
    return "\n".join(shown)


def space() -> str:
    """The search space of the shipped settings, as a Markdown table."""
    known = search_parameters()
    rows = tuple((f"`{each.name}`", each.values, "" if each.shipped is None else str(each.shipped)) for each in known)
    return _markdown(Table("", "", ("parameter", "values", "shipped"), rows))


def main() -> None:
    """Put everything between its marks."""
    _put(ROOT / "README.md", "figures", figures())
    _put(ROOT / "README.md", "small models", local_figures(RESULTS / "local"))
    _put(TUNING, "figures", tuning_figures())
    _put(TUNING, "space", space())


def between(path: Path, name: str) -> str:
    """What stands between two marks of a page."""
    return path.read_text(encoding="utf-8").split(f"<!-- {name} -->\n")[1].split(f"<!-- end of {name} -->")[0]


def _put(path: Path, name: str, content: str) -> None:
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(f"<!-- {name} -->\n")
    after = rest.split(f"<!-- end of {name} -->")[1]
    shown = f"\n{content.strip()}\n\n" if content.strip() else ""
    page = f"{before}<!-- {name} -->\n{shown}<!-- end of {name} -->{after}"
    path.write_text(page, encoding="utf-8")


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
