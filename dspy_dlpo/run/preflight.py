"""What is checked about a program and its models before anything is spent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import dspy

from dspy_dlpo.core.freezing import FreezeText, fenced, free_words, frozen_texts, structure
from dspy_dlpo.core.judges import CHEAPEST
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.prices import Prices
from dspy_dlpo.host.program import editable, models_of, protected_text, unset_models
from dspy_dlpo.run.settings import Data, RunSettings
from dspy_dlpo.run.student import check_inputs, check_student


class Preflight:
    """A program and its models, checked.

    Args:
        settings: The optimizer's arguments.
        student: The program.
        data: Its examples, whose inputs it must take.

    Raises:
        TypeError: If the student is no program.
        ValueError: If the program does not take the inputs of the examples, no language model is configured, a price is
            needed and unknown, or text to freeze is nowhere in the program.
        ProgramError: If the program has no instructions to optimize.
    """

    def __init__(self, settings: RunSettings, student: dspy.Module, data: Data | None = None) -> None:
        check_student(student)
        if data is not None:
            check_inputs(student, "trainset", data.train)
            check_inputs(student, "valset", data.val)
        self._settings, self._student = settings, student
        self.prompts = read_prompts(student, settings.parameters)
        self.predictors = editable(self.prompts, settings.frozen)
        self.frozen_text = self._find_frozen_text()
        self.prompt_model = self._find_prompt_model()
        self.task_models = self._find_task_models()
        self._check_prices()

    @property
    def models(self) -> list[Any]:
        """All language models that a run may ask."""
        return [self.prompt_model, *self.task_models]

    def freezing(self, name: str) -> tuple[FreezeText, ...]:
        """What may not be edited in one prompt.

        Returns:
            First the user's own frozen text, holes and code; then, if there is any, what a module of DSPy needs in it,
            and its headings and output-format lines.
        """
        prompt, needed = self.prompts[name], protected_text(self._student, name, self._settings.parameters)
        shown = [needed] if needed and needed in prompt else []  # instructions may not be among what changes
        texts = tuple(dict.fromkeys([*shown, *structure(prompt)]))
        rules = (FreezeText(self.frozen_text, fenced(prompt)), FreezeText(texts))
        return rules if texts else rules[:1]

    def own_words(self, name: str) -> int:
        """Words of a prompt that count against a limit: those outside of frozen text."""
        return free_words(self.prompts[name], frozen_texts(self.freezing(name)))

    def without_room(self) -> list[str]:
        """For each prompt that a limit of words leaves no room to grow: which it is and what can be done."""
        limit = word_limit(self._settings.techniques)
        if limit is None:
            return []
        words = {name: self.own_words(name) for name in self.predictors}
        return [
            f"The instructions of {name} have {count} words outside of frozen text, and max_words={limit} allows "
            f"{limit}: they may change, and not grow. Pass Regularization with a higher max_words, or shorten them."
            for name, count in words.items()
            if count >= limit
        ]

    def unknown_rates(self) -> list[str]:
        """What is to be said of rates whose names no model has that is known before the run."""
        rates = self._settings.rates
        known = sorted({str(lm.model) for lm in self.models})
        return [
            f"rates= has a rate for {name!r}, and the models of program, critic and writer are {', '.join(known)}. It "
            "holds if your metric, or a part of the program, asks a model of that name; else correct the name."
            for name in (rates if isinstance(rates, Mapping) else ())
            if name not in known
        ]

    def run_prices(self) -> dict[str, tuple[float, float]]:
        """US dollars for a million tokens in and out, by name, of the models that run the program.

        Raises:
            ValueError: If one of them is unknown.
        """
        prices, found = Prices(self._settings.budget.prices), dict[str, tuple[float, float]]()
        for lm in self.task_models:
            usage = ({"prompt_tokens": tokens, "completion_tokens": 1000 - tokens} for tokens in (1000, 0))
            tokens_in, tokens_out = (prices.cost(lm, each) for each in usage)
            if tokens_in is None or tokens_out is None:
                raise ValueError(
                    f"prefer='cheapest' cannot be told: the price of {lm.model!r} is unknown. Pass Budget(..., "
                    f"prices={{{lm.model!r}: (dollars for a million tokens in, for a million out)}}), or "
                    "prefer='shortest'."
                )
            found[str(lm.model)] = round(tokens_in * 1000, 9), round(tokens_out * 1000, 9)
        return found

    def _find_frozen_text(self) -> tuple[str, ...]:
        texts = [text for text in self._settings.frozen if isinstance(text, str) and text not in self.prompts]
        for text in texts:
            if not any(text in prompt for prompt in self.prompts.values()):
                raise ValueError(
                    f"frozen={text!r} is neither a predictor ({', '.join(self.prompts)}) nor text of any instructions. "
                    "Pass one of these names, or text as it stands in the instructions."
                )
        for pattern in self._settings.frozen:
            if isinstance(pattern, re.Pattern):
                texts += self._matches(pattern)
        return tuple(dict.fromkeys(texts))

    def _matches(self, pattern: re.Pattern[str]) -> list[str]:
        """What a regular expression finds in the instructions."""
        found = [match.group() for prompt in self.prompts.values() for match in pattern.finditer(prompt)]
        found = [text for text in found if text.strip()]
        if not found:
            raise ValueError(
                f"frozen={pattern.pattern!r} matches nothing in the instructions of {', '.join(self.prompts)}. Pass an "
                "expression that does, or leave it out."
            )
        return found

    def _find_prompt_model(self) -> dspy.LM:
        lm = self._settings.prompt_model or dspy.settings.lm
        if lm is None:
            raise ValueError(
                "No language model is configured to write critiques and edits. Pass prompt_model=dspy.LM(...), or call "
                "dspy.configure(lm=...)."
            )
        return lm

    def _find_task_models(self) -> list[Any]:
        unset = unset_models(self._student)
        general = self._settings.task_model or dspy.settings.lm
        if general is None and unset:
            raise ValueError(
                f"No language model is configured to run {', '.join(unset)}. Pass task_model=dspy.LM(...), or call "
                "dspy.configure(lm=...)."
            )
        own = models_of(self._student)
        return [*own, general] if unset else own

    def _check_prices(self) -> None:
        if self._settings.judging.prefer == CHEAPEST:
            self.run_prices()
        budget = self._settings.budget
        if budget.usd is None:
            return
        prices = Prices(budget.prices)
        for lm in self.models:
            if prices.cost(lm, {"prompt_tokens": 1000, "completion_tokens": 1000}) is None:
                raise ValueError(
                    f"Budget(usd={budget.usd:g}) cannot be kept: the price of {lm.model!r} is unknown. Pass "
                    f"Budget(usd=..., prices={{{lm.model!r}: (dollars for a million tokens in, for a million out)}}), "
                    "or a budget of tokens."
                )


def word_limit(techniques: Iterable[Technique]) -> int | None:
    """The lowest limit of words of some techniques; None if none limits them."""
    limits = [technique.word_limit() for technique in techniques]
    return min((each for each in limits if each is not None), default=None)
