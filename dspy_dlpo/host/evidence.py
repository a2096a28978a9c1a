"""What a request to the prompt model tells beside the failures, where there is anything to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import dspy

from dspy_dlpo.host.failures import Lines, fitted
from dspy_dlpo.host.fitting import clipped, tokens

# With less room than so many tokens no example that went right is shown.
SHORTEST_EXAMPLE = 60

# Input fields that requests have only where they hold something, and what stands in them.
FIELDS = {
    "around": "the whole program; where another part of it is at fault, leave these instructions as they are",
    "critique": "what the instructions lack or get wrong",
    "answers": "the answers that there are, and what was answered instead",
    "successes": "some examples that it got right",
    "solved": "inputs with the answer that is expected to them, sorted by that answer",
    "module_demos": "solved examples that the module is shown with every request; they stay",
}
# What the user says of the aim (`Aim.texts`): part of a request as its instructions are, and left out where there is
# none.
AIM_FIELDS = {
    "objective": "what is wanted of the whole program, in the words of its user",
    "background": "what its user says of the task and its setting",
}


@dataclass(frozen=True)
class Evidence:
    """What a critique of one predictor rests on; the writer sees it too.

    Args:
        failures: The failed runs that were shown.
        successes: Runs that went right.
        solved: Expected answers with the inputs of training examples, as `SolvedExamples` draws them; they stand in for
            runs that went right.
        answers: Which answers are expected, and what was answered instead; empty where there are no labels.
        demos: Solved examples that the predictor is shown, for a writer that no critic tells of them.
        around: The program around the predictor, for a writer that no critic tells whose fault it is; empty for a
            predictor that runs alone.
    """

    failures: Sequence[Lines] = ()
    successes: Sequence[Lines] = ()
    solved: Sequence[tuple[str, str]] = ()
    answers: str = ""
    demos: Sequence[str] = ()
    around: str = ""


def beside(evidence: Evidence, room: int) -> dict[str, str]:
    """The program, the answers, and as many of the solved examples or successes and of the demos as fit, by field.

    Of so many tokens the program takes a quarter at most, the answers half of what is left, the examples a third of
    what is left then, and the demos a third of the rest: the failures, which share it with them, are what the request
    is about.
    """
    texts = {}
    if evidence.around and room > 0:
        texts["around"] = clipped(evidence.around, room // 4)
        room -= tokens(texts["around"])
    if evidence.answers and room > 0:
        texts["answers"] = clipped(evidence.answers, room // 2)
        room -= tokens(texts["answers"])
    solved = _fitting(evidence.solved, room // 3)
    right = fitted(evidence.successes, room // 3) if room > 3 * SHORTEST_EXAMPLE and not solved else []
    room -= sum(map(tokens, [*right, *solved]))
    demos = list(evidence.demos)
    while demos and sum(map(tokens, demos)) > room // 3:
        demos.pop()
    texts |= {"successes": "\n\n".join(right)} if right else {}
    texts |= {"solved": "\n".join(solved)} if solved else {}
    return texts | ({"module_demos": "\n\n".join(demos)} if demos else {})


def _fitting(solved: Sequence[tuple[str, str]], room: int) -> list[str]:
    """The first of solved examples that fit into so many tokens, one a line, sorted by their answers."""
    shown: list[tuple[str, str]] = []
    for each in solved:
        room -= tokens(line_of(each))
        if room < 0:
            break
        shown.append(each)
    return [line_of(each) for each in sorted(shown)]


def line_of(solved: tuple[str, str]) -> str:
    """An expected answer and its inputs, the inputs first."""
    answer, inputs = solved
    return f"{inputs} -> expected: {answer}"


@lru_cache(maxsize=64)
def with_fields(signature: Any, names: tuple[str, ...]) -> Any:
    """A signature with some of all these fields: examples and demos last, others before what went wrong.

    After them, names of answers could be taken for what the last example was answered.
    """
    made = signature
    for name in names:
        inputs = list(made.input_fields)
        place = len(inputs) if name in ("successes", "solved", "module_demos") else inputs.index("failures")
        made = made.insert(place, name, dspy.InputField(desc=(FIELDS | AIM_FIELDS)[name]), str)
    made.__name__ = signature.__name__
    return made
