"""Whether a task can be optimized: its program, its data, its metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dspy

from dspy_dlpo import Task
from dspy_dlpo.cli.checks.checked import FAIL, OK, WARNING, Checked
from dspy_dlpo.core.errors import DLPOError, MetricError
from dspy_dlpo.estimate.estimator import LOOPS
from dspy_dlpo.host.lm_errors import one_line
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import call, copy_program
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.run import settings
from dspy_dlpo.run.examples import input_keys
from dspy_dlpo.run.selection import TOO_FEW
from dspy_dlpo.teleprompter import DLPOTeleprompter

# With fewer examples to learn from, rules are fitted to them by chance.
FEW = 20
MOST_CALLS = 2


def check_program(task: Task) -> Checked:
    """Whether the program has instructions to optimize."""
    try:
        names = list(read_prompts(task.program))
    except (DLPOError, ValueError, TypeError, AttributeError) as error:
        return Checked(FAIL, "program", one_line(str(error)), "Pass a dspy.Module with predictors.")
    return Checked(OK, "program", f"{len(names)} predictor{'s' * (len(names) != 1)}: {', '.join(names)}")


def check_data(task: Task) -> Iterator[Checked]:
    """Whether there are enough examples, with marked inputs, and none is in two sets."""
    try:
        data = settings.check_data(DLPOTeleprompter(task.metric).settings, task.trainset, task.valset)
    except (ValueError, TypeError) as error:
        yield Checked(FAIL, "data", one_line(str(error)))
        return
    n_train, n_val, n_test = len(data.train), len(data.val), len(task.testset or ())
    said = f"{n_train} examples to learn from, {n_val} to choose on, {n_test} for the final claim"
    yield Checked(OK, "data", said)
    if n_train < FEW:
        yield Checked(WARNING, "trainset", f"{n_train} examples are few to learn from", f"Pass {FEW} or more.")
    if n_val < TOO_FEW:
        yield Checked(
            WARNING,
            "valset",
            f"{n_val} examples are too few to tell whether a gain is real",
            f"Pass {TOO_FEW} or more.",
        )
    if not n_test:
        yield Checked(WARNING, "testset", "none: there will be no final claim", "Pass Task(testset=) to have one.")
    for note in data.notes:
        yield Checked(WARNING, "data", note)
    sets = {"trainset": data.train, "valset": data.val, "testset": task.testset or ()}
    yield from _shared(sets)


def _shared(sets: dict[str, Sequence[Any]]) -> Iterator[Checked]:
    keys = {name: input_keys(found) for name, found in sets.items()}
    repeated = len(keys["trainset"]) - len(set(keys["trainset"]))
    if repeated:
        yield Checked(WARNING, "trainset", f"{repeated} examples stand there twice", "Take each once.")
    for first, second in (("trainset", "testset"), ("valset", "testset")):
        shared = len(set(keys[first]) & set(keys[second]))
        if shared:
            said = f"{shared} of {len(keys[second])} inputs of the {second} are in the {first} too"
            yield Checked(WARNING, "data", f"{said}: its score flatters", "Take them out of one of the two.")


def calls_of(program: dspy.Module) -> int | None:
    """Calls of one run of the program; None if it may take many."""
    if any(isinstance(module, LOOPS) for _, module in program.named_sub_modules()):
        return None
    return len(list(program.named_predictors()))


def check_metric(task: Task, lm: Any) -> Iterator[Checked]:
    """Run the program and the metric on one example.

    Args:
        task: The task; its program takes few calls.
        lm: Runs the predictors without a model of their own; None for the one that DSPy's settings name.
    """
    example, meter = task.trainset[0], Meter()
    general = {} if lm is None else {"lm": lm}
    with meter.role("task", trace=[], **general) as scope:
        try:
            prediction = call(copy_program(task.program), example.inputs())
            scope.note_usage(prediction)
        except Exception as error:  # noqa: BLE001 - whatever a user's program raises is what is looked for
            yield Checked(FAIL, "program", _failed(error), "Run it on trainset[0] yourself.")
            return
    try:
        with meter.role("metric", trace=[]):
            verdict = MetricAdapter(task.metric, (0.0, 1.0))(example, prediction)
    except MetricError as error:
        yield Checked(FAIL, "metric", one_line(Redactor().error(error)), "On the command line: --score-range LOW HIGH.")
        return
    except Exception as error:  # noqa: BLE001 - the metric is the user's, too
        yield Checked(FAIL, "metric", _failed(error), "Call metric(trainset[0], program(...)) yourself.")
        return
    if verdict.score is None:
        yield _tried_alone(task, example, prediction)
        return
    words = ", with feedback" if verdict.feedback else ""
    asked = meter.totals().get("metric", {}).get("calls", 0)
    models = f"; it asks a model ({asked} calls)" if asked else ""
    yield Checked(OK, "metric", f"gives the first example a score of {verdict.score:g}{words}{models}")


def _failed(error: Exception) -> str:
    return f"failed on the first example: {type(error).__name__}: {one_line(Redactor().error(error))[:300]}"


def _tried_alone(task: Task, example: Any, prediction: Any) -> Checked:
    """What a `CorpusMetric` says of the first example alone, of which it need not know anything."""
    try:
        said = f"scores the first example alone {float(task.metric([example], [prediction])):g}"
    except Exception as error:  # noqa: BLE001 - of one example it may well be undefined
        said = f"cannot score the first example alone ({type(error).__name__}), which it need not"
    return Checked(OK, "metric", f"scores whole sets; it {said}")
