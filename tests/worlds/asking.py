"""Putting questions and requests to a world's models."""

import dataclasses

import dspy

from dspy_dlpo.simulation.request import Turn, understand
from evaluations.worlds.reader import Sitting, solve
from evaluations.worlds.writer import write


def changed(task, **more):
    """A task whose writer or reader has other traits."""
    reading = {k: v for k, v in more.items() if k in task.traits.reading.__dict__}
    writing = {k: v for k, v in more.items() if k in task.traits.writing.__dict__}
    other = {k: v for k, v in more.items() if k not in {**reading, **writing}}
    traits = dataclasses.replace(
        task.traits,
        reading=dataclasses.replace(task.traits.reading, **reading),
        writing=dataclasses.replace(task.traits.writing, **writing),
        **other,
    )
    return dataclasses.replace(task, traits=traits)


def answer(task, prompt, record, noise=0.0, rollout=""):
    """The reader's answer to a record of the first step."""
    found = task.finder.read(record)
    return solve(task, Sitting(task.steps[found.marks], found, prompt, rollout=rollout), noise)


def request(prompt, failures, system=""):
    """A request for complete instructions in plain text."""
    shown = "\n\n".join(f"record: {r}\nThe given answer was {g}. The expected answer is {e}." for r, g, e in failures)
    text = f"Present instructions:\n```\n{prompt}\n```\n\n{shown}\n\nWrite new instructions within ``` blocks."
    return understand(system, (Turn("user", text),))


def written(task, prompt, failures, number=0):
    """The writer's whole new prompt."""
    return write(task, request(prompt, failures), ("test", number)).strip("`\n")


def failures_of(world, prompt, count):
    """Examples that a prompt gets wrong without noise, as (record, given, expected)."""
    found = []
    for example in (*world.trainset, *world.testset):
        given = answer(world.task, prompt, example.record)
        if given != example.answer:
            found.append((example.record, given, example.answer))
    return found[:count]


def asked(lm, text, **options):
    """A reply to plain text."""
    reply = lm(dspy.lm15.Request(model=lm.model, messages=(dspy.lm15.Message.user(text),), **options))
    return str(reply.message.text)
