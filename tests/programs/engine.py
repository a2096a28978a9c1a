"""A language model for programs of any shape: it does a task right where the instructions hold the rule for it.

It reads which fields are asked for, in the words of DSPy's adapters, and answers each by a small function; it writes
critiques and edits that name the missing rule, so that an optimizer has something to learn. Asked for edits in plain
text, it says what is wrong first.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

import dspy
from dspy.lm15 import Message, Request, Response, Usage, response_to_events

RULE = "Write the number in digits."


@dataclass(frozen=True)
class Call:
    """One request: the instructions, the last message, all messages, and the fields asked for."""

    system: str
    user: str
    all: str
    outputs: tuple[str, ...]

    @property
    def knows(self) -> bool:
        return RULE in self.system

    @property
    def number(self) -> int:
        """The first number in the request that follows the word 'number', else the first of all."""
        named = re.findall(r"number (\d+)", self.user) or re.findall(r"number (\d+)", self.all)
        return int((named or re.findall(r"\d+", self.user) or ["0"])[0])


Reply = Callable[[Call], str]


def solved(call: Call) -> str:
    """The right answer where the rule is known; without it, for every third number only."""
    return str(call.number) if call.knows or call.number % 3 == 0 else "unknown"


def copied(call: Call) -> str:
    """What an earlier module found; nothing of its own."""
    found = re.findall(r"found (\d+)", call.user)
    return found[-1] if found else "unknown"


def found(call: Call) -> str:
    """An intermediate result that `copied` can read."""
    return f"found {call.number}" if solved(call) != "unknown" else "nothing"


ORDINARY: Mapping[str, Reply] = {
    "answer": solved,
    "facts": found,
    "reasoning": lambda call: "I think.",
    "rationale": lambda call: "They agree.",
    "critique": lambda call: f"The instructions lack a rule. {RULE}",
    "edits": lambda call: json.dumps([{"op": "add", "at": 99, "text": RULE, "why": "lacking"}]),
    "improved_instructions": lambda call: f"Answer. {RULE}",
    "advice": lambda call: "{}",
}


@dataclass
class ProgramEngine:
    """Answers requests of any adapter, and keeps what it was asked."""

    replies: Mapping[str, Reply] = field(default_factory=dict)
    asked: list[Call] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def __deepcopy__(self, memo):
        return self

    def complete(self, request: Request) -> Response:
        system = request.system if isinstance(request.system, str) else str(request.system or "")
        said = [message.text or "" for message in request.messages]
        call = Call(system, said[-1], "\n".join(said), _outputs(system) if system else _wanted(said[-1]))
        with self.lock:
            self.asked.append(call)
        replies = {**ORDINARY, **self.replies}
        text = _written(call, {name: replies[name](call) for name in call.outputs})
        usage = Usage(input_tokens=10, output_tokens=2)
        return Response(
            id=None, model=request.model, message=Message.assistant(text), finish_reason="stop", usage=usage
        )

    def stream(self, request: Request):
        yield from response_to_events(self.complete(request))

    def dump_state(self):
        return {}

    @classmethod
    def load_state(cls, state):
        return cls()


@dataclass
class AsyncProgramEngine:
    """The same, awaited."""

    engine: ProgramEngine

    async def complete(self, request: Request) -> Response:
        return self.engine.complete(request)

    def __deepcopy__(self, memo):
        return self

    def dump_state(self):
        return {}

    @classmethod
    def load_state(cls, state):
        return cls(ProgramEngine())


def program_lm(name: str = "programs/one", *, cache: bool = False, **replies: Reply) -> dspy.LM:
    """A language model that answers fields by functions of the request, beside the ordinary ones."""
    engine = ProgramEngine(replies)
    return dspy.LM(name, engine=engine, async_engine=AsyncProgramEngine(engine), cache=cache, num_retries=0)


def asked(lm: dspy.LM) -> list[Call]:
    """The requests that a model had."""
    return lm._engine_spec.asked


def _outputs(system: str) -> tuple[str, ...]:
    """The fields that a request asks for."""
    listed = system.split("Your output fields are:")[-1].split("All interactions will be structured")[0]
    return tuple(re.findall(r"^\d+\. `(\w+)`", listed, re.MULTILINE))


def _wanted(text: str) -> tuple[str, ...]:
    """The fields that a request in plain text asks for; to one for a whole prompt it says nothing."""
    return ("edits",) if "begins with ADD:" in text else ()


def _written(call: Call, values: Mapping[str, str]) -> str:
    """A reply in the form that the adapter asks for."""
    if not call.system:
        return "\n".join(f"CRITIQUE: A rule is lacking.\n{value}" for value in values.values())
    if "JSON object in the following order" in call.user:
        return json.dumps({name: _parsed(value) for name, value in values.items()})
    if "[[ ## completed ## ]]" in call.system:
        return "\n\n".join(
            [*(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()), "[[ ## completed ## ]]"]
        )
    return "\n".join(f"<{name}>\n{value}\n</{name}>" for name, value in values.items())


def _parsed(value: str) -> object:
    try:
        data = json.loads(value)
    except ValueError:
        return value
    return data if isinstance(data, (list, dict)) else value
