"""The engine behind ``dspy.LM``: decides who answers, lets it answer, counts, delays and fails as it was told."""

import asyncio
import dataclasses
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from dspy.lm15 import Message, Request, Response, Usage

from dspy_dlpo.simulation.calls import close_lonely, current_call
from dspy_dlpo.simulation.draws import chance, digest
from dspy_dlpo.simulation.faults import Faults, raise_fault, spoil
from dspy_dlpo.simulation.layout import reply
from dspy_dlpo.simulation.reading import answer_field, seat, solve
from dspy_dlpo.simulation.request import Ask, Turn, understand
from dspy_dlpo.simulation.settings import Noise, Reader, Writer
from dspy_dlpo.simulation.writing import write

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Settings:
    """Everything that an answer depends on besides the request, and the delay.

    Args:
        seed: Any integer; another seed is another model of the same kind.
        latency: Seconds each call takes, at least 0.
        faults: Faults of the service.
        reader: The task model.
        writer: The prompt model.
        noise: Answers spoiled by chance.
    """

    seed: int = 0
    latency: float = 0.0
    faults: Faults = field(default_factory=Faults)
    reader: Reader = field(default_factory=Reader)
    writer: Writer = field(default_factory=Writer)
    noise: Noise = field(default_factory=Noise)

    def __post_init__(self) -> None:
        if self.latency < 0:
            raise ValueError(f"latency={self.latency} is negative. Pass seconds, at least 0.")

    @property
    def name(self) -> str:
        """The model string: the seed and a hash of all settings."""
        return f"simulated/seed{self.seed}-{digest(json.dumps(dataclasses.asdict(self), sort_keys=True))[:8]}"


@dataclass(frozen=True)
class Counts:
    """What an engine was asked so far: calls by role, faults raised or put into replies, tokens in and out."""

    calls: int = 0
    reader_calls: int = 0
    writer_calls: int = 0
    faults: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class _Reply:
    text: str
    finish: str
    tokens: int


class SimulatedEngine:
    """Answers requests in-process; safe to call from any number of threads."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings if settings is not None else Settings()
        self._lock = threading.Lock()
        self._counts = Counts()

    def __deepcopy__(self, memo: dict[int, Any]) -> "SimulatedEngine":
        return self

    @property
    def counts(self) -> Counts:
        """A snapshot of the counters."""
        return self._counts

    @property
    def calls(self) -> int:
        """How many times the engine was called, retries and failures included."""
        return self._counts.calls

    def dump_state(self) -> dict[str, Any]:
        """The settings as JSON data, for ``program.save``."""
        return dataclasses.asdict(self.settings)

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> "SimulatedEngine":
        """An engine with the settings that ``dump_state`` gave; its counters start at 0."""
        kinds = {"faults": Faults, "reader": Reader, "writer": Writer, "noise": Noise}
        values = {name: kinds[name](**value) if name in kinds else value for name, value in state.items()}
        return cls(Settings(**values))

    def complete(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            LM15Error: A simulated fault in transport.
        """
        if self.settings.latency:
            time.sleep(self.settings.latency)
        return self.answer(request)

    def answer(self, request: Request) -> Response:
        """Answer one request at once, without the latency."""
        system, turns = texts_of(request)
        body = "\x1e".join((system, *(f"{turn.role}\x1f{turn.text}" for turn in turns)))
        key = digest(body)
        call = current_call(key)
        attempt = call.attempt(key)
        rollout = f"{call.rollout}/{'' if request.config.seed is None else request.config.seed}"
        size = len(body) // CHARACTERS_PER_TOKEN + 1
        fault = self.settings.faults.drawn(chance(self.settings.seed, "fault", key, rollout, call.failures + attempt))
        if fault:
            self._count(faults=1)
        try:
            raise_fault(fault)
        except Exception:
            self._count(calls=1)
            raise
        text, finish = spoil(fault, self._say(understand(system, turns), key, rollout, attempt, request))
        close_lonely()
        return self._respond(request, _Reply(text, finish, size))

    def _respond(self, request: Request, said: _Reply) -> Response:
        length = len(said.text) // CHARACTERS_PER_TOKEN + 1
        self._count(calls=1, input_tokens=said.tokens, output_tokens=length)
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant(said.text),
            finish_reason=said.finish,
            usage=Usage(input_tokens=said.tokens, output_tokens=length),
        )

    def _say(self, ask: Ask, key: str, rollout: str, attempt: int, request: Request) -> str:
        settings, temperature = self.settings, request.config.temperature
        sitting = seat(ask, settings.seed, temperature or 0.0, f"{rollout}/{attempt}" if temperature else rollout)
        if sitting is None:
            self._count(writer_calls=1)
            # No temperature means the provider's default, which is not 0.
            labels = (settings.seed, key) if temperature == 0 else (settings.seed, key, rollout, attempt, temperature)
            return write(ask, settings.writer, labels)
        self._count(reader_calls=1)
        answer = solve(sitting, settings.reader, settings.noise)
        if chance(settings.seed, "layout", key, rollout, attempt) < 0.1 * (1 - settings.reader.strength):
            return f"I think the answer might be {answer}"
        if ask.layout == "plain":
            return answer
        target = answer_field(ask.outputs)
        thinking = f"I follow the instruction step by step and find {answer}."
        return reply(ask.layout, {f.name: answer if f.name == target else thinking for f in ask.outputs})

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts = dataclasses.replace(
                self._counts, **{name: getattr(self._counts, name) + value for name, value in more.items()}
            )


class AsyncSimulatedEngine:
    """The same engine for ``await``; shares the counters of the engine it wraps."""

    def __init__(self, engine: SimulatedEngine) -> None:
        self.engine = engine

    def __deepcopy__(self, memo: dict[int, Any]) -> "AsyncSimulatedEngine":
        return self

    async def complete(self, request: Request) -> Response:
        """Answer one request; see ``SimulatedEngine.complete``."""
        if self.engine.settings.latency:
            await asyncio.sleep(self.engine.settings.latency)
        return self.engine.answer(request)

    def dump_state(self) -> dict[str, Any]:
        """The settings as JSON data."""
        return self.engine.dump_state()

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> "AsyncSimulatedEngine":
        """An engine with the settings that ``dump_state`` gave."""
        return cls(SimulatedEngine.load_state(state))


def texts_of(request: Request) -> tuple[str, tuple[Turn, ...]]:
    """The system text of a request, and its other messages."""
    system = (
        request.system
        if isinstance(request.system, str)
        else "".join(getattr(part, "text", "") for part in request.system or ())
    )
    turns = [
        Turn(message.role, message.text or "")
        for message in request.messages
        if message.role not in ("system", "developer")
    ]
    extra = [message.text or "" for message in request.messages if message.role in ("system", "developer")]
    return "\n".join(filter(None, (system, *extra))), tuple(turns)
