"""The writer: turns a request into sentence edits, in a form that the model can answer in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dspy_dlpo.core.aim import Aim
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.sentences import fence_around, split
from dspy_dlpo.core.update import TextGradient, Update
from dspy_dlpo.host.evidence import FIELDS, Evidence, beside, with_fields
from dspy_dlpo.host.failures import fitted
from dspy_dlpo.host.fitting import LEAST_TOKENS, clipped, frame, tokens
from dspy_dlpo.host.forms import FORMS, ReplyForm, forms_of
from dspy_dlpo.host.prompting import Answer, PromptModel, PromptRequest, quoted

# Of the user's own instructions this many characters are shown as the purpose.
_SHOWN = 600


class EditWriter:
    """Writes edits: the `Write` role.

    Args:
        model: The prompt model.
        modules: Each predictor with its fields, in words.
        purposes: The user's own instructions of each predictor, which edits may have replaced.
        whole: Whether whole prompts are asked for instead of edits.
        evidence: Gives what a gradient rests on.
        aim: What the user wants.
    """

    def __init__(
        self,
        model: PromptModel,
        modules: Mapping[str, str],
        purposes: Mapping[str, str],
        whole: bool = False,
        evidence: Callable[[TextGradient], Evidence] = lambda gradient: Evidence(),
        aim: Aim | None = None,
    ) -> None:
        self._model, self._modules, self._purposes = model, modules, purposes
        self._evidence, self._aim = evidence, {} if aim is None else aim.texts
        self.forms = forms_of(whole, model.keeps_schemas)

    def __call__(self, updates: Sequence[Update], step: int) -> list[Reply]:
        """Answer requests, in parallel.

        Raises:
            ModelError: If the prompt model cannot be used at all.
            RunEnds: If no more may be spent.
        """
        answers = self._model.ask([self._ask(update, step) for update in updates])
        return [self._reply(answer, update) for answer, update in zip(answers, updates, strict=True)]

    def _ask(self, update: Update, step: int, most: int | None = None, shortest: bool = False) -> PromptRequest:
        """The request for one predictor, as long as the model takes.

        Args:
            update: What is asked.
            step: The step.
            most: How many failed runs are shown at most; None for all that fit.
            shortest: Whether all but the instructions and their limits must be as short as can be.
        """
        form, purpose = self._form(update), self._purposes[update.predictor]
        fixed = {
            "module": self._modules[update.predictor],
            "purpose": "" if purpose.strip() in update.prompt else quoted(purpose, _SHOWN),
            "current_instructions": _shown(update.prompt, form),
            "limits": "\n".join(f"- {c.text}" for c in update.constraints if c.text) or "None.",
            **self._aim,
        }
        critique = "\n\n".join(gradient.text for gradient in update.gradients if gradient.text)
        advice = "\n\n".join(f"{note.title}:\n{note.body}" for note in update.notes) or "None."
        bound = 0 if shortest else self._model.most_tokens
        evidence = next(map(self._evidence, update.gradients), Evidence())
        whole = with_fields(form.signature, (*self._aim, *FIELDS))
        room = bound - frame(whole, form.adapter) - sum(map(tokens, fixed.values()))
        critique = clipped(critique, max(LEAST_TOKENS, room - 2 * LEAST_TOKENS))
        advice = clipped(advice, max(LEAST_TOKENS, room - LEAST_TOKENS - tokens(critique)))
        room -= tokens(critique) + tokens(advice)
        more = beside(evidence, room - LEAST_TOKENS)
        room -= sum(map(tokens, more.values()))
        more = ({"critique": critique} if critique else {}) | more
        texts = fitted(evidence.failures[:most], max(LEAST_TOKENS, room))
        if sum(map(tokens, texts)) > room and not shortest:
            self._model.warn_of_length(update.predictor, update.prompt)
        shown = "\n\n".join(texts) or "None."
        inputs = {**fixed, "advice": advice, "failures": shown, **more}
        fewer = partial(self._fewer, update, step, len(texts), shortest)
        signature = with_fields(form.signature, (*self._aim, *more))
        return PromptRequest("writer", update.predictor, step, signature, inputs, fewer, form.adapter, update.part)

    def _fewer(self, update: Update, step: int, shown: int, shortest: bool) -> PromptRequest | None:
        """The request again with half the failed runs, and with one that is shortened in the end; None after that."""
        return None if shortest else self._ask(update, step, max(1, shown // 2), shown < 2)

    def _form(self, update: Update) -> ReplyForm:
        return FORMS[update.form or self.forms[0]]

    def _reply(self, answer: Answer, update: Update) -> Reply:
        if answer.error:
            # An endpoint may refuse a schema, and answer without one.
            return Reply(error=f"no reply: {answer.error}", lost=self._form(update).adapter != "schema")
        return self._form(update).read(answer, update.prompt)


def _shown(prompt: str, form: ReplyForm) -> str:
    """The present instructions as a form shows them; fenced in plain text, where nothing else tells where they end."""
    if form.numbered:
        return _numbered(prompt)
    if form.adapter != "plain":
        return prompt
    fence = fence_around(prompt)
    return f"{fence}\n{prompt}\n{fence}"


def _numbered(prompt: str) -> str:
    """The sentences, one numbered line each; further lines of a sentence are indented, so that none looks numbered."""
    sentences = [sentence.strip().replace("\n", "\n    ") for sentence in split(prompt)]
    return "\n".join(f"[{i}] {sentence}" for i, sentence in enumerate(sentences, start=1))
