"""Whether models answer, in which form, and what a call costs: two small calls a model, a few more if need be."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.cli.checks.checked import FAIL, OK, WARNING, Checked
from dspy_dlpo.cli.free import is_free, is_simulated
from dspy_dlpo.core.asking import written
from dspy_dlpo.core.errors import ModelError
from dspy_dlpo.core.events import ReplyDone
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.core.update import Update
from dspy_dlpo.host.critic import Critic
from dspy_dlpo.host.lm_errors import one_line
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import describe, fields_of
from dspy_dlpo.host.prompting import Answer, PromptModel, PromptRequest
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.values import as_text
from dspy_dlpo.host.writer import EditWriter

# Seconds without a sign of life after which a model does not answer, unless another number is given.
PATIENCE = 60.0
# The forms of the writer's replies, in words.
_SAID = {
    "edits": "as fields",
    "schema": "by a JSON schema that its endpoint enforces",
    "lines": "in plain text, one a line",
    "prompt": "as complete new instructions",
}
# What a critic and a writer are asked about where there is no task.
_EXAMPLE = dspy.Example(question="What is the capital of France?", answer="Paris").with_inputs("question")


class SmallQuestion(dspy.Signature):
    """Answer in one word."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class _Talk:
    """A few calls of one model."""

    def __init__(self, lm: Any, patience: float) -> None:
        self.meter, self._log = Meter(), RunLog()
        # The seed gives the rollout: another one each time, so that no cache answers.
        self.model = PromptModel(
            lm, self.meter, time.time_ns(), call_timeout=patience, redact=Redactor([lm]), log=self._log
        )

    @property
    def last(self) -> Answer:
        """The last answer."""
        *_, done = self._log.state.done.values()
        assert isinstance(done, ReplyDone)
        return Answer(**done.answer)


def check_task_model(lm: Any, patience: float = PATIENCE) -> Iterator[Checked]:
    """Ask the task model one small question."""
    about, talk = f"task model {name_of(lm)}", _Talk(lm, patience)
    try:
        [answer] = talk.model.ask([PromptRequest("task", "doctor", 0, SmallQuestion, {"question": "Are you there?"})])
    except ModelError as error:
        yield dead(about, error)
        return
    if answer.error:
        yield Checked(FAIL, about, f"does not answer: {one_line(answer.error)}", "Try again, or name another model.")
        return
    if answer.fields:
        yield Checked(OK, about, "answers")
    else:
        yield Checked(WARNING, about, "answers, but not in the form that DSPy asks for", "Try a stronger model.")
    yield cost(about, lm, talk.meter)


def check_prompt_model(
    lm: Any, program: dspy.Module | None = None, example: Any = None, *, patience: float = PATIENCE
) -> Iterator[Checked]:
    """Ask for one critique, as a run with ``critic=True`` does, and for edits, as every run does.

    Args:
        lm: The model.
        program: The program of a task; None for a small one of our own.
        example: One of its examples, which is taken to have gone wrong.
        patience: Seconds without a sign of life after which the model does not answer.
    """
    about, talk = f"prompt model {name_of(lm)}", _Talk(lm, patience)
    program, example = program or dspy.Predict("question -> answer"), example or _EXAMPLE
    name, prompt = next(iter(read_prompts(program).items()))
    try:
        critic = Critic(talk.model, describe(program), [name])
        gradients = critic({name: prompt}, [_failed(name, example)], 0)
        if not gradients and not talk.last.error:
            yield Checked(WARNING, about, "does not write a critique that can be read", "Do not pass critic=True.")
            critic = Critic(talk.model, describe(program), [name], asks=False)
            gradients = critic({name: prompt}, [_failed(name, example)], 0)
        else:
            yield _form(about, "a critique", bool(gradients), talk.last)
        if not gradients:
            return
        write = EditWriter(talk.model, {name: fields_of(program, name)}, {name: prompt}, evidence=critic.evidence)
        yield from _edits(about, write, Update(name, prompt, tuple(gradients)), talk)
    except ModelError as error:
        yield dead(about, error)
        return
    yield cost(about, lm, talk.meter)


def _edits(about: str, write: EditWriter, update: Update, talk: _Talk) -> Iterator[Checked]:
    """Ask for edits in one form after the other, until a reply can be used, as a step does."""
    found = written(write, [update], write.forms, StepContext(0, 0.0, History()))
    usable = any(each.usable for each in found.asked)
    form = found.asked[-1].form
    if usable and form != write.forms[0]:
        yield Checked(
            WARNING,
            about,
            f"writes edits {_SAID[form]}, not in the form asked for first; a run finds that out",
            "Nothing need be done; a stronger model writes better rules.",
        )
        return
    yield _form(about, "edits", usable, talk.last)


def _failed(name: str, example: Any) -> Row:
    """A run of a program that answered nothing of use."""
    inputs, expected = as_text(example.inputs()), as_text(example.labels())
    outputs = dict.fromkeys(expected, "I do not know.")
    return Row(0, 0.0, inputs, expected, outputs, trace=(TraceStep(name, inputs, outputs),))


def _form(about: str, what: str, usable: bool, answer: Answer) -> Checked:
    """Whether a reply has the form asked for, or can be used at all."""
    if usable and answer.fields:
        return Checked(OK, about, f"writes {what} in the form asked for")
    if usable:
        return Checked(WARNING, about, f"writes {what} in another form, which could be read", "Try a stronger model.")
    if answer.error:
        return Checked(FAIL, about, f"does not answer: {one_line(answer.error)}", "Try again, or name another model.")
    return Checked(FAIL, about, f"does not write {what} that can be read", "Name a stronger --prompt-model.")


def cost(about: str, lm: Any, meter: Meter) -> Checked:
    """What a call cost."""
    total = meter.total()
    calls = max(1, total.calls)
    tokens = f"{total.input_tokens // calls} tokens in and {total.output_tokens // calls} out"
    many = f"{total.calls} call{'s' * (total.calls != 1)} of {tokens}"
    if is_simulated(lm):
        return Checked(OK, about, f"{many}; simulated, so free")
    if total.unreported:
        return Checked(WARNING, about, "tells no tokens: a budget of tokens or money cannot be kept", "Use --budget.")
    if not total.unpriced:
        return Checked(OK, about, f"{many}: ${total.usd:.6f} in all")
    if is_free(lm):
        return Checked(OK, about, f"{many}; on this machine, no price known")
    way_out = f"To limit money, pass Budget(usd=..., prices={{{name_of(lm)!r}: (in, out)}}) in a script."
    return Checked(WARNING, about, f"{many}; the price is unknown, so --max-usd is refused", way_out)


def dead(about: str, error: Exception) -> Checked:
    """A model that will never answer, with the way out that fits."""
    said = one_line(Redactor().error(error)).split("cannot be used: ", 1)[-1]
    return Checked(FAIL, about, f"cannot be used: {said[:200]}", _way_out(said.lower()))


def _way_out(said: str) -> str:
    ways = {
        ("auth", "api key", "api_key", "401", "403"): "Set the key of the provider, such as OPENAI_API_KEY.",
        ("refused", "connect", "getaddrinfo", "name or service"): "Start the server, or correct api_base.",
        ("quota", "billing", "402"): "Look at the account at the provider.",
    }
    found = [way for words, way in ways.items() if any(word in said for word in words)]
    return found[0] if found else "Name a model as PROVIDER/MODEL, such as openai/gpt-4o-mini."


def name_of(lm: Any) -> str:
    """A model's name."""
    return str(getattr(lm, "model", type(lm).__name__))


def check_cache(models: Sequence[Any]) -> Checked:
    """The state of DSPy's cache."""
    cache = dspy.cache
    uncached = [name_of(lm) for lm in models if not getattr(lm, "cache", True)]
    where = []
    if getattr(cache, "enable_memory_cache", False):
        where.append("in memory")
    folder = getattr(cache, "disk_cache_dir", None) if getattr(cache, "enable_disk_cache", False) else None
    if folder:
        if not os.access(folder, os.W_OK):
            return Checked(WARNING, "cache", f"{folder} cannot be written", "Set DSPY_CACHEDIR to another directory.")
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6
        where.append(f"in {folder} ({size:,.0f} MB)")
    if not where:
        return Checked(OK, "cache", "off: a call that is made again is paid again")
    without = f"; not for {', '.join(dict.fromkeys(uncached))}" if uncached else ""
    return Checked(OK, "cache", f"on, {' and '.join(where)}{without}: a call that is made again is free")
