"""Ask the prompt model: a pinned adapter, no silent second call, a fresh answer for every step."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError, LMUnsupportedFeatureError
from pydantic import BaseModel

from dspy_dlpo.core.cancelling import RunCancelled, check_cancelled
from dspy_dlpo.core.errors import ModelError
from dspy_dlpo.core.events import ReplyDone, Sent, What, ask_key
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.tally import Tally, counted
from dspy_dlpo.host.adapters import ADAPTERS
from dspy_dlpo.host.cutting import is_cut, used_all
from dspy_dlpo.host.fitting import most_tokens, tokens
from dspy_dlpo.host.lm_errors import is_permanent, is_too_long, one_line
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.threads import AbandonedError, in_threads

logger = logging.getLogger(__name__)

# So many requests in a row without an answer, and the model is given up.
LOST_IN_A_ROW = 8


@dataclass(frozen=True)
class PromptRequest:
    """A request to the prompt model.

    Args:
        role: ``"critic"`` or ``"writer"``.
        label: The predictor that it is about.
        step: The step.
        signature: What is asked.
        inputs: Its input fields.
        fewer: Gives the request again with fewer examples, for a model that finds it too long; None if it has none.
        adapter: How it is put: one of `ADAPTERS`.
        part: Which of the requests of its role to its predictor in the step it is, from 0.
    """

    role: str
    label: str
    step: int
    signature: type[dspy.Signature]
    inputs: Mapping[str, str]
    fewer: Callable[[], PromptRequest | None] = field(default=lambda: None, compare=False, repr=False)
    adapter: str = "marks"
    part: int = 0

    @property
    def key(self) -> str:
        """A short name: equal for equal requests of the same step, in any process."""
        content = [self.role, self.label, self.step, self.signature.__name__, dict(self.inputs)]
        content += [self.adapter] if self.adapter != "marks" else []
        content += [self.part] if self.part else []
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Answer:
    """What came back, as plain data.

    Args:
        fields: The output fields, if the reply had the form asked for.
        text: The reply as it was, if it had not, or was cut off.
        error: Why there is no reply this time, in words.
        cut: Whether the reply was cut off by a limit of tokens, so that its end is missing.
        too_long: Whether the model refused the request as longer than its context window.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    error: str = ""
    cut: bool = False
    too_long: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is empty is left out."""
        return {name: value for name, value in asdict(self).items() if value}


class PromptModel:
    """The language model that plays critic and writer.

    Args:
        lm: The model.
        meter: Counts what is spent.
        seed: The run's seed; with step and label it gives the rollout, so that a cache never answers for another step.
        num_threads: Requests in flight at a time, at least 1.
        call_timeout: Seconds without a sign of life after which a request is abandoned; None to wait for ever.
        redact: Keeps keys out of errors.
        log: Has the answers that earlier processes were given, and is told of each new one before it is handed on.
        check: Called before requests go out; raises if no more may be spent.
    """

    def __init__(
        self,
        lm: dspy.LM,
        meter: Meter,
        seed: int = 0,
        *,
        num_threads: int = 1,
        call_timeout: float | None = None,
        redact: Redactor | None = None,
        log: RunLog | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._lm, self._meter, self._seed = lm, meter, seed
        self._num_threads, self._call_timeout = num_threads, call_timeout
        self._redact, self._log, self._check = redact or Redactor(), RunLog() if log is None else log, check
        self._lost = 0
        self._warned: set[str] = set()

    @cached_property
    def keeps_schemas(self) -> bool:
        """Whether DSPy knows that the model's endpoint enforces a JSON schema."""
        return bool(getattr(self._lm, "supports_response_schema", False))

    @cached_property
    def most_tokens(self) -> int:
        """How many tokens a request may hold."""
        return most_tokens(self._lm)

    def ask(self, asks: Sequence[PromptRequest]) -> list[Answer]:
        """Ask once for each request, in parallel; those that are recorded are taken from the record.

        What the model finds too long is asked again with fewer examples, until there is no shorter request.

        Returns:
            One answer per request, in the order given.

        Raises:
            ModelError: If the model cannot be used at all.
            RunEnds: If no more may be spent.
        """
        asks = list(asks)
        answers = self._ask_once(asks)
        while again := _fewer(asks, answers):
            self._warn("The prompt model finds requests too long: they are asked again with fewer examples.")
            for (i, ask), answer in zip(again.items(), self._ask_once(list(again.values())), strict=True):
                asks[i], answers[i] = ask, answer
        return answers

    def warn_of_length(self, predictor: str, instructions: str) -> None:
        """Tell, once, that the instructions of a predictor leave no room in a request for what else it should hold."""
        self._warn(
            f"The instructions of {predictor} ({tokens(instructions)} tokens) do not fit into requests of "
            f"{self.most_tokens} tokens with examples beside them: they are sent whole, with as little else as can be. "
            "Shorten them, or limit them with Regularization(max_words=...)."
        )

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("%s", text)

    def _ask_once(self, asks: Sequence[PromptRequest]) -> list[Answer]:
        answers: dict[int, Answer] = {}
        for i, ask in enumerate(asks):
            done = self._log.take(ask_key(ask.key))
            if isinstance(done, ReplyDone):
                answers[i] = Answer(**done.answer)
        new = [i for i in range(len(asks)) if i not in answers]
        if new:
            self._check()
            self._log.add(Sent(What.ASK, len(new)))

        recorded = len(answers)

        def on_done(index: int, result: tuple[Answer, Tally] | AbandonedError) -> None:
            if isinstance(result, AbandonedError):
                used = [tally for _, tally in result.heartbeat.spent]
                result = Answer(error=f"abandoned: {result}"), replace(used[0]) if used else Tally()
            (answer, spent), ask = result, asks[new[index]]
            self._log.add(ReplyDone(ask.key, ask.label, ask.step, answer.to_dict(), counted({ask.role: spent})))
            answers[new[index]] = answer
            if not _fewer([ask], [answer]):  # else a shorter request follows
                self._watch(answer)

        requests = [asks[i] for i in new]
        try:
            in_threads(self._answer, requests, self._num_threads, timeout=self._call_timeout, on_done=on_done)
        except (ModelError, RunCancelled):  # what a dead model refused, or nobody waits for, is not in flight
            self._log.add(Sent(What.ASK, len(answers) - recorded - len(new)))
            raise
        return [answers[i] for i in range(len(asks))]

    def _watch(self, answer: Answer) -> None:
        """Give a model up that does not answer any more.

        Raises:
            ModelError: After too many requests in a row without an answer.
        """
        self._lost = self._lost + 1 if answer.error else 0
        if self._lost >= LOST_IN_A_ROW:
            raise ModelError(f"No call of the prompt model was answered: {answer.error} ({self._lost} in a row)")

    def _answer(self, ask: PromptRequest) -> tuple[Answer, Tally]:
        check_cancelled()
        predict = _predictor(ask.signature, rollout_id=_rollout(self._seed, ask))
        # One reply, one call: the user's adapter and DSPy's silent second try with JSON stay out.
        adapter = ADAPTERS[ask.adapter]()
        with self._meter.role(ask.role, lm=self._lm, adapter=adapter, trace=None) as scope:
            try:
                reply = predict(**{name: contained(value) for name, value in ask.inputs.items()})
                answer = Answer({name: self._plain(value) for name, value in reply.items()})
            except AdapterParseError:
                answer = Answer(text=self._redact(adapter.heard))
            except Exception as error:  # noqa: BLE001 - whatever a client raises, it costs a step and not the run
                said = self._redact.error(error)
                refused = ask.adapter == "schema" and isinstance(error, LMUnsupportedFeatureError)
                if is_permanent(error) and not refused:
                    cause = self._redact.cause(error)
                    raise ModelError(f"The prompt model cannot be used: {one_line(said)}") from cause
                error_text = f"{type(error).__name__}: {said}"
                return Answer(error=error_text, too_long=is_too_long(error)), scope.tally
        if is_cut(adapter.heard, ask.signature, predict.history, used_all(self._lm, scope.tally)):
            answer = self._cut(answer, adapter.heard)
        return answer, scope.tally

    def _cut(self, answer: Answer, heard: str) -> Answer:
        """The answer in a reply that was cut off: what is whole in it is for the role to say."""
        limit = (getattr(self._lm, "kwargs", None) or {}).get("max_tokens")
        self._warn(
            f"A reply of the prompt model was cut off by its limit of tokens (max_tokens={limit}): what it had not "
            "finished is left out. Pass a prompt_model with a larger max_tokens."
        )
        if not heard.strip():
            return Answer(error="the reply was cut off by max_tokens before it said anything", cut=True)
        return replace(answer, text=self._redact(heard), cut=True)

    def _plain(self, value: Any) -> Any:
        """An output field as plain data."""
        if isinstance(value, BaseModel):
            return self._plain(value.model_dump(mode="json"))
        if isinstance(value, Mapping):
            return {name: self._plain(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(item) for item in value]
        return value if isinstance(value, (int, float, type(None))) else self._redact(str(value))


def _predictor(signature: type[dspy.Signature], **config: Any) -> dspy.Predict:
    """A predictor, made without a draw: `dspy.Predict` draws a name for itself from the global random."""
    predict = copy.deepcopy(_PREDICTOR)
    predict.signature, predict.config = signature, config
    return predict


def _first_predictor() -> dspy.Predict:
    """The one that all are copies of; the global random is as before."""
    state = random.getstate()
    try:
        return dspy.Predict("question -> answer")
    finally:
        random.setstate(state)


# Made as this file is imported and not as requests go out, from many threads.
_PREDICTOR = _first_predictor()


def quoted(value: object, limit: int) -> str:
    """A value on the lines of its own label: long ones lose their middle, further lines are indented."""
    text = str(value)
    if len(text) > limit:
        text = f"{text[: limit // 2]} [...] {text[-limit // 2 :]}"
    return "\n    ".join(text.splitlines()) if text else ""


def contained(text: str) -> str:
    """Text that cannot end its field early, or become something else than text.

    DSPy marks fields with ``[[ ## name ## ]]``, and what is no text with ``<<CUSTOM-TYPE-...>>``.
    """
    text = re.sub(r"##(\s*)\]\]", r"#\1]]", re.sub(r"\[\[(\s*)##", r"[[\1#", text))
    return text.replace("<<CUSTOM-TYPE-", "<CUSTOM-TYPE-")


def _fewer(asks: Sequence[PromptRequest], answers: Sequence[Answer]) -> dict[int, PromptRequest]:
    """The shorter requests, by place, for those that were found too long and can be shortened."""
    shorter = {i: asks[i].fewer() for i, answer in enumerate(answers) if answer.too_long}
    return {i: ask for i, ask in shorter.items() if ask is not None}


def _rollout(seed: int, ask: PromptRequest) -> int:
    part = f"/{ask.part}" if ask.part else ""
    digest = hashlib.sha256(f"{seed}/{ask.step}/{ask.role}/{ask.label}{part}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
