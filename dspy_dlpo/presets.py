"""Ready settings, as keyword arguments, so that nothing is hidden."""

from __future__ import annotations

from typing import Any

from dspy_dlpo.core.acceptance import AcceptAll, Greedy
from dspy_dlpo.core.judges import EditJudge, WholeJudge
from dspy_dlpo.techniques.annealing import Annealing
from dspy_dlpo.techniques.contrastive import Contrastive
from dspy_dlpo.techniques.decay import ExponentialDecay, LinearDecay
from dspy_dlpo.techniques.dropout import Dropout
from dspy_dlpo.techniques.learning_rate import LearningRate
from dspy_dlpo.techniques.momentum import Momentum
from dspy_dlpo.techniques.regularization import Regularization


def default_settings() -> dict[str, Any]:
    """What did best on worlds for development: the settings of ``DLPOTeleprompter(metric)``.

    Of the seven techniques the learning rate, its decay and regularization; the other four did not pay there.

    Returns:
        Keyword arguments of `DLPOTeleprompter`.
    """
    return {
        "techniques": (LearningRate(LinearDecay(8, 2)), Regularization(max_words=200)),
        "acceptance": Greedy(strict=False),
        "judging": EditJudge(),
    }


def seven_techniques() -> dict[str, Any]:
    """All seven techniques, each with the numbers that it is tried with beside the shipped ones.

    Returns:
        Keyword arguments of `DLPOTeleprompter`; the judge is that of the default.

    Source: DLPO (arXiv 2503.13413); the numbers are ours.
    """
    rate, limit = default_settings()["techniques"]
    return {
        "techniques": (rate, Dropout(0.1), Momentum(window=3), Contrastive(margin=0.1), limit),
        "acceptance": Annealing(LinearDecay(1.0, 0.0)),
    }


def paper_settings() -> dict[str, Any]:
    """The seven techniques as the paper describes them: one decision for each whole proposal, no trials, no pruning.

    Returns:
        Keyword arguments of `DLPOTeleprompter`.

    Source: DLPO (arXiv 2503.13413). Where the authors' program does something else, the techniques' own pages say so.
    """
    return {
        "techniques": (
            LearningRate(LinearDecay(4, 1)),
            Dropout(0.2),
            Momentum(window=3, decay=1.0),
            Contrastive(margin=0.1),
            Regularization(max_words=200, prune=False),
        ),
        "acceptance": Annealing(ExponentialDecay(1.0, 0.7)),
        "judging": WholeJudge(),
        "gradients": 1,
        "critic": True,
    }


def tgd_settings() -> dict[str, Any]:
    """Plain textual gradient descent, the baseline of ablations: no technique, whole new prompts, every one accepted.

    Returns:
        Keyword arguments of `DLPOTeleprompter`.
    """
    return {
        "techniques": (),
        "acceptance": AcceptAll(),
        "judging": WholeJudge(proposals="prompts"),
        "gradients": 1,
        "critic": True,
    }
