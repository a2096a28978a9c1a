"""A result in a notebook: the verdict, the scores and what changed, in a few lines of HTML."""

from __future__ import annotations

from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.report.diffs import folded, sentence_diff
from dspy_dlpo.report.templating import environment

# Characters of a text, changed sentences of a prompt, and prompts that are shown.
MOST_TEXT, MOST_LINES, MOST_PROMPTS = 600, 40, 8


def summary_html(result: DLPOResult) -> str:
    """A short summary, with its styles inline; legible on light and on dark.

    Raises:
        ImportError: If jinja2 is not installed.
    """
    changed = []
    for name, text in result.best_prompts.items():
        lines = folded(sentence_diff(result.start_prompts.get(name, ""), text))
        if any(line.kind not in ("same", "folded") for line in lines):
            changed.append((name, lines))
    html: str = (
        environment()
        .get_template("summary.html")
        .render(
            result=result,
            changed=changed[:MOST_PROMPTS],
            more_prompts=max(0, len(changed) - MOST_PROMPTS),
            limit=MOST_TEXT,
            most_lines=MOST_LINES,
        )
    )
    return html
