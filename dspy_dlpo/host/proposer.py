"""Our critic and writer as the proposer of `dspy.GEPA`: sentence edits, within limits that code keeps."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.core.aim import Aim, as_aim
from dspy_dlpo.core.asking import Written, written
from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.copying import NoCopying
from dspy_dlpo.core.freezing import FreezeText, check_frozen, fenced, structure
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.json_lines import to_json
from dspy_dlpo.core.languages import written_in
from dspy_dlpo.core.paths import absolute_path
from dspy_dlpo.core.proposal import proposal
from dspy_dlpo.core.technique import Technique, apply_all
from dspy_dlpo.core.update import Constraint, TextGradient, Update
from dspy_dlpo.host.critic import Critic
from dspy_dlpo.host.languages import keep_language
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.prompting import PromptModel
from dspy_dlpo.host.reflections import Reflections, reflections
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.writer import EditWriter
from dspy_dlpo.techniques import LearningRate, Regularization

logger = logging.getLogger(__name__)


class DLPOProposer:
    """Have `dspy.GEPA` ask for a few sentence edits instead of a new text: its ``instruction_proposer``.

    Selection, budget and result stay GEPA's; what a proposal may change is ours, and kept by code whatever the model
    answers. No example that it is shown is copied, and edits keep the language of the text. Where no reply is of use,
    the text stays as it is. It asks GEPA's ``reflection_lm``, or ``dspy.settings.lm``.

    Args:
        max_edits: Sentences of one text that may change in one proposal, at least 1.
        max_words: Words of one text, at least 1; one that is longer already may not grow. None for no limit.
        frozen: Names of predictors that stay as they are, text that must survive verbatim, and regular expressions
            (``re.compile``): what they match survives. Template holes, fenced code, headings and lines that give an
            output format do so anyway; tools and rules in an agent's instructions do not, as GEPA does not tell what
            is an agent.
        critic: Whether a critique is asked for before the edits, in a request of its own.
        aim: What you want in words of your own, as for `DLPOTeleprompter`.
        seed: With the number of the proposal it keeps a cache from giving the same answer twice.
        log_file: File to which each entry of the ledger is appended as a line of JSON; None for none.

    Attributes:
        ledger: An entry for each text that was to change, as plain data: its ``component``, the ``edits`` admitted,
            those ``dropped``, each with the ``reason``, the text ``before`` and ``after``, the ``critique``, and the
            ``error`` where no reply was usable. Sentences are numbered from 0, as in the text before.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a number is out of range, or the aim too long.

    Example:
        >>> proposer = DLPOProposer(max_edits=4, max_words=200, frozen=["Never name a price."])
        >>> proposer.ledger
        []
    """

    def __init__(
        self,
        max_edits: int = 4,
        max_words: int | None = 200,
        *,
        frozen: Sequence[str | re.Pattern[str]] = (),
        critic: bool = False,
        aim: Aim | str | None = None,
        seed: int = 0,
        log_file: str | os.PathLike[str] | None = None,
    ) -> None:
        check_whole("DLPOProposer", "max_edits", max_edits)
        if max_words is not None:
            check_whole("DLPOProposer", "max_words", max_words, way_out="Pass such a number, or None for no limit.")
        limits = [] if max_words is None else [Regularization(max_words)]
        self.techniques: tuple[Technique, ...] = (LearningRate(max_edits), *limits)
        self.frozen = (frozen,) if isinstance(frozen, (str, re.Pattern)) else tuple(frozen)
        check_frozen(self.frozen)
        self.critic, self.aim, self.seed = critic, as_aim(aim), seed
        self.log_file = None if log_file is None else absolute_path("log_file", log_file)
        self.ledger: list[dict[str, Any]] = []
        self._numbers = itertools.count()
        self._missed: set[str] = set()

    def __call__(
        self,
        candidate: Mapping[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: Sequence[str],
    ) -> dict[str, str]:
        """Propose texts, as GEPA asks for them.

        Args:
            candidate: The present text of each component.
            reflective_dataset: What components were given and answered, and the feedback to it.
            components_to_update: Those whose text is to change.

        Returns:
            Their texts, changed or not; nothing for one of which there is no record.

        Raises:
            ValueError: If no language model is configured.
            ModelError: If it cannot be used at all.
        """
        lm = dspy.settings.lm
        if lm is None:
            raise ValueError(
                "No language model is configured to write edits. Pass reflection_lm=dspy.LM(...) to dspy.GEPA, or call "
                "dspy.configure(lm=...)."
            )
        self._warn_of_missed(candidate)
        model = PromptModel(lm, Meter(), self.seed, redact=Redactor([lm]))
        shown = {name: reflective_dataset.get(name) for name in components_to_update if name in candidate}
        return {
            name: candidate[name] if name in self.frozen else self._proposed(model, name, candidate[name], records)
            for name, records in shown.items()
            if records
        }

    def _proposed(self, model: PromptModel, name: str, text: str, records: Sequence[Mapping[str, Any]]) -> str:
        """The text of one component after the edits that are admitted."""
        shown = reflections(name, records)
        keeping = keep_language(text, shown.inputs)
        with written_in(keeping.languages):
            gradients, found = self._asked(model, name, text, shown, self._rules(text, shown, keeping))
            after = proposal({name: text}, found.edits)[name]
        reply = found.replies[0]
        self._enter(
            {
                "component": name,
                "edits": [asdict(edit) for edit in found.edits],
                "dropped": [asdict(each) for each in found.dropped],
                "before": text,
                "after": after,
                "critique": "\n\n".join(each.text for each in gradients if each.text) or reply.critique,
                "error": "" if found.edits else reply.error,
            }
        )
        return after

    def _asked(
        self, model: PromptModel, name: str, text: str, shown: Reflections, rules: tuple[Constraint, ...]
    ) -> tuple[Sequence[TextGradient], Written]:
        ctx = StepContext(next(self._numbers), 0.0, History(), self.seed)
        given, answered = shown.fields

        def criticized(asks: bool) -> tuple[Critic, Sequence[TextGradient]]:
            critic = Critic(model, f"- {name}: {given} -> {answered}", [name], asks=asks, aim=self.aim)
            return critic, critic({name: text}, shown.rows, ctx.index)

        critic, gradients = criticized(self.critic)
        if not gradients:  # no critique came back: the writer says itself what is wrong
            critic, gradients = criticized(False)
        update = Update(name, text, tuple(gradients), constraints=rules).with_note(
            "What went right", "Some of the examples may have gone right, as their feedback says then: keep what works."
        )
        module = f"{name}: given {given}; answers {answered}"
        writer = EditWriter(model, {name: module}, {name: text}, evidence=critic.evidence, aim=self.aim)
        return gradients, written(writer, [apply_all(self.techniques, update, ctx)], writer.forms, ctx)

    def _rules(self, text: str, shown: Reflections, keeping: Constraint) -> tuple[Constraint, ...]:
        """What holds for all edits of a text, whatever they are limited to beside."""
        frozen = [found for each in self.frozen for found in _held(each, text)]
        staying = FreezeText(tuple(dict.fromkeys([*frozen, *structure(text)])), fenced(text))
        return staying, NoCopying(shown.inputs, shown.outputs), keeping

    def _warn_of_missed(self, candidate: Mapping[str, str]) -> None:
        """Warn, once, of what is to be frozen and is nowhere; GEPA would hide an error."""
        for each in self.frozen:
            shown = each if isinstance(each, str) else each.pattern
            is_there = shown in candidate or any(_held(each, text) for text in candidate.values())
            if not is_there and shown not in self._missed:
                self._missed.add(shown)
                logger.warning("frozen=%r is neither a predictor nor in the text of any. Nothing is kept by it.", shown)

    def _enter(self, entry: dict[str, Any]) -> None:
        self.ledger.append(entry)
        if self.log_file is not None:
            Path(self.log_file).parent.mkdir(parents=True, exist_ok=True)
            with open(self.log_file, "a", encoding="utf-8") as file:
                file.write(f"{to_json(entry)}\n")


def _held(frozen: str | re.Pattern[str], text: str) -> list[str]:
    """The parts of a text that are to stay: the frozen text where it stands in it, or what an expression matches."""
    if isinstance(frozen, str):
        return [frozen] if frozen in text else []
    return [match.group() for match in frozen.finditer(text) if match.group().strip()]
