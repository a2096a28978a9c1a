"""The arms of the ablation: the shipped settings, and the same with one thing changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dspy_dlpo import (
    Dropout,
    Greedy,
    Judging,
    LearningRate,
    LinearDecay,
    Momentum,
    Regularization,
    Technique,
    default_settings,
    paper_settings,
    tgd_settings,
)
from dspy_dlpo.techniques import Contrastive


def without(kind: type[Technique], instead: Technique | None = None) -> dict[str, Any]:
    """The shipped settings with one technique left out, or with another in its place."""
    settings = default_settings()
    kept = [instead if isinstance(each, kind) else each for each in settings["techniques"]]
    return {**settings, "techniques": tuple(each for each in kept if each is not None)}


def judging(**changes: Any) -> dict[str, Any]:
    """The shipped settings with another way of judging."""
    return {**default_settings(), "judging": replace(Judging(), **changes)}


def arms() -> dict[str, dict[str, Any]]:
    """Every arm by name: keyword arguments of `DLPOTeleprompter`."""
    return {
        "default": default_settings(),
        "without learning rate (TLR)": without(LearningRate),
        "without decay (TLRD)": without(LearningRate, LearningRate(8)),
        "without dropout (TDO)": without(Dropout),
        "without annealing (TSA)": {**default_settings(), "acceptance": Greedy()},
        "without momentum (TMnt)": without(Momentum),
        "without contrastive (TCL)": without(Contrastive),
        "without regularization (TRegu)": without(Regularization),
        "by whole proposal": judging(by="whole"),
        "without trials": judging(trials=False),
        "learning rate 4 to 1": without(LearningRate, LearningRate(LinearDecay(4, 1))),
        "paper settings": paper_settings(),
        "plain textual gradient descent": tgd_settings(),
    }
