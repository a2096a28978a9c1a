"""A scripted language model: answers by a function of the prompt, through DSPy's engine interface."""

from collections.abc import Callable
from threading import Lock

import dspy
from dspy.lm15 import Message, Request, Response, Usage

from dspy_dlpo import Budget, DLPOTeleprompter, MetricError, ModelError


class ScriptedEngine:
    """Calls `answer(system, user)` for the text of every reply, and keeps what it was asked."""

    def __init__(self, answer: Callable[[str, str], str]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []
        self._lock = Lock()

    def __deepcopy__(self, memo):
        return self

    def complete(self, request: Request) -> Response:
        system = request.system if isinstance(request.system, str) else str(request.system or "")
        user = request.messages[-1].text or ""
        with self._lock:
            self.asked.append((system, user))
        text = self.answer(system, user)
        usage = Usage(input_tokens=10, output_tokens=2)
        message = Message.assistant(text)
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=usage)

    def dump_state(self):
        return {}

    @classmethod
    def load_state(cls, state):
        return cls(lambda system, user: "")


def scripted_lm(answer: Callable[[str, str], str], name: str = "scripted/one", **kwargs) -> dspy.LM:
    """A language model that answers by a function of system text and last user message."""
    return dspy.LM(name, engine=ScriptedEngine(answer), cache=False, num_retries=0, **kwargs)


def result_of(run: Callable[[], dspy.Module]):
    """The `DLPOResult` of a run, also of one that failed before it found anything better."""
    try:
        return run().detailed_results
    except (ModelError, MetricError) as error:
        return error.result


def intents_named(
    answer: Callable[[str, str], str],
    names: list[str],
    count: int,
    calls: int,
    student: dspy.Module | None = None,
    **settings,
):
    """A program that names intents, optimized with the first 24 of so many examples; and the model of both roles."""
    examples = [dspy.Example(message=f"message {i}", intent=names[i % 3]).with_inputs("message") for i in range(count)]
    lm = scripted_lm(answer)
    student = student or dspy.Predict(dspy.Signature("message -> intent", "Name it."))
    return labels_learned(student, "intent", lm, examples[:24], examples[24:], calls, **settings), lm


def labels_learned(
    student: dspy.Module,
    field: str,
    lm: dspy.LM,
    trainset: list[dspy.Example],
    valset: list[dspy.Example],
    calls: int,
    **settings,
):
    """A program optimized to give the expected label in a field; one model has both roles."""
    optimizer = DLPOTeleprompter(
        lambda gold, pred, trace=None: gold[field] == pred[field],
        task_model=lm,
        prompt_model=lm,
        budget=Budget(metric_calls=calls),
        num_threads=1,
        verbose=False,
        **settings,
    )
    return optimizer.compile(student, trainset=trainset, valset=valset)


def engine(lm: dspy.LM) -> ScriptedEngine:
    return lm._engine_spec


def fields(**values: str) -> str:
    """A reply in the form of DSPy's chat adapter."""
    body = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items())
    return f"{body}\n\n[[ ## completed ## ]]"


def given(user: str, name: str) -> str:
    """The value of an input field in a user message."""
    return user.split(f"[[ ## {name} ## ]]")[1].split("[[ ##")[0].split("Respond with")[0].strip()
