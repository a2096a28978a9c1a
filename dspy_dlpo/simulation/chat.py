"""Chat completions as OpenAI's HTTP interface writes them: from its JSON to a request, from answers to its JSON."""

from collections.abc import Sequence
from typing import Any, Literal

import pydantic
from dspy.lm15 import Config, Message, Request, Response

from dspy_dlpo.simulation.engine import CHARACTERS_PER_TOKEN


class TextPart(pydantic.BaseModel):
    """A part of a message; the simulation reads text only."""

    type: Literal["text"]
    text: str


class ChatMessage(pydantic.BaseModel):
    """One message; its content is a text, a list of text parts, or missing."""

    role: Literal["system", "developer", "user", "assistant"]
    content: list[TextPart] = []

    @pydantic.field_validator("content", mode="before")
    @classmethod
    def _in_parts(cls, content: Any) -> Any:
        if content is None:
            return []
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    @property
    def text(self) -> str:
        """The content as one text."""
        return "\n".join(part.text for part in self.content)


class ChatRequest(pydantic.BaseModel):
    """The body of a request for chat completions; what is not named here is accepted and ignored.

    Args:
        messages: At least one.
        model: Any name; the reply repeats it.
        temperature: 0 to 2; None is a provider's default, which is not 0.
        seed: The only thing besides the messages and the temperature that varies an answer.
        n: Answers wanted, 1 to 128; from the second on they differ only where the temperature lets them.
        max_tokens: An answer is cut there, 4 characters to the token; the older name.
        max_completion_tokens: The newer name of the same; it wins.
        stop: An answer ends before the first of these texts.
        stream: Refused when true.
    """

    messages: list[ChatMessage] = pydantic.Field(min_length=1)
    model: str = "simulated"
    temperature: float | None = pydantic.Field(None, ge=0, le=2)
    seed: int | None = None
    n: int | None = pydantic.Field(None, ge=1, le=128)
    max_tokens: int | None = pydantic.Field(None, ge=1)
    max_completion_tokens: int | None = pydantic.Field(None, ge=1)
    stop: str | list[str] | None = None
    stream: bool | None = None

    @pydantic.field_validator("stream")
    @classmethod
    def _whole_replies_only(cls, stream: bool | None) -> bool | None:
        if stream:
            raise ValueError("stream=true is not supported. Leave it out: replies come whole.")
        return stream

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts to stop before, empty ones left out."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or ()
        return tuple(filter(None, given))

    def request(self) -> Request:
        """The same for the engine."""
        system = "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))
        kinds = {"user": Message.user, "assistant": Message.assistant}
        turns = tuple(kinds[message.role](message.text) for message in self.messages if message.role in kinds)
        return Request(
            model=self.model,
            system=system or None,
            messages=turns or (Message.user(""),),
            config=Config(temperature=self.temperature, seed=self.seed),
        )


def _ended(asked: ChatRequest, text: str, finish: str) -> tuple[str, str]:
    places = [place for place in map(text.find, asked.stops) if place >= 0]
    if places:
        text, finish = text[: min(places)], "stop"
    most = asked.max_completion_tokens if asked.max_completion_tokens is not None else asked.max_tokens
    if most is not None and len(text) > most * CHARACTERS_PER_TOKEN:
        return text[: most * CHARACTERS_PER_TOKEN], "length"
    return text, finish


def completion(asked: ChatRequest, answers: Sequence[Response], name: str) -> dict[str, Any]:
    """The body of the reply.

    Args:
        asked: The request.
        answers: One per choice, in order.
        name: The reply's id, the same for equal requests.
    """
    ended = [_ended(asked, answer.message.text or "", answer.finish_reason) for answer in answers]
    taken = answers[0].usage.input_tokens or 0
    written = sum(len(text) // CHARACTERS_PER_TOKEN + 1 for text, _ in ended)
    return {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        # No clock: equal requests get equal bytes.
        "created": 0,
        "model": asked.model,
        "choices": [
            {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
            for index, (text, finish) in enumerate(ended)
        ],
        "usage": {"prompt_tokens": taken, "completion_tokens": written, "total_tokens": taken + written},
    }


def error(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The body of a reply that says what went wrong."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def complaint(wrong: pydantic.ValidationError) -> dict[str, Any]:
    """The body that names the first thing wrong in a request."""
    first = wrong.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return error(f"{place or 'body'}: {first['msg']}", "invalid_request_error", "invalid_value", place or None)
