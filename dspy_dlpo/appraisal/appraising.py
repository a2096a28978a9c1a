"""Score the same outputs twice with a metric."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import dspy

from dspy_dlpo.appraisal.agreement import agreement
from dspy_dlpo.appraisal.judge_report import JudgeReport
from dspy_dlpo.appraisal.labels import HumanLabel, completed
from dspy_dlpo.appraisal.ranks import rank_correlation
from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.errors import MetricError, ModelError, ProgramError
from dspy_dlpo.core.sentences import count_words
from dspy_dlpo.core.task import Task
from dspy_dlpo.host.caching import cache_off
from dspy_dlpo.host.corpus_metric import CorpusMetric
from dspy_dlpo.host.lm_errors import behind, is_permanent, one_line
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.program import call, copy_program, repeating
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.threads import in_threads
from dspy_dlpo.host.values import as_text

EXAMPLES = 30
# The repetition of the metric's calls in the second scoring: far from those that a run makes.
_AGAIN = 1_000

Pair = tuple[dspy.Example, Any]


def judge_metric(
    task: Task,
    *,
    examples: int = EXAMPLES,
    labels: Sequence[HumanLabel] | None = None,
    task_model: dspy.LM | None = None,
    num_threads: int | None = None,
    seed: int = 0,
) -> JudgeReport:
    """Tell whether a metric is worth optimizing for, above all one that asks a model.

    The program runs once on some examples, and the metric scores the outputs twice: at first as in a run, then with
    DSPy's cache off, in all of this process, so that the second call of a model is a real one.

    Args:
        task: The program, its metric and its examples.
        examples: How many are drawn from trainset and valset, at least 2; all if there are fewer.
        labels: How people scored outputs. These are scored in place of the program's, which does not run then.
        task_model: Runs the predictors that have no model of their own; ``dspy.settings.lm`` by default.
        num_threads: Calls in parallel; ``dspy.settings.num_threads`` by default.
        seed: Of the draw of examples.

    Returns:
        Agreement of the scorings, noise, length bias, agreement with the labels, and what was spent.

    Raises:
        TypeError: If an argument has the wrong type, or the metric is a `CorpusMetric`.
        ValueError: If there are no examples or labels, or a label lacks an input.
        ProgramError: If the program failed on all examples.
        MetricError: If the metric scored fewer than two outputs in both scorings.
        ModelError: If a model cannot be used at all.
    """
    refuse_sets(task.metric)
    check_whole("", "examples", examples, 2)
    known = [*task.trainset, *(task.valset or ())]
    if not known or (labels is not None and not labels):
        raise ValueError(f"{'labels' if known else 'trainset'} is empty. Pass at least one.")
    made = _Appraisal(task, task_model, num_threads or dspy.settings.num_threads or 1)
    if labels is None:
        drawn = random.Random(f"{seed}/judge").sample(known, min(examples, len(known)))
        pairs: list[Pair | None] = made.outputs(drawn)
        if not any(pairs):
            raise ProgramError(f"The program failed on all of {len(drawn)} examples: {made.error}")
    else:
        pairs = list(completed(labels, known))
    first = made.scores(pairs)
    with cache_off():
        second = made.scores(pairs, again=True)
    rows = [i for i in range(len(pairs)) if first[i] is not None and second[i] is not None]
    if len(rows) < 2:
        raise MetricError(f"The metric scored {len(rows)} of {len(pairs)} outputs twice: {made.error}")
    words = [_words(pairs[i]) for i in rows]
    scores = tuple((float(first[i] or 0.0), float(second[i] or 0.0)) for i in rows)
    means = [fmean(each) for each in scores]
    human = None if labels is None else [float(labels[i].score) for i in rows]
    return JudgeReport(
        scores,
        agreement(*zip(*scores, strict=True)),
        math.sqrt(fmean((a - b) ** 2 for a, b in scores) / 2),
        rank_correlation(means, words),
        None if human is None else agreement(_of_kind(scores, human), human),
        None if human is None else rank_correlation(human, words),
        len(pairs) - len(rows),
        len(task.valset or ()) or len(rows),
        made.meter.totals(),
    )


def refuse_sets(metric: Any) -> None:
    """Refuse a metric that gives no single output a score.

    Raises:
        TypeError: If the metric is a `CorpusMetric`.
    """
    if isinstance(metric, CorpusMetric):
        raise TypeError(
            "A CorpusMetric scores whole sets, and no single output that could be scored twice or beside a label. "
            "Pass a metric of one prediction; whether a gain in whole sets is real is in the verdict of a run."
        )


def _of_kind(scores: Sequence[tuple[float, float]], human: Sequence[float]) -> list[float]:
    """The metric's scores to compare people's with: the first, where both give but few; else the mean of both.

    A mean of a 0 and a 1 is a third kind of score that neither gives, and no kappa could agree with it.
    """
    kinds = {each for pair in scores for each in pair}
    return [a if kinds <= set(human) else (a + b) / 2 for a, b in scores]


class _Appraisal:
    """Runs a program and its metric, and counts what that takes."""

    def __init__(self, task: Task, task_model: dspy.LM | None, num_threads: int) -> None:
        self._program, self._metric = copy_program(task.program), MetricAdapter(task.metric, None)
        self._task_model, self._num_threads = task_model, num_threads
        self.meter, self.error = Meter(), ""

    def outputs(self, examples: Sequence[dspy.Example]) -> list[Pair | None]:
        """Each example with the program's output; None where it failed."""

        def run(example: dspy.Example) -> Pair | None:
            with self._noted("task model", "task", trace=None, lm=self._task_model or dspy.settings.lm):
                return example, call(self._program, example.inputs())
            return None

        return in_threads(run, examples, self._num_threads)

    def scores(self, pairs: Sequence[Pair | None], again: bool = False) -> list[float | None]:
        """The score of each output; None where there is none."""
        lm = dspy.settings.lm
        if again and (getattr(lm, "kwargs", None) or {}).get("temperature") != 0:  # DSPy warns of rollouts at 0
            lm = repeating(lm, _AGAIN)

        def score(pair: Pair | None) -> float | None:
            if pair is None:
                return None
            with self._noted("model that the metric asks", "metric", trace=[], lm=lm):
                return self._metric(*pair).score
            return None

        return in_threads(score, pairs, self._num_threads)

    @contextmanager
    def _noted(self, asked: str, role: str, **settings: Any) -> Iterator[None]:
        """Charge what is asked inside to a role; what fails there is kept, as it is told if all fails.

        Raises:
            ModelError: If the model will never answer.
        """
        with self.meter.role(role, **settings) as scope:
            try:
                yield
                return
            except Exception as failed:  # noqa: BLE001 - one example may fail
                error = behind(failed, scope.error, scope.handled)
        self.error = f"{type(error).__name__}: {one_line(Redactor().error(error))}"
        if is_permanent(error):
            raise ModelError(f"The {asked} cannot be used: {self.error}") from Redactor().cause(error)


def _words(pair: Any) -> int:
    return count_words(" ".join(as_text(pair[1]).values()))
