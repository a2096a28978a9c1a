"""A scripted world: scores by prompts, example and repetition, computed and counted without any model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dspy

from dspy_dlpo import DLPOTeleprompter, Judge
from dspy_dlpo.core.budget import Account, Budget
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.judging import Incumbent
from dspy_dlpo.core.loop import Run
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.roles import Reply, Row, RunRequest
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.run.selection import planned_selection
from dspy_dlpo.run.settings import Data

Score = Callable[[str, int, int], float | None]


@dataclass
class World:
    """A task model: the score of a prompt (its text), an example and a repetition. It keeps every request."""

    score: Score
    requests: list[RunRequest] = field(default_factory=list)
    shuffled: int | None = None

    def __call__(self, requests: Sequence[RunRequest]) -> list[Row]:
        self.requests.extend(requests)
        order = list(range(len(requests)))
        if self.shuffled is not None:
            random.Random(f"{self.shuffled}/{len(self.requests)}").shuffle(order)
        rows = {i: self._row(requests[i]) for i in order}
        return [rows[i] for i in range(len(requests))]

    def _row(self, request: RunRequest) -> Row:
        text = "\n".join(request.prompts[name] for name in sorted(request.prompts))
        score = self.score(text, request.example, request.rollout)
        if score is not None and math.isnan(score):  # the metric gave none
            return Row(request.example, None, failure="metric", error="ValueError: no label")
        return Row(request.example, score, failure="" if score is not None else "transport")


def runs_of(score: Score, limit: int = 10**6, wave: int = 8) -> RunCache:
    return RunCache(World(score), Account(Budget(limit)), wave)


def incumbent_of(
    score: Score,
    examples: int,
    *,
    prompt: str = "Start.",
    wave: int = 8,
    high: float | None = 1.0,
) -> Incumbent:
    """Prompts in force that have run on all examples."""
    runs = runs_of(score, wave=wave)
    prompts = {"solve": prompt}
    runs.ensure([(prompts, x) for x in range(examples)])
    return Incumbent(runs, prompts, tuple(range(examples)), high)


def rule(number: int) -> Edit:
    """An edit that adds rule `number`."""
    return Edit("add", 1, f"Rule {number:02d}. ", f"because of {number}", predictor="solve")


def has(text: str, number: int) -> bool:
    return f"Rule {number:02d}." in text


@dataclass
class Script:
    """Critic and writer: the critic counts its calls, the writer answers what `reply` says for its step."""

    reply: Callable[[int, str], Reply]
    gradients: Callable[[int], tuple[TextGradient, ...]] = lambda step: (TextGradient("solve", f"critique {step}"),)
    updates: list = field(default_factory=list)
    critiques: int = 0
    most: int = 400

    def critique(self, prompts: Prompts, rows: Sequence[Row], step: int) -> tuple[TextGradient, ...]:
        self.critiques += 1
        if self.critiques > self.most:
            raise RuntimeError(f"the run asks its critic for ever: {self.most} critiques")
        return self.gradients(step)

    def write(self, updates, step: int) -> list[Reply]:
        self.updates.extend(updates)
        return [self.reply(step, update.prompt) for update in updates]


def run_of(world: World, script: Script, *, limit: int = 300, reserved: int = 0, start: str = "Start.", **plan) -> Run:
    examples = plan.pop("examples", 16)
    fields = {"constraints": {"solve": ()}, "examples": [f"example {x}" for x in range(examples)], **plan}
    settled = Plan(**fields)
    runs = RunCache(world, Account(Budget(limit), reserved), settled.judging.wave)
    return Run(settled, {"solve": start}, runs, script.critique, script.write)


def planned(judge: Judge, n_val: int, calls: int) -> tuple[int, int]:
    """Finalists and validation examples of a run with this judge, so many held-out examples and program runs."""
    settings = DLPOTeleprompter(lambda example, prediction: 1.0, judging=judge).settings
    return planned_selection(settings, Data([], [dspy.Example()] * n_val, "valset"), calls)
