"""What a user gets of a run: the program and the result, or what is known where it ended early."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import dspy

from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError, ModelError, RunDirectoryError
from dspy_dlpo.core.history import digits_of
from dspy_dlpo.core.loop import FAILURES, TOLD, Run
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.core.run_costs import judged_costs
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.storage import RESULT, RunDirectory
from dspy_dlpo.run import selection
from dspy_dlpo.run.choice import Chosen, Selection
from dspy_dlpo.run.expenses import Expenses
from dspy_dlpo.run.interrupt import Interrupted
from dspy_dlpo.run.lengths import length_remark
from dspy_dlpo.run.noise import noise_remark
from dspy_dlpo.run.setup import Setup

logger = logging.getLogger(__name__)


class Delivery:
    """Makes what a user gets.

    Args:
        setup: What the run was given.
        run: The run.
        choice: Chooses what is returned.
        expenses: What was spent.
        caches: The runs that were made; more may come.
        directory: Where the result is written; None for nowhere.
    """

    def __init__(
        self,
        setup: Setup,
        run: Run,
        choice: Selection,
        expenses: Expenses,
        caches: Sequence[RunCache],
        directory: RunDirectory | None,
    ) -> None:
        self._setup, self._run, self._choice, self._expenses = setup, run, choice, expenses
        self._caches, self._directory = caches, directory

    def program(self, chosen: Chosen) -> dspy.Module:
        """The program with its result, which is written down."""
        result = self._result(chosen)
        unscored = result.spent.get("unscored")
        if unscored and not result.ended_by.is_failure:  # the error tells it
            logger.warning("the metric gave no score in %d of %d runs", unscored, result.spent["metric_calls"])
        program = self._setup.program(chosen.prompts)
        program.detailed_results = result
        if self._directory:
            try:
                self._directory.write_json(RESULT, result.to_dict())
            except RunDirectoryError as error:  # all that led to it is on the disk: the program is worth more
                logger.warning("%s", error)
        return program

    def interrupted(self) -> KeyboardInterrupt:
        """What is raised when Ctrl-C is pressed a second time: the best so far, without another call."""
        if not self._run.history:
            return KeyboardInterrupt()
        interrupted = Ending(EndedBy.INTERRUPTED)
        self._run.ended = self._run.ended or interrupted
        program = self.program(Chosen(self._choice.best_judged(), uncompared=str(interrupted)))
        return Interrupted(program, program.detailed_results)

    def failed(self, error: DLPOError) -> DLPOResult | None:
        """What is known of a run that failed before its first record, or as it was to be recorded."""
        by = FAILURES.get(type(error))
        if by is None:
            return None
        self._run.ended = self._run.ended or Ending(by, str(error))
        return self.program(Chosen(self._setup.start)).detailed_results  # type: ignore[no-any-return]

    def tell_failure(self, result: DLPOResult) -> None:
        """Raise what ended the run if it found nothing better; warn of it if it did.

        Raises:
            DLPOError: What failed.
        """
        ended = self._run.ended
        if ended is None or not ended.by.is_failure:
            return
        if result.best_prompts == result.start_prompts:
            raise self._run.error or ModelError(f"{ended}.")
        logger.warning("the run ended early, and the best so far is returned: %s", ended)

    def _result(self, chosen: Chosen) -> DLPOResult:
        setup, run, caches = self._setup, self._run, self._caches
        ended, settings = run.ended or Ending(EndedBy.NOT_ENDED), setup.settings
        said = selection.verdict(
            chosen.comparison,
            changed=chosen.prompts != setup.start,
            score_range=settings.score_range,
            where=setup.data.where if chosen.uncompared else self._choice.where(),
            uncompared=chosen.uncompared,
            failed=ended.by.is_failure,
            digits=digits_of(run.history),
        )
        unscored = sum(runs.unscored for runs in caches)
        bill = self._expenses.bill()
        remarks = _remarks(setup, run, caches, told=bool(chosen.uncompared))
        # Only of a metric that asks a model: what code scores is not swayed by length unless it is meant to be.
        longer = length_remark(chosen.pairs) if "metric" in bill and chosen.prompts != setup.start else ""
        result = DLPOResult(
            verdict=said,
            start_prompts=setup.start,
            best_prompts=chosen.prompts,
            comparison=chosen.comparison,
            history=run.history,
            spent={**bill, **({"unscored": unscored} if unscored else {})},
            ended=str(ended),
            ended_by=ended.by,
            log_dir=None if settings.log_dir is None else str(settings.log_dir),
            complete=run.ended_for_good and not chosen.uncompared,
            parameters=settings.parameters,
            languages=tuple(setup.languages),
            declined=tuple(run.declined),
            metric_noise=settings.judging.metric_noise,
            run_usd=judged_costs(run.runs.account.log.state),
        )
        remarks += filter(None, [longer, noise_remark(result, settings.score_range), chosen.remark])
        return replace(result, verdict=" ".join([said, *(f"({remark})" for remark in remarks)]))


def _remarks(setup: Setup, run: Run, caches: Sequence[RunCache], *, told: bool) -> list[str]:
    """What the user must know beside the verdict, each in words; `told` if that says already what failed."""
    ended, made = run.ended, sum(map(len, caches))
    failed = ended is not None and ended.by.is_failure and not told
    remarks = [*([f"the run ended early: {str(ended).rstrip('.')}"] if failed else []), *setup.data.notes]
    unscored = sum(runs.unscored for runs in caches)
    remarks += [f"the metric gave no score on {unscored} of {made} runs"] if unscored else []
    judged = [(record.proposal, tuple(record.scores)) for record in run.history if record.complete]
    undefined = sum(runs.unscored_sets(judged if runs is run.runs else None) for runs in caches)
    remarks += [f"the metric gave no score for {undefined} sets, which count as the lowest"] if undefined else []
    failures = sum((runs.failures() for runs in caches), Counter[str]())
    remarks += [f"{count} of {made} runs raised {what}" for what, count in failures.most_common(TOLD)]
    steps = run.history.steps()
    faults = sum(step.fault is not None for step in steps)
    if 2 * faults > len(steps) and not failed:
        remarks.append(f"{faults} of {len(steps)} steps had no usable reply of the prompt model")
    if not steps and ended is not None and ended.by is EndedBy.BUDGET:
        remarks.append("the budget ended before the first step was done")
    return remarks
