"""The critic: reads failed runs and says, for each predictor, how its instructions should change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import dspy

from dspy_dlpo.core.aim import Aim
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.host.answers import account_of_answers
from dspy_dlpo.host.cutting import MARK, finished
from dspy_dlpo.host.evidence import FIELDS, Evidence, beside, with_fields
from dspy_dlpo.host.failures import demo, fitted, lines_of, successes
from dspy_dlpo.host.fitting import LEAST_TOKENS, clipped, frame, tokens
from dspy_dlpo.host.prompting import Answer, PromptModel, PromptRequest
from dspy_dlpo.host.surroundings import account_of

# So many of the failed runs are shown to the writer, too.
FOR_WRITER = 4
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


class Critic:
    """Writes text gradients: the `Critique` role.

    Args:
        model: The prompt model.
        account: The program in words.
        predictors: The predictors that may be edited.
        demos: The first demos of predictors that have some, each as text by field.
        expected: The answers expected in training, as `expected_answers` gives them.
        solved: Draws training examples with their answers for a program of one predictor (`SolvedExamples`).
        judged: Gives all runs of the prompts in force.
        high: The metric's best score; None if it is unknown.
        seed: The run's seed.
        aim: What the user wants.
        asks: Whether the model is asked for critiques. If not, gradients have no text, and the writer says itself what
            is wrong.
    """

    def __init__(
        self,
        model: PromptModel,
        account: str,
        predictors: Sequence[str],
        demos: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
        *,
        asks: bool = True,
        expected: Mapping[str, Counter[str]] | None = None,
        solved: Callable[[str], Sequence[tuple[str, str]]] = lambda draw: (),
        judged: Callable[[], Sequence[Row]] = lambda: (),
        high: float | None = None,
        seed: int = 0,
        aim: Aim | None = None,
    ) -> None:
        self._model, self._account, self._predictors, self._demos = model, account, predictors, demos or {}
        self._solved, self._expected, self._judged, self._high, self._seed = solved, expected or {}, judged, high, seed
        self._aim = {} if aim is None else aim.texts
        self._asks, self._step, self._parts = asks, -1, 0
        self._shown: dict[str, Evidence] = {}
        self._evidence: dict[tuple[str, tuple[int, ...]], Evidence] = {}  # of this step

    def __call__(self, prompts: Prompts, rows: Sequence[Row], step: int) -> list[TextGradient]:
        """Criticize every editable predictor that took part in the failed runs.

        Where nothing comes back, it is asked once more, in plain text.

        Raises:
            ModelError: If the prompt model cannot be used at all.
            RunEnds: If no more may be spent.
        """
        if step != self._step:
            self._step, self._parts = step, 0
            self._evidence.clear()
        self._parts += 1
        seen = {call.predictor for row in rows for call in row.trace}
        concerned = [name for name in self._predictors if name in seen] or list(self._predictors)
        judged = self._judged()
        told = account_of_answers(self._expected, judged, self._high)
        draw = f"{self._seed}/{step}"
        right, solved = successes(judged, rows, self._high, draw), self._solved(f"{draw}/{self._parts}")
        for name in concerned:
            lines = [lines_of(i, row, name) for i, row in enumerate(right, start=1)]
            self._shown[name] = Evidence((), lines, solved, told)
        if not self._asks:
            return [self._seen(name, rows, "") for name in concerned]
        asks = [self._ask(name, prompts, rows, step) for name in concerned]
        answers = dict(zip(concerned, self._model.ask(asks), strict=True))
        texts = {name: _text(answer) for name, answer in answers.items()}
        empty = [ask for ask in asks if not texts[ask.label] and not answers[ask.label].error]
        silent = [replace(ask, adapter="plain", fewer=lambda: None) for ask in empty]
        texts |= zip((ask.label for ask in silent), map(_text, self._model.ask(silent)), strict=True)
        return [self._seen(name, rows, text) for name, text in texts.items() if text]

    def evidence(self, gradient: TextGradient) -> Evidence:
        """What a gradient of this step rests on, for the writer; where a critique tells of it, the first runs only."""
        return self._evidence.get((gradient.predictor, gradient.examples), Evidence())

    def _seen(self, name: str, rows: Sequence[Row], text: str) -> TextGradient:
        """A gradient of the runs that were shown; of all of them where no critic was asked."""
        shown = self._shown[name]
        if not self._asks:
            demos = [demo(i, each) for i, each in enumerate(self._demos.get(name) or (), start=1)]
            failures = [lines_of(i, row, name) for i, row in enumerate(rows, start=1)]
            around = account_of(name, rows)
            whole = f"{self._account}\n{around}" if around else ""
            shown = replace(shown, failures=failures, demos=demos, around=whole)
        examples = tuple(row.example for row in rows[: len(shown.failures)])
        most = FOR_WRITER if text else None
        self._evidence[name, examples] = replace(shown, failures=shown.failures[:most])
        return TextGradient(name, text, examples, says_right(text))

    def _ask(
        self, name: str, prompts: Prompts, rows: Sequence[Row], step: int, shortest: bool = False
    ) -> PromptRequest:
        """The request for one predictor, as long as the model takes.

        Args:
            name: The predictor.
            prompts: The prompts in force.
            rows: The failed runs; of those that do not fit, the last are left out.
            step: The step.
            shortest: Whether all but the instructions must be as short as can be.
        """
        lines = [lines_of(i, row, name) for i, row in enumerate(rows, start=1)]
        shown = self._shown[name]
        program = "\n".join(filter(None, [self._account, account_of(name, rows)]))
        fields = {"program": program, "module": name, "current_instructions": prompts[name], **self._aim}
        demos = [demo(i, each) for i, each in enumerate(self._demos.get(name) or (), start=1)]
        bound = 0 if shortest else self._model.most_tokens
        room = bound - frame(with_fields(CritiqueModule, (*self._aim, *FIELDS))) - sum(map(tokens, fields.values()))
        while demos and room - sum(map(tokens, demos)) < LEAST_TOKENS:
            demos.pop()
        if room < LEAST_TOKENS:
            fields["program"] = clipped(program, LEAST_TOKENS)
            room += tokens(program) - tokens(fields["program"])
        room -= sum(map(tokens, demos))
        more = beside(shown, room - LEAST_TOKENS)
        room -= sum(map(tokens, more.values()))
        texts = fitted(lines, max(LEAST_TOKENS, room))
        if sum(map(tokens, texts)) > room and not shortest:
            self._model.warn_of_length(name, prompts[name])
        self._shown[name] = replace(shown, failures=lines[: len(texts)])
        more |= {"module_demos": "\n\n".join(demos)} if demos else {}
        inputs = {**fields, "failures": "\n\n".join(texts), **more}
        fewer = partial(self._fewer, name, prompts, rows[: len(texts)], step, shortest)
        part = self._parts - 1
        signature = with_fields(CritiqueModule, (*self._aim, *more))
        return PromptRequest("critic", name, step, signature, inputs, fewer, part=part)

    def _fewer(
        self, name: str, prompts: Prompts, rows: Sequence[Row], step: int, shortest: bool
    ) -> PromptRequest | None:
        """The request again with half the examples, and with one that is shortened in the end; None after that."""
        return None if shortest else self._ask(name, prompts, rows[: max(1, len(rows) // 2)], step, len(rows) < 2)


def says_right(text: str) -> bool:
    """Whether a critique says, in one short sentence, that there is nothing to mend."""
    is_short = len(text.split()) <= MOST_WORDS and len(split(text)) == 1
    return is_short and bool(_RIGHT.search(text)) and not _BUT.search(text)


def _text(answer: Answer) -> str:
    """The critique in an answer; a reply without the form asked for is one, too.

    What was cut off loses the sentence that was not finished.
    """
    text = MARK.sub("", str(answer.fields.get("critique") or answer.text)).strip()
    return finished(text) if answer.cut else text
