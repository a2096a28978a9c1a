"""Pictures of techniques as they are called by a step, without a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from canvas import BLUE, FAINT, GREEN, INK, ORANGE, RED, paper, title
from matplotlib.figure import Figure

from dspy_dlpo import (
    Annealing,
    CosineDecay,
    Dropout,
    ExponentialDecay,
    History,
    LearningRate,
    LinearDecay,
    Momentum,
    Record,
    StepContext,
    StepDecay,
    Update,
)
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.update import TextGradient, admit_all

PROMPT = " ".join(f"Mind point number {number}." for number in range(1, 13))
SENTENCES = 12


def _admitted(update: Update) -> list[int]:
    """Which sentences an eager writer gets to change, who replaces all of them."""
    edits = tuple(Edit("replace", i, f"Do thing number {i} with care. ") for i in range(SENTENCES))
    return [edit.at for edit in admit_all(update.constraints, edits, PROMPT)[0]]


def learning_rate() -> tuple[Figure, Any]:
    """How many of twelve edits are let through as the run goes on."""
    progress = [i / 24 for i in range(25)]
    technique = LearningRate(LinearDecay(8, 2))
    update = Update("solve", PROMPT)
    kept = [len(_admitted(technique.apply(update, StepContext(0, p, History())))) for p in progress]
    figure, axes = paper(7.2, 3.0)
    axes.bar(
        progress, [SENTENCES - n for n in kept], 0.03, bottom=kept, color=FAINT, alpha=0.45, label="dropped by code"
    )
    axes.bar(progress, kept, 0.03, color=BLUE, label="carried out")
    axes.set(
        xlabel="progress of the run (share of the budget spent)",
        ylabel="sentence edits",
        ylim=(0, 15),
        yticks=range(0, 13, 2),
    )
    axes.legend(loc="upper right", ncols=2)
    title(figure, "LearningRate(LinearDecay(8, 2)): the writer answers with 12 edits")
    return figure, {"progress": progress, "kept": kept}


def decay() -> tuple[Figure, Any]:
    """The schedules, from 8 to about 2."""
    schedules = {
        "LinearDecay(8, 2)": (LinearDecay(8, 2), BLUE, "-"),
        "CosineDecay(8, 2)": (CosineDecay(8, 2), ORANGE, "-"),
        "ExponentialDecay(8, 0.87)": (ExponentialDecay(8, 0.87), GREEN, "-"),
        "StepDecay(8, 0.63)": (StepDecay(8, 0.63), RED, "-"),
        "LinearDecay(8, 2, warmup=0.2)": (LinearDecay(8, 2, warmup=0.2), BLUE, ":"),
    }
    progress = np.linspace(0, 1, 201)
    figure, axes = paper(7.2, 3.4)
    shown = {}
    for name, (schedule, colour, line) in schedules.items():
        values = [schedule(p) for p in progress]
        axes.plot(progress, values, line, color=colour, label=name)
        shown[name] = [round(value, 3) for value in values[::20]]
    axes.set(xlabel="progress of the run (share of the budget spent)", ylabel="value", ylim=(0, 9))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9.5)
    return figure, shown


def dropout() -> tuple[Figure, Any]:
    """Which sentences are frozen in which step."""
    steps, technique = 20, Dropout(0.3)
    frozen = []
    for step in range(steps):
        free = _admitted(technique.apply(Update("solve", PROMPT), StepContext(step, step / steps, History())))
        frozen.append([int(i not in free) for i in range(SENTENCES)])
    figure, axes = paper(7.2, 3.4)
    for (step, i), value in np.ndenumerate(np.array(frozen)):
        axes.scatter(step, i + 1, 110, marker="s", color=BLUE if value else FAINT, alpha=1.0 if value else 0.25, lw=0)
    share = sum(map(sum, frozen)) / (steps * SENTENCES)
    axes.set(xlabel="step", ylabel="sentence", xticks=range(0, steps, 2), yticks=range(1, SENTENCES + 1, 2))
    axes.invert_yaxis()
    title(figure, f"Dropout(0.3): frozen (filled) {share:.0%} of the time")
    return figure, frozen


def annealing() -> tuple[Figure, Any]:
    """How often a proposal that is worse by so much passes, counted over bars drawn."""
    incumbent, draws = [1.0] * 30 + [0.0] * 20, 4000
    mean, error = float(np.mean(incumbent)), float(np.std(incumbent, ddof=1)) / math.sqrt(len(incumbent))
    losses = np.linspace(0, 3, 16)
    figure, axes = paper(7.2, 3.4)
    shown = {}
    for temperature, colour in ((0.25, BLUE), (0.5, GREEN), (1.0, ORANGE), (2.0, RED)):
        technique = Annealing(temperature)
        bars = [technique.bar(incumbent, StepContext(step, 0.0, History())) for step in range(draws)]
        passed = [sum(bar.passes(mean - loss * error) for bar in bars) / draws for loss in losses]
        smooth = np.linspace(0, 3, 200)
        axes.plot(smooth, np.exp(-smooth / temperature), color=colour, linewidth=1.2)
        axes.plot(losses, passed, "o", color=colour, markersize=4.5, label=f"temperature {temperature:g}")
        shown[str(temperature)] = passed
    axes.set(xlabel="how much worse the proposal is (standard errors)", ylabel="share accepted", ylim=(0, 1.03))
    axes.legend(loc="upper right")
    title(figure, f"dots: {draws:,} bars drawn by the code; lines: exp(-loss / temperature)")
    return figure, shown


COMPLAINTS = {
    "Count the pairs twice": (1, 2, 4, 5, 6),
    "Mention vegetables separately": (3, 6),
    "Answer using digits only": (5,),
    "Ignore furniture altogether": (1,),
}


def momentum() -> tuple[Figure, Any]:
    """What earlier critiques weigh in step 7, and in which order the writer is told."""
    technique, now = Momentum(window=4, decay=0.7), 7
    prompts = {"solve": PROMPT}
    records = [Record("start", 0, 0.0, prompts, prompts)]
    for step in range(1, now):
        said = " ".join(f"{text}." for text, steps in COMPLAINTS.items() if step in steps)
        gradients = (TextGradient("solve", said),) if said else ()
        records.append(Record("step", step, step / 10, prompts, prompts, gradients=gradients))
    context = StepContext(now, now / 10, History(records))
    update = technique.apply(Update("solve", PROMPT, (TextGradient("solve", "Keep to the question."),)), context)
    lines = update.notes[0].body.splitlines()
    figure, axes = paper(7.4, 3.2)
    axes.axvspan(now - technique.window - 0.5, now - 0.5, color=BLUE, alpha=0.1, lw=0)
    for row, (text, steps) in enumerate(COMPLAINTS.items()):
        rank = next((i + 1 for i, line in enumerate(lines) if text in line), None)
        for step in steps:
            age = now - step
            weight = technique.decay**age if age <= technique.window else 0.0
            axes.scatter(step, row, 30 + 420 * weight, color=BLUE if weight else FAINT, lw=0)
            label = f"{weight:.2f}" if weight else "forgotten"
            axes.text(step, row + 0.4, label, ha="center", va="center", fontsize=8.5, color=INK)
        said = f"told as no. {rank}" if rank else "not told"
        axes.text(now - 0.3, row, said, va="center", fontsize=10, color=INK)
    axes.set(xlim=(0.3, now + 1.2), ylim=(len(COMPLAINTS) - 0.4, -0.6), xticks=range(1, now), xlabel="step")
    axes.set_yticks(range(len(COMPLAINTS)), list(COMPLAINTS))
    title(figure, "Momentum(window=4, decay=0.7) in step 7: weights of past critiques")
    return figure, lines
