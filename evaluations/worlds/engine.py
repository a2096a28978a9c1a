"""The engine behind a world's models: decides by the text alone whether it reads or writes."""

from __future__ import annotations

from typing import Any

import dspy
from dspy.lm15 import Message, Request, Response, Usage

from dspy_dlpo.simulation.calls import RolloutCallback, close_lonely, current_call
from dspy_dlpo.simulation.draws import digest
from dspy_dlpo.simulation.engine import CHARACTERS_PER_TOKEN, texts_of
from dspy_dlpo.simulation.layout import reply
from dspy_dlpo.simulation.reading import answer_field
from dspy_dlpo.simulation.request import understand
from evaluations.worlds.reader import seat, solve
from evaluations.worlds.task import Task, make_task
from evaluations.worlds.writer import write


class WorldEngine:
    """Answers requests in-process, from any number of threads; an answer depends on nothing but the request and seeds.

    Args:
        seed: The world's.
        variant: Of the writer's draws: another one is another writer of the same kind.
        noisy: Whether replies of the reader are spoiled at the drawn rate.
    """

    def __init__(self, seed: int, variant: int = 0, noisy: bool = True) -> None:
        self.seed, self.variant, self.noisy = seed, variant, noisy
        self.task: Task = make_task(seed)

    def __deepcopy__(self, memo: dict[int, Any]) -> WorldEngine:
        return self

    def dump_state(self) -> dict[str, Any]:
        """What it was made with, as JSON data."""
        return {"seed": self.seed, "variant": self.variant, "noisy": self.noisy}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> WorldEngine:
        """An engine as `dump_state` told."""
        return cls(**state)

    def complete(self, request: Request) -> Response:
        """Answer one request."""
        system, turns = texts_of(request)
        body = "\x1e".join((system, *(f"{turn.role}\x1f{turn.text}" for turn in turns)))
        key = digest(body)
        call = current_call(key)
        text = self._said(system, turns, f"{call.rollout}/{request.config.seed}/{call.attempt(key)}", request)
        close_lonely()
        sizes = [len(each) // CHARACTERS_PER_TOKEN + 1 for each in (body, text)]
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant(text),
            finish_reason="stop",
            usage=Usage(input_tokens=sizes[0], output_tokens=sizes[1]),
        )

    def _said(self, system: str, turns: tuple[Any, ...], rollout: str, request: Request) -> str:
        ask, temperature = understand(system, turns), request.config.temperature
        sitting = seat(self.task, ask, temperature or 0.0, rollout)
        if sitting is None:
            # No temperature means the provider's default, which is not 0.
            draws = () if temperature == 0 else (rollout, temperature)
            return write(self.task, ask, (self.seed, self.variant, *draws))
        answer = solve(self.task, sitting, self.task.traits.reading.noise if self.noisy else 0.0)
        if ask.layout == "plain":
            return answer
        target = answer_field(ask.outputs)
        return reply(ask.layout, {f.name: answer if f.name == target else "I follow the rules." for f in ask.outputs})


class AsyncWorldEngine:
    """The same for ``await``."""

    def __init__(self, engine: WorldEngine) -> None:
        self.engine = engine

    def __deepcopy__(self, memo: dict[int, Any]) -> AsyncWorldEngine:
        return self

    async def complete(self, request: Request) -> Response:
        """Answer one request."""
        return self.engine.complete(request)

    def dump_state(self) -> dict[str, Any]:
        """What it was made with, as JSON data."""
        return self.engine.dump_state()

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> AsyncWorldEngine:
        """An engine as `dump_state` told."""
        return cls(WorldEngine.load_state(state))


def world_lm(seed: int, variant: int = 0, noisy: bool = True) -> dspy.LM:
    """A world's model: uncached, its model string tells what it was made with."""
    engine = WorldEngine(seed, variant, noisy)
    name = f"world/{seed}-{variant}{'' if noisy else '-quiet'}"
    return dspy.LM(
        name, engine=engine, async_engine=AsyncWorldEngine(engine), cache=False, callbacks=[RolloutCallback()]
    )
