"""Pictures of real runs on the simulated model."""

from __future__ import annotations

from typing import Any

import dspy
from canvas import BLUE, FAINT, INK, ORANGE, RED, paper, title
from matplotlib.figure import Figure

from dspy_dlpo import Budget, Contrastive, DLPOResult, DLPOTeleprompter, Greedy, History, Regularization, StepContext
from dspy_dlpo.core.edits import distance
from dspy_dlpo.core.history import paired_difference
from dspy_dlpo.core.update import Update
from dspy_dlpo.presets import default_settings
from dspy_dlpo.simulation import simulated_lm, simulated_task


def _run(name: str, seed: int = 0, **changed: Any) -> DLPOResult:
    task = simulated_task(name)
    settings = {**default_settings(), **changed}
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=600), seed=seed, **settings)
    with dspy.context(lm=simulated_lm(seed)):
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    result: DLPOResult = better.detailed_results
    return result


def contrastive() -> tuple[Figure, Any]:
    """Which past prompts are shown beside the one in force."""
    history = _run("object_counting", acceptance=Greedy()).history
    records = [record for record in history if record.kind == "step"][:8]
    context = StepContext(records[-1].index + 1, 0.5, History(history[: records[-1].index + 1]))
    prompt = context.history.current(history[0].prompts)["solve"]
    now, technique, update = prompt, Contrastive(margin=0.1), Update("solve", prompt)
    [note] = technique.apply(update, context).notes
    scored = {each.prompts["solve"]: each for each in context.history.scored()}
    points = []
    for other, each in scored.items():
        if other == now:
            continue
        difference, _ = paired_difference(each.scores, scored[now].scores)
        pair = [record for record in context.history if record.complete and record.proposal["solve"] in (now, other)]
        said = technique.apply(update, StepContext(context.index, 0.5, History(pair))).notes
        shown = bool(said) and said[0].body in note.body
        points.append((distance(now, other), round(difference, 4), shown))
    figure, axes = paper(7.2, 3.4)
    axes.axhspan(-technique.margin, technique.margin, color=FAINT, alpha=0.18, lw=0)
    axes.axhline(0, color=INK, linewidth=1)
    for x, y, shown in points:
        axes.plot(x, y, "o", markersize=10, color=BLUE, fillstyle="full" if shown else "none", markeredgewidth=1.8)
    axes.plot(0, 0, "D", color=ORANGE, markersize=9)
    axes.annotate("in force", (0, 0), (8, 8), textcoords="offset points", color=INK)
    axes.text(axes.get_xlim()[1], 0, "within the margin  ", ha="right", va="bottom", fontsize=9, color=INK)
    axes.set(xlabel="sentences that differ from the prompt in force", ylabel="score less that in force")
    title(figure, "Contrastive(margin=0.1): the filled ones, whose pairs say most, are shown to the writer")
    return figure, points


def regularization() -> tuple[Figure, Any]:
    """How long the prompt is as the run goes on, with three limits."""
    figure, axes = paper(7.2, 3.4)
    shown = {}
    others = [each for each in default_settings()["techniques"] if not isinstance(each, Regularization)]
    for name, techniques, colour in (
        ("without Regularization", others, RED),
        ("max_words=120", [*others, Regularization(max_words=120)], ORANGE),
        ("max_words=60", [*others, Regularization(max_words=60)], BLUE),
    ):
        result = _run("object_counting", techniques=techniques)
        runs = [record.cost for record in result.history]
        words = [_words(result.history[: i + 1]) for i in range(len(runs))]
        final = sum(len(text.split()) for text in result.best_prompts.values())
        axes.step(runs, words, where="post", color=colour, label=name)
        axes.plot(result.spent["metric_calls"], final, "o", color=colour, markersize=8)
        shown[name] = {"runs": runs, "words": words, "returned": final}
    axes.axhline(60, color=BLUE, linewidth=1, linestyle=":")
    axes.axhline(120, color=ORANGE, linewidth=1, linestyle=":")
    axes.set(xlabel="runs of the program", ylabel="words of the prompt", ylim=(0, None))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9.5)
    title(figure, "one simulated run each; dot: the prompt returned")
    return figure, shown


def _words(history: Any) -> int:
    return len(history.current(history[0].prompts)["solve"].split())
