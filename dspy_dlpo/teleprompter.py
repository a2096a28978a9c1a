"""The optimizer: checks its arguments, plans, runs, selects, returns."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import Teleprompter

from dspy_dlpo.core.acceptance import Acceptance
from dspy_dlpo.core.aim import Aim, as_aim
from dspy_dlpo.core.budget import Budget, resolve_budget
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.judges import Judge
from dspy_dlpo.core.plan import Controller, Stopping
from dspy_dlpo.core.rates import Rates
from dspy_dlpo.core.review import Review
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.estimate.estimate import Estimate
from dspy_dlpo.host.parameters import INSTRUCTIONS
from dspy_dlpo.presets import default_settings
from dspy_dlpo.run.settings import RunSettings, check_data

if TYPE_CHECKING:
    from dspy_dlpo.run.compilation import Compilation
    from dspy_dlpo.run.steps import Steps

logger = logging.getLogger(__name__)


class DLPOTeleprompter(Teleprompter):
    """Improve the instructions of a DSPy program by textual gradient descent with the seven techniques of DLPO.

    Only instructions change, unless `parameters` allows more: demos that the program has are kept, and none are chosen.
    ``DLPOTeleprompter(metric)`` alone is ``DLPOTeleprompter(metric, **default_settings())``.

    Args:
        metric: A DSPy metric, or a GEPA-style feedback metric, unchanged: a function, sync or async, a method, a
            partial, a `dspy.Module` such as `dspy.evaluate.SemanticF1`. It scores one prediction; of ``trace``,
            ``pred_name`` and ``pred_trace`` it is given those that it names. Once it has worked, a run that it cannot
            score (None, NaN, out of range, an exception) is left out where no prompts have a score, and counts as the
            lowest where others have one. A `CorpusMetric` scores all examples at once.
        prompt_model: Says what went wrong and writes edits; ``dspy.settings.lm`` by default.
        task_model: Runs the predictors that have no model of their own; ``dspy.settings.lm`` by default.
        techniques: Shape the requests to the writer, from left to right; None for those of `default_settings`.
        acceptance: Decides what is kept; None for that of `default_settings`.
        judging: How proposals are judged: an `EditJudge`, a `WholeJudge` or one of your own; None for that of
            `default_settings`.
        auto: Budget preset ``"light"`` (600 runs of the program), ``"medium"`` (2,000) or ``"heavy"`` (6,000).
        budget: The most that may be spent, instead of `auto`.
        stopping: When to end before the budget does.
        batch_size: Failing examples that a step looks at, at least 1; None for 8, or all if there are fewer.
        gradients: Text gradients of each predictor in a step, at least 1: as many requests share the batch, and their
            edits are pooled. None for 2 with one predictor and 1 with several.
        critic: Whether a critique is asked for before the edits, in a request of its own, as the paper does. If not,
            the writer says in one reply what is wrong and how to mend it, for fewer tokens. Among several predictors
            more edits go to the one at fault if a critic is asked; on drawn worlds less was gained so. None for only
            where `update` asks who is blamed most.
        update: Which predictors a step updates: ``"all"`` that took part, less those that a critic finds right; the
            ``"most_blamed"`` by its critics; or one after the other, ``"in_turn"``.
        parameters: What may change: kinds of text, ``"instructions"``, ``"fields"`` (what the fields of signatures
            mean), ``"nested"`` (what the fields of pydantic models in their types mean), ``"tools"`` and
            ``"arguments"`` (what the tools of `dspy.ReAct` and `dspy.ReActV2` do, and what their arguments mean; load a
            saved `dspy.ReActV2` with `load_program` then), and single texts by path, such as
            ``"extract.invoice.lines[].amount"``; `text_paths` tells all paths of a program. Where it is not
            instructions alone, all texts of a predictor are one prompt, each under a heading.
        frozen: Names of predictors that stay as they are, text that must survive verbatim, and regular expressions
            (``re.compile``): what they match in the instructions survives verbatim. Template holes, fenced code,
            headings and lines that give an output format do so anyway.
        aim: What you want in words of your own, given to critic and writer as it stands: an `Aim`, or a string that is
            its objective; 300 words at most. None adds nothing to any request.
        controller: Chooses the numbers of each step, e.g. ``tuning.OptunaController()``; None: the schedules as given.
        score_range: Lowest and highest legal score of the metric; None if unknown, and nothing stops early then.
        num_threads: Calls in parallel; ``dspy.settings.num_threads`` by default. It does not change the result.
        call_timeout: Seconds after which a run of the program, or a request to the prompt model, is abandoned if
            nothing has happened in it: no call of a language model began or ended. It counts as lost in transport.
            None leaves that to the models' own time-outs.
        rates: Requests and tokens a minute that models may be asked: a `Rate` for each model by itself, or a dict of
            them by the names of models, such as ``{"openai/gpt-4o": Rate(requests=500, tokens=30_000)}``. Calls wait,
            which changes no result and is no silence for `call_timeout`. None: no call waits.
        seed: Seed of all chance, a whole number.
        log_dir: Directory for the run's records, private to you, with ``~`` and the working directory of now; None for
            none. The same call with the same directory
            goes on where an earlier one ended or was killed, at no cost for what was paid already; with a higher budget
            it goes on further. A file ``stop`` in it ends the run.
        on_record: Called with every `Record` as it is made, such as ``progress.ProgressBar(budget)``. Its method
            ``on_end``, if it has one, is called at the end with the `DLPOResult`, or None if there is none.
        verbose: Whether `compile` shows a line for each step on standard error, unless you show the log of
            ``dspy_dlpo`` yourself, have set its level, or pass a progress bar as `on_record`.
        review: Gives a person the last word on edits, as a `Review`: once at the end, or at each step. None asks
            nobody.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an illegal value.

    Example:
        >>> optimizer = DLPOTeleprompter(lambda gold, pred, trace=None: gold.answer == pred.answer, auto="light")
        >>> optimizer.get_params()["seed"]
        0

    Source: Peng et al., "DLPO: Towards a Robust, Efficient, and Generalizable Prompt Optimization Framework from a
        Deep-Learning Perspective", Findings of EMNLP 2025, arXiv 2503.13413. Judging by edit is ours.
    """

    def __init__(
        self,
        metric: Callable[..., Any],
        *,
        prompt_model: dspy.LM | None = None,
        task_model: dspy.LM | None = None,
        techniques: Sequence[Technique] | None = None,
        acceptance: Acceptance | None = None,
        judging: Judge | None = None,
        auto: str | None = "light",
        budget: Budget | None = None,
        stopping: Stopping | None = None,
        batch_size: int | None = None,
        gradients: int | None = None,
        critic: bool | None = None,
        update: str = "all",
        parameters: Sequence[str] = INSTRUCTIONS,
        frozen: Sequence[str | re.Pattern[str]] = (),
        aim: Aim | str | None = None,
        controller: Controller | None = None,
        score_range: tuple[float, float] | None = (0.0, 1.0),
        num_threads: int | None = None,
        call_timeout: float | None = None,
        seed: int = 0,
        log_dir: str | os.PathLike[str] | None = None,
        on_record: Callable[[Record], None] | None = None,
        verbose: bool = True,
        review: Review | None = None,
        rates: Rates = None,
    ) -> None:
        super().__init__()
        defaults = default_settings()
        self.auto = auto
        self.settings = RunSettings(
            metric=metric,
            prompt_model=prompt_model,
            task_model=task_model,
            techniques=tuple(defaults["techniques"] if techniques is None else techniques),
            acceptance=defaults["acceptance"] if acceptance is None else acceptance,
            judging=defaults["judging"] if judging is None else judging,
            budget=resolve_budget(auto, budget),
            stopping=Stopping() if stopping is None else stopping,
            batch_size=batch_size,
            gradients=gradients,
            critic=critic,
            update=update,
            parameters=(parameters,) if isinstance(parameters, str) else tuple(parameters),
            frozen=(frozen,) if isinstance(frozen, (str, re.Pattern)) else tuple(frozen),
            controller=controller,
            score_range=tuple(score_range) if isinstance(score_range, list) else score_range,
            num_threads=num_threads,
            call_timeout=call_timeout,
            seed=seed,
            log_dir=log_dir,
            on_record=on_record,
            verbose=verbose,
            review=review,
            aim=as_aim(aim),
            rates=rates,
        )

    def get_params(self) -> dict[str, Any]:
        """The arguments, as a copy; of language models only the names."""
        params = {each.name: getattr(self.settings, each.name) for each in dataclasses.fields(self.settings)}
        models = {name: getattr(params[name], "model", None) for name in ("prompt_model", "task_model")}
        return {"auto": self.auto, **params, **models}

    def compile(
        self,
        student: dspy.Module,
        *,
        trainset: Sequence[dspy.Example],
        teacher: Any = None,
        valset: Sequence[dspy.Example] | None = None,
    ) -> dspy.Module:
        """Optimize a program's instructions.

        Args:
            student: The program; not changed.
            trainset: Examples to learn from, with their inputs marked.
            teacher: Not used: `dspy.BetterTogether` gives the one of another step to all; a warning says so.
            valset: Examples on which the result is chosen and the gain is measured, less those whose inputs are in the
                trainset. None splits some off the trainset (``EditJudge(holdout=)``); examples with the same inputs
                stay together. An empty list holds nothing out.

        Returns:
            A copy of the program with the best instructions found, never worse on the held-out examples than the
            student's. Its ``detailed_results`` is a `DLPOResult`.

        Raises:
            TypeError: If the student is no program, or the examples are none.
            ValueError: If the data do not fit the settings or the program, no language model is configured, or the
                budget does not pay for one step.
            ProgramError: If the program has no instructions to optimize, or fails on its first examples by the same
                mistake in its code.
            MetricError: If the metric fails on its first example, or on too many later and nothing better was found.
            ModelError: If a language model cannot be used at all, or no reply of the prompt model can, and nothing
                better was found.
            ControllerError: If the controller chooses what the settings refuse, and nothing better was found.
            ReviewError: If nobody answers whether an edit may stay; the same call with the same `log_dir` asks again.
            RunDirectoryError: If `log_dir` cannot be used, or its disk is full; the same call goes on from there.
            ResumeError: If `log_dir` holds a run of other settings, program, data or metric.
            Interrupted: If Ctrl-C is pressed a second time; it holds the best so far. The first Ctrl-C ends the run
                with the best so far.

        Errors of program, metric, models and controller hold what is known by then in ``.result``, and the same call
        with the same `log_dir` goes on. Where something better was found by then it is returned, with a warning and a
        word behind the verdict.
        """
        if teacher:
            logger.warning("teacher= is not used by this optimizer")
        return self._compilation(student, trainset, valset).run()

    async def acompile(
        self,
        student: dspy.Module,
        *,
        trainset: Sequence[dspy.Example],
        teacher: Any = None,
        valset: Sequence[dspy.Example] | None = None,
    ) -> dspy.Module:
        """Do what `compile` does, while the event loop goes on.

        The run has a thread of its own, under the caller's DSPy settings and context variables. What is async in it,
        the program, its tools or the metric, runs on the caller's event loop, so that clients that were opened there
        serve it; `compile` keeps one loop for each of its `num_threads` workers instead.

        Args:
            student: As for `compile`.
            trainset: As for `compile`.
            teacher: As for `compile`.
            valset: As for `compile`.

        Returns:
            The program that `compile` would return.

        Raises:
            asyncio.CancelledError: If the task is cancelled, by ``asyncio.timeout`` for example. Nothing further is
                sent, what is in flight is finished and written down, nothing is chosen, and the same call with the same
                `log_dir` goes on from there. To cancel once more ends the wait for what is in flight.
            DLPOError: What else `compile` raises.
        """
        from dspy_dlpo.run.background import in_background

        return await in_background(lambda: self.compile(student, trainset=trainset, teacher=teacher, valset=valset))

    def steps(
        self,
        student: dspy.Module,
        *,
        trainset: Sequence[dspy.Example],
        valset: Sequence[dspy.Example] | None = None,
    ) -> Steps:
        """Do what `compile` does, one record at a time, as far as the caller asks for the next.

        DSPy's callbacks of a compile hear nothing of it.

        Args:
            student: As for `compile`.
            trainset: As for `compile`.
            valset: As for `compile`.

        Returns:
            An iterator of every `Record` that `compile` would make, for ``for`` and ``async for``; its ``program`` is
            the one that `compile` would return. To ask for that earlier ends the run with the best so far.

        Raises:
            DLPOError: What `compile` raises before it spends anything; the rest is raised where it happens.
        """
        from dspy_dlpo.run.steps import Steps

        return Steps(self._compilation(student, trainset, valset))

    def _compilation(
        self, student: dspy.Module, trainset: Sequence[dspy.Example], valset: Sequence[dspy.Example] | None
    ) -> Compilation:
        """A run, checked, of which nothing is made yet."""
        # What only a run needs is imported for it.
        from dspy_dlpo.estimate.least_budget import check_budget
        from dspy_dlpo.run.compilation import Compilation
        from dspy_dlpo.run.preflight import Preflight
        from dspy_dlpo.run.reviewing import check_review

        check_review(self.settings.review)
        data = check_data(self.settings, trainset, valset)
        for note in data.notes:
            logger.warning("%s", note)
        preflight = Preflight(self.settings, student, data)
        check_budget(self.settings, student, data)
        return Compilation(self.settings, student, data, preflight)

    def estimate(
        self,
        student: dspy.Module,
        *,
        trainset: Sequence[dspy.Example],
        valset: Sequence[dspy.Example] | None = None,
        probe: int = 0,
    ) -> Estimate:
        """Tell what `compile` with the same arguments will cost, before anything is spent.

        Args:
            student: The program; not changed, and run only for probes.
            trainset: As for `compile`.
            valset: As for `compile`.
            probe: Runs of the program to make and to score, 0 to 3, so that its calls and tokens, and those of a metric
                that asks a model, are measured instead of counted from texts and guessed. They are paid for, and not
                part of the budget.

        Returns:
            Calls, tokens and money of both models as ranges. ``print`` shows a table.

        Raises:
            ValueError: If the data do not fit the settings, no language model is configured, `probe` is out of range or
                fails, or nothing but time limits the run and no probe tells how much of it a run takes.
            ProgramError: If the program has no instructions to optimize.
        """
        from dspy_dlpo.estimate.estimator import Estimator

        return Estimator(self.settings, student, check_data(self.settings, trainset, valset)).estimate(probe)
