"""A simulated task: program, metric and data, ready for an optimizer."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.simulation.draws import stream
from dspy_dlpo.simulation.stage import Stage
from dspy_dlpo.simulation.tasks import TASKS, TaskKind

Metric = Callable[..., Any]


@dataclass(frozen=True)
class SimulatedTask:
    """A task with everything an optimizer needs.

    Args:
        name: The task's name.
        program: A fresh program with the plain start instructions.
        metric: ``(gold, pred, trace=None) -> float``, 1.0 when the answer is exactly right, else 0.0.
        feedback_metric: The same score with words: five arguments, ``dspy.Prediction(score=, feedback=)``.
        trainset: Examples to learn from.
        valset: Examples to choose by.
        testset: Examples held out.
    """

    name: str
    program: dspy.Module
    metric: Metric
    feedback_metric: Metric
    trainset: list[dspy.Example]
    valset: list[dspy.Example]
    testset: list[dspy.Example]


class SingleStep(dspy.Module):
    """A program of one predictor, ``solve``."""

    def __init__(self, signature: type[dspy.Signature]) -> None:
        super().__init__()
        self.solve = dspy.Predict(signature)

    def forward(self, **inputs: Any) -> dspy.Prediction:
        """Answer the question."""
        return self.solve(**inputs)


class SupportDesk(dspy.Module):
    """A program of two predictors: ``extract`` reads the ticket, ``decide`` chooses the queue."""

    def __init__(self, extract: type[dspy.Signature], decide: type[dspy.Signature]) -> None:
        super().__init__()
        self.extract = dspy.Predict(extract)
        self.decide = dspy.Predict(decide)

    def forward(self, ticket: str) -> dspy.Prediction:
        """Route one ticket."""
        facts = self.extract(ticket=ticket).facts
        return dspy.Prediction(facts=facts, queue=self.decide(facts=facts).queue)


def _program(kind: TaskKind) -> dspy.Module:
    signatures = [dspy.Signature(f"{stage.source} -> {stage.target}", stage.start) for _, stage in kind.stages]
    return SingleStep(*signatures) if len(signatures) == 1 else SupportDesk(*signatures)


def _metrics(stage: Stage) -> tuple[Metric, Metric]:
    target = stage.target

    def metric(gold: dspy.Example, pred: Any, trace: Any = None) -> float:
        given = getattr(pred, target, None)
        return float(str(given).strip() == str(gold[target]).strip())

    def feedback_metric(
        gold: dspy.Example, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> dspy.Prediction:
        score = metric(gold, pred)
        given = getattr(pred, target, None)
        words = (
            f"Right: {given}."
            if score
            else f"Wrong. The given {target} was {given}. The expected {target} is {gold[target]}."
        )
        return dspy.Prediction(score=score, feedback=words)

    return metric, feedback_metric


def _example(kind: TaskKind, question: str, answer: str) -> dspy.Example:
    source, target = kind.stages[0][1].source, kind.stages[-1][1].target
    return dspy.Example(**{source: question, target: answer}).with_inputs(source)


def _generated(kind: TaskKind, total: int, seed: int, shifted: bool) -> list[dspy.Example]:
    rng = stream("questions", kind.name, seed, shifted)
    seen: dict[str, None] = {}
    for _ in range(200 * total):
        if len(seen) == total:
            break
        seen.setdefault(kind.generate(rng, shifted))
    return [_example(kind, question, kind.truth(question)) for question in seen]


def _rows(path: str | Path, name: str) -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = {"train": [], "val": [], "test": []}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["task"] == name:
            rows[row["split"]].append(row)
    if not any(rows.values()):
        raise ValueError(
            f"data={str(path)!r} holds no questions of the task {name!r}. Pass a file with rows of that task."
        )
    return rows


def _read(kind: TaskKind, path: str | Path, sizes: Sequence[int]) -> list[list[dspy.Example]]:
    rows = _rows(path, kind.name)
    return [
        [_example(kind, row["question"], row["answer"]) for row in part[:size]]
        for part, size in zip(rows.values(), sizes, strict=True)
    ]


def task_names() -> tuple[str, ...]:
    """The names of all simulated tasks, sorted."""
    return tuple(sorted(TASKS))


def task_kind(name: str) -> TaskKind:
    """The kind of that name.

    Raises:
        ValueError: There is no such task.
    """
    if name not in TASKS:
        raise ValueError(f"name={name!r} is not a simulated task. Pass one of {', '.join(task_names())}.")
    return TASKS[name]


def simulated_task(
    name: str,
    *,
    n_train: int = 50,
    n_val: int = 50,
    n_test: int = 150,
    seed: int = 0,
    data: str | Path | None = None,
    shifted: bool = False,
) -> SimulatedTask:
    """A task of that name with a fresh program.

    Args:
        name: One of ``task_names()``.
        n_train: Examples to learn from, at least 1; at most as many as the data file has.
        n_val: Examples to choose by.
        n_test: Examples held out.
        seed: Of the generated questions; without effect when ``data`` is given.
        data: A JSON Lines file with the keys ``question``, ``answer``, ``split``, ``task``: the real questions in the
            file's own split. None generates questions of the same form.
        shifted: Generate another mix of difficulties, for out-of-distribution tests.

    Raises:
        ValueError: An unknown task, a file without it, or ``data`` together with ``shifted``.
    """
    kind = task_kind(name)
    if data is not None and shifted:
        raise ValueError("shifted=True makes generated questions; data= brings its own. Pass one of the two.")
    sizes = (n_train, n_val, n_test)
    parts: Iterable[list[dspy.Example]]
    if data is None:
        all_examples = _generated(kind, sum(sizes), seed, shifted)
        parts = (all_examples[:n_train], all_examples[n_train : n_train + n_val], all_examples[n_train + n_val :])
    else:
        parts = _read(kind, data, sizes)
    return SimulatedTask(kind.name, _program(kind), *_metrics(kind.stages[-1][1]), *parts)
