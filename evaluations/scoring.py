"""The scores of a program on questions that were kept from every arm."""

from __future__ import annotations

import dspy

from evaluations.endpoint import check_answered
from evaluations.gauge import CapReached, GaugedLM
from evaluations.tasks import BenchTask


def scores(
    program: dspy.Module, task: BenchTask, examples: list[dspy.Example], lm: dspy.LM, num_threads: int
) -> list[float]:
    """The score of each question; 0 where the program fails.

    Raises:
        EndpointLost: If the model is a gauged one and left a call unanswered.
    """

    def score(example: dspy.Example) -> float:
        try:
            return float(task.metric(example, program(**example.inputs())))
        except CapReached:
            if isinstance(lm, GaugedLM):
                check_answered(lm)  # no reply is not a wrong one
            raise
        except Exception:  # noqa: BLE001 - a reply that cannot be read is wrong
            return 0.0

    with dspy.context(lm=lm, trace=None):
        if num_threads <= 1:
            return [score(example) for example in examples]
        found = dspy.Parallel(num_threads=num_threads, disable_progress_bar=True)(
            [(score, (example,)) for example in examples]
        )
        return [float(each) for each in found]
