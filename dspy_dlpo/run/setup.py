"""What a run is given, checked and put together: settings, program, examples, and the plan that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dspy

from dspy_dlpo.core.copying import NoCopying
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.host.languages import keep_language
from dspy_dlpo.host.program import with_prompts
from dspy_dlpo.host.values import as_text
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.settings import BATCH_SIZE, Data, RunSettings


@dataclass(frozen=True)
class Setup:
    """What a run is given.

    Args:
        settings: The optimizer's arguments.
        student: The program; not changed.
        data: Its examples.
        preflight: Program and models, checked.
        plan: What determines the steps.
        languages: ISO 639 codes of the languages by whose rules sentences end.
    """

    settings: RunSettings
    student: dspy.Module
    data: Data
    preflight: Preflight
    plan: Plan
    languages: Sequence[str]

    @property
    def start(self) -> Prompts:
        """The user's own prompts."""
        return self.preflight.prompts

    @property
    def predictors(self) -> Sequence[str]:
        """The predictors whose prompts may be edited."""
        return self.preflight.predictors

    @property
    def low(self) -> float | None:
        """The lowest legal score; None if it is unknown."""
        return self.settings.score_range[0] if self.settings.score_range else None

    def program(self, prompts: Prompts) -> dspy.Module:
        """A copy of the program with other prompts."""
        return with_prompts(self.student, prompts, self.settings.parameters)


def set_up(settings: RunSettings, student: dspy.Module, data: Data, preflight: Preflight) -> Setup:
    """Put together what a run is given."""
    inputs = [" ".join(as_text(example.inputs()).values()) for example in data.train]
    labels = [" ".join(as_text(example.labels()).values()) for example in data.train]
    names = preflight.predictors
    keeping = {name: keep_language(preflight.prompts[name], inputs) for name in names}
    frozen = {name: preflight.freezing(name) for name in names}
    copying = NoCopying(inputs, labels)
    plan = Plan(
        techniques=settings.techniques,
        acceptance=settings.acceptance,
        judging=settings.judging,
        stopping=settings.stopping,
        batch_size=settings.batch_size or min(BATCH_SIZE, len(data.train)),
        gradients=settings.n_gradients(len(names)),
        update=settings.update,
        seed=settings.seed,
        high=settings.score_range[1] if settings.score_range else None,
        low=settings.score_range[0] if settings.score_range else 0.0,
        constraints={name: (own, copying, *needed, keeping[name]) for name, (own, *needed) in frozen.items()},
        examples=[" ".join(f"{text} -> {label}".split()) for text, label in zip(inputs, labels, strict=True)],
        controller=settings.controller,
    )
    languages = sorted({each for keep in keeping.values() for each in keep.languages})
    return Setup(settings, student, data, preflight, plan, languages)
