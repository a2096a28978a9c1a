"""What words and numbers of the inputs tell of the answer is told to a program that answers otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import dspy

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.roles import Observation, Row
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.host.answers import answer_to, answered_wrongly, answering
from dspy_dlpo.host.conditions import in_words
from dspy_dlpo.host.cues import Cue, find_cues
from dspy_dlpo.host.values import as_text

# So many cues are told at once.
MOST = 8


class CueObserver:
    """Offers the cues that should mend most of what is answered wrongly: an `Observe` role.

    Args:
        examples: The training examples.
        labels: Their labels, as text by field.
        names: The fields whose expected answers are labels.
        takes: The input fields of each predictor that may be edited, in the program's order.
        gives: Their output fields.
        judged: Gives all runs of the prompts in force.
        high: The metric's best score; None if it is unknown, and nothing is told to be wrong then.
    """

    def __init__(
        self,
        examples: Sequence[dspy.Example],
        labels: Sequence[Mapping[str, str]],
        names: Sequence[str],
        takes: Mapping[str, Sequence[str]],
        gives: Mapping[str, Sequence[str]],
        judged: Callable[[], Sequence[Row]],
        high: float | None,
    ) -> None:
        self._examples, self._labels, self._names, self._takes, self._gives = examples, labels, names, takes, gives
        self._judged, self._high = judged, high

    def __call__(self, prompts: Prompts) -> list[Observation]:
        """One observation for each field of labels."""
        if not self._names:  # of most programs there are none, and this is asked before every step
            return []
        wrong = answered_wrongly(self._judged(), self._high)
        if not wrong:
            return []
        found = (self._observed(name, cues, prompts, wrong) for name, cues in self._cues.items() if cues)
        return [each for each in found if each is not None]

    @cached_property
    def _cues(self) -> dict[str, list[Cue]]:
        inputs = [as_text(example.inputs()) for example in self._examples]
        answers = {name: [" ".join(each.get(name, "").split()) for each in self._labels] for name in self._names}
        return {name: find_cues(inputs, own) for name, own in answers.items()}

    def _observed(self, name: str, cues: Sequence[Cue], prompts: Prompts, rows: Sequence[Row]) -> Observation | None:
        answers = {row.example: answer_to(name, row) for row in rows}
        wrong = {example: answer[0] for example, answer in answers.items() if answer is not None}
        field = next(iter(wrong.values()), "")
        predictor = answering(self._gives, field)
        if predictor is None:
            return None
        told = {_told(cue, field, self._takes[predictor]): cue for cue in cues if _is_seen(cue, self._takes[predictor])}
        new = [text for text in told if text not in prompts[predictor] and len(split(text)) == 1]
        due = [text for text in new if told[text].right & wrong.keys()][:MOST]
        if not due:
            return None
        end = len(split(prompts[predictor]))
        edits = tuple(Edit("add", end, text, why=_why(told[text]), predictor=predictor) for text in due)
        critique = f"What is answered wrongly can be told by the inputs: {' '.join(due)}"
        # Those of the first cue first: the rules of a step may leave no more than that.
        about = dict.fromkeys(example for text in due for example in sorted(told[text].right & wrong.keys()))
        return Observation(TextGradient(predictor, critique, tuple(about)), edits)


def _is_seen(cue: Cue, inputs: Sequence[str]) -> bool:
    """Whether a predictor with these input fields is given what a cue speaks of."""
    return all(condition.field in inputs for condition in cue.conditions)


def _told(cue: Cue, field: str, inputs: Sequence[str]) -> str:
    return f"If {in_words(cue.conditions, alone=len(inputs) == 1)}, `{field}` is {cue.answer}."


def _why(cue: Cue) -> str:
    return f"right in {len(cue.right)} of {len(cue.examples)} training examples of which that is true"
