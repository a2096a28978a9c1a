"""The arms of the benchmark, by name."""

from evaluations.arms import ours, peers
from evaluations.arms.setup import Arm, Setup
from evaluations.arms.text_grad import text_grad

__all__ = ["ABLATION", "CONTROLLER", "MAIN", "SEARCH", "Arm", "Setup", "arms"]

MAIN = (
    "default",
    "paper settings",
    "plain textual gradient descent",
    *peers.arms(),
    "TextGrad",
)
ABLATION = tuple(ours.settings())
CONTROLLER = ("default", *ours.controlled())
# Whether it pays to search.
SEARCH = ("default", ours.SEARCHED)


def arms() -> dict[str, Arm]:
    """Every arm, by name."""
    return {**ours.arms(), **peers.arms(), "TextGrad": text_grad}
