"""Inputs beside the answers that are expected, for a writer who has to find out what decides between the answers.

A few failures show a few answers, and often but one side of a boundary: a small model that saw no more wrote rules for
one answer only. Training labels are there for nothing, and a dozen of them on a line each take no more room than two
runs.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import dspy

from dspy_dlpo.host.prompting import quoted
from dspy_dlpo.host.values import as_text

# So many examples are shown, and of each input so many characters.
SOLVED, SHOWN = 12, 300


class SolvedExamples:
    """Draws training examples with their expected answers, as many of each answer as there can be.

    Nothing is drawn unless the answers are labels of one field, and for a program of several predictors: what is
    expected of it says little of what one of them should answer.

    Args:
        student: The program.
        examples: The training examples.
        labels: Their labels, as text by field.
        expected: The answers expected in training, as `expected_answers` gives them.
    """

    def __init__(
        self,
        student: dspy.Module,
        examples: Sequence[dspy.Example],
        labels: Sequence[Mapping[str, str]],
        expected: Mapping[str, Counter[str]],
    ) -> None:
        self._by_answer: dict[str, list[dspy.Example]] = {}
        if len(expected) == len(student.predictors()) == 1:
            (name,) = expected
            for example, label in zip(examples, labels, strict=True):
                if name in label:
                    self._by_answer.setdefault(" ".join(label[name].split()), []).append(example)

    def __call__(self, draw: str) -> list[tuple[str, str]]:
        """Answers with inputs as text, the answers in turn.

        Args:
            draw: Names the draw: the run's seed, the step, and the part of its batch.
        """
        rng = random.Random(f"solved/{draw}")
        answers = sorted(self._by_answer)
        rng.shuffle(answers)
        drawn = {each: rng.sample(self._by_answer[each], min(SOLVED, len(self._by_answer[each]))) for each in answers}
        turns = [(turn, answer) for turn in range(SOLVED) for answer in answers if turn < len(drawn[answer])]
        return [(answer, _told(drawn[answer][turn])) for turn, answer in turns[:SOLVED]]


def _told(example: dspy.Example) -> str:
    """The inputs of an example on one line; the name of a field only where there are several."""
    inputs = as_text(example.inputs())
    shown = {name: quoted(" ".join(text.split()), SHOWN) for name, text in inputs.items()}
    return "; ".join(shown.values() if len(shown) == 1 else [f"{name}: {text}" for name, text in shown.items()])
