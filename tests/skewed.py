"""A moderation desk that passes nearly all messages: where a tenth are to be flagged, accuracy likes to flag none."""

import re
import threading

import dspy
from scripted import fields, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter

# The first rule finds all that is to be flagged and more, the second one message in forty and no other.
WIDE, NARROW = "Say yes to whatever sells.", "Say yes to pills."
SIZE = 40


def is_flagged(number: int) -> bool:
    return number % 10 == 3


def labelled(system: str, number: int) -> str:
    said = is_flagged(number) or number % 5 == 1 if WIDE in system else NARROW in system and number % SIZE == 3
    return "yes" if said else "no"


def reply(system: str, user: str) -> str:
    """Writer and task model."""
    if "begins with ADD:" in user:
        return f"ADD: {WIDE}\nADD: {NARROW}"
    return fields(label=labelled(system, int(re.findall(r"message (\d+)", user)[-1])))


def examples(start: int, count: int = SIZE) -> list[dspy.Example]:
    return [
        dspy.Example(message=f"message {n}", label="yes" if is_flagged(n) else "no").with_inputs("message")
        for n in range(start, start + count)
    ]


TRAIN, VAL = examples(0), examples(SIZE)


def f1(golds, preds) -> float:
    hits = sum(gold.label == pred.label == "yes" for gold, pred in zip(golds, preds, strict=True))
    said = sum(each.label == "yes" for each in [*golds, *preds])
    return 2 * hits / said if said else 0.0


def accuracy(golds, preds) -> float:
    return sum(gold.label == pred.label for gold, pred in zip(golds, preds, strict=True)) / len(golds)


def exact(gold, pred, trace=None) -> float:
    return float(gold.label == pred.label)


def optimizer_of(metric, log_dir=None, answer=reply, calls=340, **settings) -> DLPOTeleprompter:
    lm = scripted_lm(answer)
    fixed = {"num_threads": 1, "verbose": False, "budget": Budget(metric_calls=calls), **settings}
    return DLPOTeleprompter(metric, task_model=lm, prompt_model=lm, log_dir=log_dir, **fixed)


def student(signature: str = "message -> label") -> dspy.Module:
    return dspy.Predict(dspy.Signature(signature, "Moderate."))


def compiled(metric, log_dir=None, answer=reply, calls=340, **settings):
    optimizer = optimizer_of(metric, log_dir, answer, calls, **settings)
    return optimizer.compile(student(), trainset=TRAIN, valset=VAL).detailed_results


class Counted:
    """A metric, and how often it was called."""

    def __init__(self, metric):
        self.metric, self.calls, self.lock = metric, 0, threading.Lock()

    def __call__(self, golds, preds):
        with self.lock:
            self.calls += 1
        return self.metric(golds, preds)
