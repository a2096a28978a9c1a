"""The answers that there are, listed in the instructions: an edit that the runs suggest, and no model needs to write.

A program that is not told the names of its classes invents some. No single failure tells a writer all of them; the
training examples do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dspy_dlpo.core.acceptance import TOLERANCE
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.roles import Observation, Row
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.host.answers import LONGEST, answer_to

# Labels are listed where so many of the wrong answers are none of them, and at least this share.
LEAST, SHARE = 3, 0.25
# So many of the answers that are none are told.
TOLD = 5


class LabelLists:
    """Lists the labels where the program answers with what is none: the `Observe` role.

    Args:
        expected: The answers expected in training, as `expected_answers` gives them.
        outputs: The output fields of each predictor that may be edited, in the program's order.
        high: The metric's best score; None if it is unknown, and nothing is told to be wrong then.
    """

    def __init__(
        self, expected: Mapping[str, Counter[str]], outputs: Mapping[str, Sequence[str]], high: float | None
    ) -> None:
        self._expected, self._outputs, self._high = expected, outputs, high

    def __call__(self, prompts: Prompts, rows: Sequence[Row]) -> list[Observation]:
        """One edit for each field of labels that is answered with something else."""
        high = self._high
        if high is None:
            return []
        wrong = [row for row in rows if row.score is not None and row.score < high - TOLERANCE and not row.failure]
        found = (self._observed(name, prompts, wrong) for name in self._expected)
        return [each for each in found if each is not None]

    def _observed(self, name: str, prompts: Prompts, wrong: Sequence[Row]) -> Observation | None:
        labels = sorted(self._expected[name])
        answers = [(row, *answer) for row in wrong if (answer := answer_to(name, row)) is not None]
        strange = [(row, field, given) for row, field, given in answers if given and given not in labels]
        if len(strange) < max(LEAST, SHARE * len(wrong)):
            return None
        field = strange[0][1]
        predictor = next((each for each in reversed(self._outputs) if field in self._outputs[each]), None)
        if predictor is None or all(label in prompts[predictor] for label in labels):
            return None
        edit = Edit(
            "add",
            len(split(prompts[predictor])),
            f"Answer `{field}` with exactly one of these, as written: {', '.join(labels)}.",
            why="answers that are no label",
            predictor=predictor,
        )
        told = Counter(given[:LONGEST] for _, _, given in strange).most_common(TOLD)
        text = (
            f"{len(strange)} of {len(wrong)} wrong answers in {field} are none of the {len(labels)} that occur in "
            f"training, such as {'; '.join(given for given, _ in told)}."
        )
        examples = tuple(dict.fromkeys(row.example for row, _, _ in strange))
        return Observation(TextGradient(predictor, text, examples), edit)
