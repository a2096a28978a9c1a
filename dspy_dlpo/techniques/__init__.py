"""The seven techniques of DLPO, one room each."""

from dspy_dlpo.techniques.annealing import Annealing
from dspy_dlpo.techniques.contrastive import Contrastive
from dspy_dlpo.techniques.decay import CosineDecay, ExponentialDecay, LinearDecay, StepDecay
from dspy_dlpo.techniques.dropout import Dropout
from dspy_dlpo.techniques.learning_rate import LearningRate
from dspy_dlpo.techniques.momentum import Momentum
from dspy_dlpo.techniques.regularization import Regularization

__all__ = [
    "Annealing",
    "Contrastive",
    "CosineDecay",
    "Dropout",
    "ExponentialDecay",
    "LearningRate",
    "LinearDecay",
    "Momentum",
    "Regularization",
    "StepDecay",
]
