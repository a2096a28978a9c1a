"""Write the figures of README and docs from stored results and code: ``python -m evaluations.readme``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dspy_dlpo.tuning import search_parameters
from evaluations.report.local import local_figures
from evaluations.worlds.command import REPORT, RESULTS, TECHNIQUES
from evaluations.worlds.ledger import FIRST
from evaluations.worlds.report import OURS, interval, markdown, missed
from evaluations.worlds.techniques import technique_table

ROOT = Path(__file__).parent.parent
TUNING, SETTINGS = ROOT / "docs" / "tuning.md", ROOT / "docs" / "choosing_settings.md"
# The budget at which arms are compared in more than their share.
RUNS = "600"


def figures() -> str:
    """The README's tables, as Markdown."""
    report = _kept(REPORT)
    if report is None:
        return ""
    results, techniques = report["results"], _kept(TECHNIQUES)
    parts = [
        f"Share of the possible gain, mean over {_worlds(report)}; every arm had the same hard cap on runs of the "
        f"program, counted at the model. Differences, words and tokens at {RUNS} runs, 95 % intervals over worlds:",
        _arms(results),
    ]
    if techniques is not None:
        parts += [
            f"Each technique alone and left out, {techniques['runs']} runs, {_worlds(techniques)}; all techniques "
            f"{techniques['shipped']:.3f}, none {techniques['bare']:.3f}:",
            technique_table(techniques),
        ]
    if lines := missed(results):
        parts += ["What we set out to show and could not (yet):", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _kept(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _worlds(found: dict[str, Any]) -> str:
    """Which worlds figures are of, and whether something was chosen on them."""
    count = found["worlds"] if "worlds" in found else found["results"][RUNS]["worlds"]
    kind = "which nothing was chosen on" if found["from"] >= FIRST else "on which settings were chosen"
    return f"{count} drawn worlds ({found['from']} to {found['to'] - 1}, {kind})"


def _arms(results: dict[str, Any]) -> str:
    budgets = sorted(results, key=int)
    rows = []
    for arm, own in results[RUNS]["arms"].items():
        shares = [f"{results[runs]['arms'][arm]['share']:.3f}" for runs in budgets]
        versus = interval(own["less"]) if "less" in own else ""
        name = f"**DLPO** ({arm} settings)" if arm == OURS else arm
        rows.append([name, *shares, versus, f"{own['words']:.0f}", f"{own['prompt_tokens']:,.0f}"])
    head = ["optimizer", *(f"{int(runs):,} runs" for runs in budgets), "DLPO less it", "words", "prompt-model tokens"]
    return "\n".join(markdown(head, rows))


def presets() -> str:
    """The presets on worlds: share of the possible gain, calls of the prompt model, words; as a Markdown table."""
    report = _kept(REPORT)
    if report is None:
        return ""
    rows = []
    named = {
        "default_settings": OURS,
        "paper_settings": "paper settings",
        "tgd_settings": "plain textual gradient descent",
    }
    budgets = sorted(report["results"], key=int)
    for preset, arm in named.items():
        cells = []
        for own in (report["results"][runs]["arms"].get(arm) for runs in budgets):
            told = [] if own is None else [f"{own['share']:.3f}", f"{own['prompt_calls']:.0f}", f"{own['words']:.0f}"]
            cells += told or [""] * 3
        rows.append([f"`{preset}()`", *cells])
    head = ["preset", *(cell for runs in budgets for cell in (f"{int(runs):,} runs", "calls", "words"))]
    return "\n".join(markdown(head, rows)) + f"\n\nOver {_worlds(report)}.\n"


def techniques() -> str:
    """What each technique brings on worlds, as a Markdown table."""
    found = _kept(TECHNIQUES)
    if found is None:
        return "The table stands here once the command has been run on all of its worlds.\n"
    return f"{technique_table(found)}\n\nAt {found['runs']} runs, over {_worlds(found)}.\n"


def space() -> str:
    """The search space of the shipped settings, as a Markdown table."""
    known = search_parameters()
    rows = ([f"`{each.name}`", each.values, "" if each.shipped is None else str(each.shipped)] for each in known)
    return "\n".join(markdown(["parameter", "values", "shipped"], rows))


def main() -> None:
    """Put everything between its marks."""
    _put(ROOT / "README.md", "figures", figures())
    _put(ROOT / "README.md", "small models", local_figures(RESULTS / "local"))
    _put(SETTINGS, "presets", presets())
    _put(SETTINGS, "techniques", techniques())
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


if __name__ == "__main__":
    main()
