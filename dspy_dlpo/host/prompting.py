"""Ask the prompt model: a pinned adapter, no silent second call, a fresh answer for every step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import dspy
from dspy.utils.exceptions import LMError

from dspy_dlpo.core.errors import ModelError
from dspy_dlpo.host.evaluate import DEAD
from dspy_dlpo.host.meter import Meter


class UnansweredError(Exception):
    """The prompt model gave no answer this time; the step is lost, the run goes on."""


class PromptModel:
    """The language model that plays critic and writer.

    Args:
        lm: The model.
        meter: Counts what is spent.
        seed: The run's seed; with step and label it gives the rollout, so that a cache never answers for another step.
        on_reply: Told of role, label, step and what came back.
    """

    passing_errors = (UnansweredError,)

    def __init__(
        self,
        lm: dspy.LM,
        meter: Meter,
        seed: int = 0,
        on_reply: Callable[[str, str, int, Any], None] = lambda role, label, step, reply: None,
    ) -> None:
        self._lm, self._meter, self._seed, self._on_reply = lm, meter, seed, on_reply
        # One reply, one call: the user's adapter and DSPy's silent second try with JSON stay out.
        self._adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)

    def ask(
        self, role: str, signature: type[dspy.Signature], inputs: Mapping[str, str], step: int, label: str
    ) -> dspy.Prediction:
        """Ask once.

        Raises:
            AdapterParseError: If the reply has not the form asked for; it holds the reply.
            UnansweredError: If there is no reply this time.
            ModelError: If the model cannot be used at all.
        """
        predict = dspy.Predict(signature, rollout_id=_rollout(self._seed, step, role, label))
        with self._meter.role(role, lm=self._lm, adapter=self._adapter, trace=None):
            try:
                reply = predict(**{name: _contained(value) for name, value in inputs.items()})
            except DEAD as error:
                raise ModelError(f"The prompt model cannot be used: {error}") from error
            except LMError as error:
                raise UnansweredError(f"{type(error).__name__}: {error}") from error
        self._on_reply(role, label, step, {name: str(value) for name, value in reply.items()})
        return reply


def quoted(value: object, limit: int) -> str:
    """A value on the lines of its own label: long ones lose their middle, further lines are indented."""
    text = str(value)
    if len(text) > limit:
        text = f"{text[: limit // 2]} [...] {text[-limit // 2 :]}"
    return text.replace("\n", "\n    ")


def _contained(text: str) -> str:
    """Text that cannot end its field early: DSPy marks fields with ``[[ ## name ## ]]``."""
    return text.replace("[[ ##", "[[ #").replace("## ]]", "# ]]")


def _rollout(seed: int, step: int, role: str, label: str) -> int:
    digest = hashlib.sha256(f"{seed}/{step}/{role}/{label}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
