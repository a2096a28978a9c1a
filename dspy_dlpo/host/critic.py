"""The critic: reads failed runs and says, for each predictor, how its instructions should change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import dspy

from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.host.prompting import Answer, Ask, PromptModel, quoted
from dspy_dlpo.host.surroundings import account_of

# Of a longer value this many characters are shown, from its start and its end.
SHOWN = 1500
# So many of the failed runs are shown to the writer, too.
FOR_WRITER = 4
# What an agent is given holds all its earlier steps: once, at its last step, is enough.
GROWING = ("trajectory", "history")
# A critique that finds nothing is one sentence of so many words at most, and says so without a condition.
MOST_WORDS = 15
_RIGHT = re.compile(
    r"\b(?:looks?|is|are|was|were|did|does|has|worked|works|done)\b.*\b(?:right|correct|correctly|fine|well|good)\b"
    r"|\bnothing\b.*\b(?:change|wrong|fault|mend|fix|improve)\b|\bno (?:change|changes|fault|error|errors)\b",
    re.IGNORECASE,
)
_BUT = re.compile(r"\b(?:not|but|only|if|unless|should|must|when|never|however|except)\b|n't\b", re.IGNORECASE)


class CritiqueModule(dspy.Signature):
    """Review the instructions of one module of a language-model program in the light of examples that it got wrong.

    For each example, find what this module misunderstood or did not know, and state the general rule that its
    instructions lack, contradict or bury. State rules that hold for other inputs of the same kind too; never repeat an
    example's text or answer as a rule. If this module did its part right, say so in one sentence, and name nothing to
    change.
    """

    program: str = dspy.InputField(desc="the modules of the program, with their input and output fields")
    module: str = dspy.InputField(desc="the module under review")
    current_instructions: str = dspy.InputField(desc="the module's present instructions")
    failures: str = dspy.InputField(
        desc="examples that went wrong, with what the module was given and what it answered"
    )
    critique: str = dspy.OutputField(desc="what the instructions lack or get wrong, one short paragraph for each point")


class CritiqueModuleWithDemos(CritiqueModule):
    """The same for a module that is shown solved examples with every request."""

    __doc__ = CritiqueModule.__doc__

    module_demos: str = dspy.InputField(desc="solved examples that the module is shown with every request; they stay")


class Critic:
    """Writes text gradients: the `Critique` role.

    Args:
        model: The prompt model.
        account: The program in words.
        predictors: The predictors that may be edited.
        demos: The first demos of predictors that have some, each as text by field.
    """

    def __init__(
        self,
        model: PromptModel,
        account: str,
        predictors: Sequence[str],
        demos: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    ) -> None:
        self._model, self._account, self._predictors, self._demos = model, account, predictors, demos or {}
        self._shown: dict[str, str] = {}

    def __call__(self, prompts: Prompts, rows: Sequence[Row], step: int) -> list[TextGradient]:
        """Criticize every editable predictor that took part in the failed runs.

        A predictor of which the critic says that it did its part right is not to blame: its instructions are left alone
        in this step, unless that is said of all.

        Raises:
            ModelError: If the prompt model cannot be used at all.
            RunEnds: If no more may be spent.
        """
        seen = {call.predictor for row in rows for call in row.trace}
        concerned = [name for name in self._predictors if name in seen] or list(self._predictors)
        asks = [self._ask(name, prompts, rows, step) for name in concerned]
        texts = [_text(answer) for answer in self._model.ask(asks)]
        examples = tuple(row.example for row in rows)
        found = [TextGradient(name, text, examples) for name, text in zip(concerned, texts, strict=True) if text]
        return [each for each in found if not says_right(each.text)] or found

    def failures(self, predictor: str) -> str:
        """The first failed runs that were criticized last, as the critic saw them; for the writer."""
        return self._shown.get(predictor, "")

    def _ask(self, name: str, prompts: Prompts, rows: Sequence[Row], step: int) -> Ask:
        found = [_shown(i, row, name) for i, row in enumerate(rows, start=1)]
        shown, self._shown[name] = "\n\n".join(found), "\n\n".join(found[:FOR_WRITER])
        program = "\n".join(filter(None, [self._account, account_of(name, rows)]))
        inputs = {"program": program, "module": name, "current_instructions": prompts[name], "failures": shown}
        if not self._demos.get(name):
            return Ask("critic", name, step, CritiqueModule, inputs)
        demos = [_demo(i, demo) for i, demo in enumerate(self._demos[name], start=1)]
        return Ask("critic", name, step, CritiqueModuleWithDemos, {**inputs, "module_demos": "\n\n".join(demos)})


def says_right(text: str) -> bool:
    """Whether a critique says, in one short sentence, that there is nothing to mend."""
    is_short = len(text.split()) <= MOST_WORDS and len(split(text)) == 1
    return is_short and bool(_RIGHT.search(text)) and not _BUT.search(text)


def _text(answer: Answer) -> str:
    """The critique in an answer; a reply without the form asked for is one, too."""
    return str(answer.fields.get("critique") or answer.text).strip()


def _shown(number: int, row: Row, name: str) -> str:
    """One failed run as the critic sees it."""
    lines = [f"Example {number}", *_fields("input", row.inputs)]
    says_more = len(row.trace) > 1 or any(call.outputs != row.outputs for call in row.trace)
    last = max((i for i, call in enumerate(row.trace) if call.predictor == name), default=-1)
    for i, call in enumerate(row.trace):
        if call.predictor == name and says_more:
            given = {field: text for field, text in call.inputs.items() if i == last or field not in GROWING}
            lines += [*_fields(f"{name} was given", given), *_fields(f"{name} answered", call.outputs)]
        elif call.predictor != name:
            lines += _fields(f"module {call.predictor or 'unknown'} answered", call.outputs)
    outputs = {field: text for field, text in row.outputs.items() if last < 0 or field not in GROWING}
    lines += _fields("program's output", outputs)
    lines += _fields("expected", row.expected)
    if row.error:
        lines.append(f"error: {quoted(row.error, SHOWN)}")
    feedback = row.feedbacks.get(name) or row.feedback
    if feedback:
        lines.append(f"feedback: {quoted(feedback, SHOWN)}")
    return "\n".join([*lines, f"score: {row.score:g}" if row.score is not None else ""])


def _demo(number: int, demo: Mapping[str, str]) -> str:
    return "\n".join([f"Demo {number}", *_fields("", demo)])


def _fields(title: str, values: object) -> list[str]:
    items = values.items() if hasattr(values, "items") else ()
    return [f"{title} {name}: {quoted(value, SHOWN)}".lstrip() for name, value in items]
