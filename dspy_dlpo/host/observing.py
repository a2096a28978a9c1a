"""What training answers have in common is told to a program that answers otherwise: no model needs to write that edit.

A program that is not told the names of its classes invents some, and one that is not told how a date is written writes
it in its own way. No single failure shows a writer all there is to know; the training examples do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.roles import Observation, Row
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.host.answers import LONGEST, answer_to, answered_wrongly, answering

# A rule is offered where so many of the wrong answers break it, and at least this share: a program that was told
# nothing breaks it nearly always, and one that breaks it now and then seems to know.
LEAST, SHARE = 3, 0.5
# So many of the answers that break it are told.
TOLD = 5


@dataclass(frozen=True)
class Rule:
    """What holds of all training answers in one field.

    Args:
        name: The label that it is about.
        text: The rule as a sentence, with ``{field}`` where the name of the answering field goes.
        broken: What an answer is that breaks it, in words.
        fits: Whether an answer keeps it.
        is_told: Whether a prompt says it already.
    """

    name: str
    text: str
    broken: str
    fits: Callable[[str], bool]
    is_told: Callable[[str], bool]


def label_lists(expected: Mapping[str, Counter[str]]) -> list[Rule]:
    """For each field of labels the rule that the answer is one of them.

    Args:
        expected: The labels with their counts, as `expected_answers` gives them.
    """
    return [_listed(name, sorted(counts)) for name, counts in expected.items()]


def _listed(name: str, labels: Sequence[str]) -> Rule:
    told = f"with exactly one of these, as written: {', '.join(labels)}."  # the names alone can be told and not heeded
    return Rule(
        name,
        f"Answer `{{field}}` {told}",
        f"none of the {len(labels)} that occur in training",
        fits=lambda answer: answer in labels,
        is_told=lambda prompt: told in prompt,
    )


class Observer:
    """Offers the rules that the program's answers break: the `Observe` role.

    Args:
        rules: The rules.
        outputs: The output fields of each predictor that may be edited, in the program's order.
        judged: Gives all runs of the prompts in force.
        high: The metric's best score; None if it is unknown, and nothing is told to be wrong then.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        outputs: Mapping[str, Sequence[str]],
        judged: Callable[[], Sequence[Row]],
        high: float | None,
    ) -> None:
        self._rules, self._outputs, self._judged, self._high = rules, outputs, judged, high

    def __call__(self, prompts: Prompts) -> list[Observation]:
        """One edit for each rule that wrong answers break."""
        if not self._rules:  # of most programs there are none, and this is asked before every step
            return []
        wrong = answered_wrongly(self._judged(), self._high)
        found = (self._observed(rule, prompts, wrong) for rule in self._rules)
        return [each for each in found if each is not None]

    def _observed(self, rule: Rule, prompts: Prompts, wrong: Sequence[Row]) -> Observation | None:
        answers = [(row, *answer) for row in wrong if (answer := answer_to(rule.name, row)) is not None]
        breaking = [(row, field, given) for row, field, given in answers if given and not rule.fits(given)]
        if len(breaking) < max(LEAST, SHARE * len(wrong)):
            return None
        field = breaking[0][1]
        predictor = answering(self._outputs, field)
        if predictor is None or rule.is_told(prompts[predictor]):
            return None
        why = f"answers that are {rule.broken}"
        end = len(split(prompts[predictor]))
        edit = Edit("add", end, rule.text.replace("{field}", field), why=why, predictor=predictor)
        said = Counter(given[:LONGEST] for _, _, given in breaking).most_common(TOLD)
        critique = (
            f"{len(breaking)} of {len(wrong)} wrong answers in {field} are {rule.broken}, "
            f"such as {'; '.join(given for given, _ in said)}."
        )
        examples = tuple(dict.fromkeys(row.example for row, _, _ in breaking))
        return Observation(TextGradient(predictor, critique, examples), (edit,))
