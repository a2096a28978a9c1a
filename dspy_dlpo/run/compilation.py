"""One call of `compile`: the roles are wired to a program, its models and its data; nothing outlives the call."""

from __future__ import annotations

import logging
import math
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.core.budget import Account, Used
from dspy_dlpo.core.controller import controlled
from dspy_dlpo.core.copying import NoCopying
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError, ModelError, RunDirectoryError
from dspy_dlpo.core.history import History, Record, StepContext
from dspy_dlpo.core.languages import written_in
from dspy_dlpo.core.loop import FAILURES, TOLD, Run
from dspy_dlpo.core.memory import Memory, open_run
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.result import Comparison, DLPOResult
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.storage import RESULT, RunDirectory
from dspy_dlpo.host.answer_forms import answer_forms
from dspy_dlpo.host.answers import expected_answers
from dspy_dlpo.host.critic import Critic
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.evaluation import EvaluateCallbacks
from dspy_dlpo.host.feedback import PredictorFeedback
from dspy_dlpo.host.languages import keep_language
from dspy_dlpo.host.meter import Meter, Tally, summary
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.observing import Observer, label_lists
from dspy_dlpo.host.parameters import explained
from dspy_dlpo.host.prices import Prices
from dspy_dlpo.host.program import EvaluationCopies, demos_of, describe, fields_of, outputs_of, with_prompts
from dspy_dlpo.host.prompting import PromptModel
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.values import as_text
from dspy_dlpo.host.writer import Writer
from dspy_dlpo.run import selection
from dspy_dlpo.run.fingerprint import fingerprint
from dspy_dlpo.run.interrupt import Interrupted, StopSignals
from dspy_dlpo.run.log import log_shown
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.recorder import Recorder
from dspy_dlpo.run.reserve import planned_selection
from dspy_dlpo.run.settings import BATCH_SIZE, Data, Settings

logger = logging.getLogger(__name__)


class Compilation:
    """A student on its way to a better program.

    Args:
        settings: The optimizer's arguments.
        student: The program; not changed.
        data: Its examples.
        preflight: Program and models, checked.

    Raises:
        ValueError: If there is a file already that asks the run to end.
        ControllerError: If the controller chooses what the settings refuse.
        RunDirectoryError: If the run directory cannot be used.
    """

    def __init__(self, settings: Settings, student: dspy.Module, data: Data, preflight: Preflight) -> None:
        self._settings, self._student, self._data = settings, student, data
        self._start, self._predictors = preflight.prompts, preflight.predictors
        self._plan = self._planned(preflight)
        self._warnings = preflight.without_room()
        controlled(self._plan, StepContext(0, 0.0, History(), self._plan.seed, self._plan.examples))
        self._redact, self._task_models = Redactor(preflight.models), preflight.task_models
        self._meter = Meter(Prices(settings.budget.prices))
        self._copies = EvaluationCopies(student, settings.parameters, self._meter.listening)
        self._metric = MetricAdapter(settings.metric, settings.score_range)
        self._signals = StopSignals(self._stop_file())
        self._began, self._ran_before = time.monotonic(), 0.0
        self._directory, self._all_runs = None, list[RunCache]()
        if settings.log_dir is not None:
            self._directory = RunDirectory(settings.log_dir)
        try:
            self._wire(preflight)
        except BaseException:
            self._close()
            raise

    def _wire(self, preflight: Preflight) -> None:
        settings, memory = self._settings, Memory()
        if self._directory:
            known = fingerprint(settings, self._student, self._data, preflight.prompt_model, self._languages)
            memory = open_run(self._directory, known, settings.budget)
        self._memory = memory
        self._recorder = Recorder(self._directory, memory, self._meter, settings.on_record)
        self._metric.lowest = min(self._recorder.scores, default=None)
        self._ran_before = sum(record.seconds for record in memory.history)
        self._n_finalists, self._n_val = planned_selection(settings, self._data)
        self._account = self._opened_account()
        self._model = PromptModel(
            preflight.prompt_model,
            self._meter,
            settings.seed,
            num_threads=settings.threads,
            call_timeout=settings.call_timeout,
            redact=self._redact,
            hooks=self._recorder.ask_hooks(self._account.check),
        )
        self._run = self._wired_run()

    def run(self) -> dspy.Module:
        """Run, select, and return the program with its result.

        Raises:
            Interrupted: If Ctrl-C is pressed a second time.
        """
        result = None
        try:
            with self._shown(), written_in(self._languages), self._signals.watching():
                for sentence in self._warnings:
                    logger.warning("%s", sentence)
                with self._meter.listening.attached(self._task_models):
                    chosen = self._ran()
                program = self._returned(*chosen)
                result = program.detailed_results
                logger.info("%s; %s", result.ended, result.verdict)
                self._tell_failure(result)
            return program
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except DLPOError as error:
            result = error.result = result or self._failed_result(error)
            raise
        finally:
            self._close()
            on_end = getattr(self._settings.on_record, "on_end", None)
            if on_end is not None:
                on_end(result)

    def _shown(self) -> AbstractContextManager[None]:
        """Shows the log, unless the user's own progress bar is there."""
        return log_shown(self._settings.verbose and not getattr(self._settings.on_record, "shows_progress", False))

    def _ran(self) -> tuple[dict[str, str], Comparison, str]:
        run, account = self._run, self._account
        run.go()
        assert run.ended is not None
        self._ended_at = len(run.history)
        account.stop = lambda: None  # what remains is to choose
        self._recorder.on_end(self._ended_at, run.ended)
        return self._chosen(self._finalists())

    def _returned(self, chosen: dict[str, str], comparison: Comparison, uncompared: str = "") -> dspy.Module:
        result = self._result(chosen, comparison, uncompared)
        unscored = result.spent.get("unscored")
        if unscored and not result.ended_by.is_failure:  # the error tells it
            logger.warning("the metric gave no score in %d of %d runs", unscored, result.spent["metric_calls"])
        program = self._program(chosen)
        program.detailed_results = result
        if self._directory:
            try:
                self._directory.write_json(RESULT, result.to_dict())
            except RunDirectoryError as error:  # all that led to it is on the disk: the program is worth more
                logger.warning("%s", error)
        return program

    def _program(self, prompts: dict[str, str]) -> dspy.Module:
        return with_prompts(self._student, prompts, self._settings.parameters)

    def _interrupted(self) -> KeyboardInterrupt:
        """What is raised when Ctrl-C is pressed a second time: the best so far, without another call."""
        if not self._run.history:
            return KeyboardInterrupt()
        interrupted = Ending(EndedBy.INTERRUPTED)
        self._run.ended = self._run.ended or interrupted
        program = self._returned(self._best_judged(), Comparison(), str(interrupted))
        return Interrupted(program, program.detailed_results)

    def _tell_failure(self, result: DLPOResult) -> None:
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

    def _failed_result(self, error: DLPOError) -> DLPOResult | None:
        """What is known of a run that failed before its first record, or as it was to be recorded."""
        by = FAILURES.get(type(error))
        if by is None:
            return None
        self._run.ended = self._run.ended or Ending(by, str(error))
        return self._returned(self._start, Comparison()).detailed_results  # type: ignore[no-any-return]

    # --- the choice ------------------------------------------------------------------------------------------------

    def _chosen(self, candidates: list[dict[str, str]]) -> tuple[dict[str, str], Comparison, str]:
        """The best on the held-out examples, the comparison, and why there is none.

        Where nothing was held out, or the model died before it could be compared, it is the best on the judging set,
        and nothing is claimed. Where the run failed and nothing was found, nothing more is spent.
        """
        ended = self._run.ended
        if not candidates and ended is not None and ended.by.is_failure:
            return self._start, Comparison(), ""
        examples = self._val_examples()
        if examples:
            runs = self._runs("val", self._data.val)
            failures: list[DLPOError] = []
            told = EvaluateCallbacks(
                self._program, {x: self._data.val[x] for x in examples}, runs, self._settings.threads
            )
            scored = selection.compare(self._start, candidates, runs, examples, failures.append, told)
            if failures:  # how the steps ended is in the log already: a later call selects anew
                self._run.ended, self._run.error = Ending(FAILURES[type(failures[0])], str(failures[0])), failures[0]
            if len(scored) < 2 and candidates:
                why = str(failures[0]) if failures else "the budget did not pay for it"
                return self._best_judged(candidates), Comparison(), why
            chosen, comparison = selection.choose(scored, self._settings.seed)
            return chosen or self._start, comparison, ""
        if self._data.where:  # the budget leaves nothing to compare with
            return self._start, Comparison(), ""
        return self._best_judged(candidates, complete=True), Comparison(), ""

    def _best_judged(
        self, candidates: Sequence[dict[str, str]] | None = None, *, complete: bool = False
    ) -> dict[str, str]:
        """The best of the candidates on the judging set, or of all prompts that were judged to the end."""
        if candidates is None:
            candidates = [scored.prompts for scored in self._run.history.ranked()]
        scored = selection.judged(self._run, [self._start, *candidates], complete=complete)
        return selection.choose(scored, self._settings.seed)[0] or self._start

    def _val_examples(self) -> list[int]:
        """The held-out examples that the budget allows to compare on, drawn at random."""
        order = list(range(len(self._data.val)))
        random.Random(f"{self._settings.seed}/valset").shuffle(order)
        return sorted(order[: self._n_val])

    def _finalists(self) -> list[dict[str, str]]:
        """The best prompts of the run, the first of them pruned."""
        account, run = self._account, self._run
        for_val = (self._n_finalists + 1) * self._n_val
        # What an earlier process compared is part of this choice only if that had begun: where the user stopped that
        # process and steps went on, its finalists are not those of now.
        known = self._recorder.count_val(None if self._memory.plan else self._start)
        account.reserved = int(min(max(0, for_val - known), account.limit - account.spent))
        if self._memory.plan:  # it was settled: whatever else the budget pays for now, it is made from the log again
            account.stop = lambda: Ending(EndedBy.NOT_ENDED)
        chosen = selection.finalists(run, max(1, self._n_finalists))
        if chosen and self._settings.prunes and run.has_enough and run.ended_for_good:
            shorter = selection.prune(run, chosen[0], account.reserved)
            chosen = [shorter, *(each for each in chosen[1:] if each != shorter)]
        account.stop = lambda: None
        account.release()
        self._settle_plan(chosen)
        return [prompts for prompts in chosen if prompts != self._start][: max(1, self._n_finalists)]

    def _settle_plan(self, chosen: Sequence[dict[str, str]]) -> None:
        """Compare less where the resources other than program runs do not pay for what was planned."""
        if self._memory.plan is not None:
            self._n_finalists, self._n_val = self._memory.plan
            return
        runs = self._account.affordable() + sum(map(self._recorder.count_val, [self._start, *chosen]))
        if runs < (self._n_finalists + 1) * self._n_val:
            self._n_finalists, self._n_val = selection.within(runs, len(self._data.val), self._n_finalists)
        if self._run.ended_for_good:
            self._recorder.on_plan(self._ended_at, self._n_finalists, self._n_val)

    def _result(self, chosen: dict[str, str], comparison: Comparison, uncompared: str) -> DLPOResult:
        ended = self._run.ended or Ending(EndedBy.NOT_ENDED)
        said = selection.verdict(
            comparison,
            changed=chosen != self._start,
            score_range=self._settings.score_range,
            where=self._data.where if uncompared else self._where(),
            uncompared=uncompared,
            failed=ended.by.is_failure,
        )
        return DLPOResult(
            verdict=" ".join([said, *(f"({remark})" for remark in self._remarks(told=bool(uncompared)))]),
            start_prompts=self._start,
            best_prompts=chosen,
            comparison=comparison,
            history=self._run.history,
            spent=self._bill(),
            ended=str(ended),
            ended_by=ended.by,
            log_dir=str(self._directory.path) if self._directory else None,
            complete=self._run.ended_for_good and not uncompared,
            parameters=self._settings.parameters,
            languages=tuple(self._languages),
        )

    def _remarks(self, *, told: bool) -> list[str]:
        """What the user must know beside the verdict, each in words; `told` if that says already what failed."""
        ended, made = self._run.ended, sum(map(len, self._all_runs))
        failed = ended is not None and ended.by.is_failure and not told
        remarks = [*([f"the run ended early: {str(ended).rstrip('.')}"] if failed else []), *self._data.notes]
        unscored = sum(runs.unscored for runs in self._all_runs)
        remarks += [f"the metric gave no score on {unscored} of {made} runs"] if unscored else []
        failures = sum((runs.failures() for runs in self._all_runs), Counter[str]())
        remarks += [f"{count} of {made} runs raised {what}" for what, count in failures.most_common(TOLD)]
        steps = self._run.history.steps()
        faults = sum(step.fault is not None for step in steps)
        if 2 * faults > len(steps) and not failed:
            remarks.append(f"{faults} of {len(steps)} steps had no usable reply of the prompt model")
        if not steps and ended is not None and ended.by is EndedBy.BUDGET:
            remarks.append("the budget ended before the first step was done")
        return remarks

    def _where(self) -> str:
        """What was compared on, in words."""
        total, where = len(self._data.val), self._data.where
        if self._n_val == total or not where:
            return where
        return f"{self._n_val} of {total} valset examples" if where == "valset" else f"{self._n_val} of {where}"

    # --- wiring ----------------------------------------------------------------------------------------------------

    def _opened_account(self) -> Account:
        settings = self._settings
        account = Account(
            settings.budget,
            (self._n_finalists + 1) * self._n_val,
            kept=settings.judging.width or settings.judging.wave,
            used=self._used,
        )
        account.stop = lambda: self._signals.ending
        self._recorder.take_up(account)
        account.reserved = max(0, account.reserved - self._recorder.count_val(self._start))
        return account

    def _planned(self, preflight: Preflight) -> Plan:
        settings = self._settings
        inputs = [" ".join(as_text(example.inputs()).values()) for example in self._data.train]
        labels = [" ".join(as_text(example.labels()).values()) for example in self._data.train]
        keeping = {name: keep_language(self._start[name], inputs) for name in self._predictors}
        self._languages = sorted({each for keep in keeping.values() for each in keep.languages})
        frozen = {name: preflight.freezing(name) for name in self._predictors}
        copying = NoCopying(inputs, labels)
        return Plan(
            techniques=settings.techniques,
            acceptance=settings.acceptance,
            judging=settings.judging,
            stopping=settings.stopping,
            batch_size=settings.batch_size or min(BATCH_SIZE, len(self._data.train)),
            gradients=settings.n_gradients(len(self._predictors)),
            update=settings.update,
            seed=settings.seed,
            high=settings.score_range[1] if settings.score_range else None,
            low=settings.low_high[0],
            constraints={name: (own, copying, *needed, keeping[name]) for name, (own, *needed) in frozen.items()},
            examples=[" ".join(f"{text} -> {label}".split()) for text, label in zip(inputs, labels, strict=True)],
            controller=settings.controller,
        )

    def _wired_run(self) -> Run:
        settings = self._settings
        about = [explained(settings.parameters)] if explained(settings.parameters) else []
        modules = {name: "\n".join([fields_of(self._student, name), *about]) for name in self._predictors}
        account = "\n".join([describe(self._student), *about])
        labels = [as_text(example.labels()) for example in self._data.train]
        expected = expected_answers(labels)

        def judged() -> Sequence[Row]:
            return self._run.judged_rows()

        critic = Critic(
            self._model,
            account,
            self._predictors,
            demos_of(self._student),
            expected=expected,
            judged=judged,
            high=self._plan.high,
            seed=settings.seed,
            asks=settings.asks_critic(len(self._predictors)),
        )
        whole = settings.judging.proposals == "prompts"
        feedback = self._feedback()
        writer = Writer(self._model, modules, self._start, whole, critic.evidence)

        def on_record(record: Record) -> None:
            self._recorder.on_record(record)
            feedback.forget_others(record.proposal if record.accepted else record.prompts)

        return Run(
            plan=self._plan,
            start=self._start,
            runs=self._runs("train", self._data.train, feedback),
            feedback=feedback,
            critique=critic,
            write=writer,
            forms=writer.forms,
            observe=Observer(
                [*label_lists(expected), *answer_forms(labels)],
                outputs_of(self._student, self._predictors),
                judged,
                self._plan.high,
            ),
            spent=self._spent,
            clock=time.monotonic,
            on_record=on_record,
            history=History(self._memory.history),
            ended=self._memory.ended,
            since=self._memory.since,
        )

    def _feedback(self) -> PredictorFeedback:
        settings = self._settings
        return PredictorFeedback(
            self._metric,
            self._data.train,
            self._copies,
            self._meter,
            self._predictors,
            limit=settings.budget.feedback_calls,
            task_model=settings.task_model,
            num_threads=settings.threads,
            call_timeout=settings.call_timeout,
            redact=self._redact,
            hooks=self._recorder.feedback_hooks("train", self._account.may_start),
        )

    def _runs(
        self, which: str, examples: Sequence[dspy.Example], feedback: PredictorFeedback | None = None
    ) -> RunCache:
        settings = self._settings
        evaluator = Evaluator(
            self._copies,
            examples,
            self._metric,
            self._meter,
            low=settings.score_range[0] if settings.score_range else None,
            task_model=settings.task_model,
            num_threads=settings.threads,
            call_timeout=settings.call_timeout,
            redact=self._redact,
            hooks=self._recorder.hooks(which, self._account.may_start),
            feedback=feedback,
        )
        judging = settings.judging
        runs = RunCache(
            evaluator,
            self._account,
            judging.wave,
            lambda request: self._recorder.is_recorded(which, request),
            width=self._width(),
            low=settings.score_range[0] if settings.score_range else None,
        )
        self._all_runs.append(runs)
        self._recorder.restore(which, runs)
        return runs

    def _width(self) -> int | None:
        """How many runs go out together: with a run directory no more than are kept for a crash, but one wave."""
        judging = self._settings.judging
        if self._directory is None:
            return judging.width
        return max(judging.wave, min(judging.width or judging.wave, self._account.kept))

    def _stop_file(self) -> Path | None:
        path, log_dir = self._settings.stopping.stop_file, self._settings.log_dir
        if path is not None:
            return Path(path)
        return None if log_dir is None else Path(log_dir) / "stop"

    def _close(self) -> None:
        if self._directory:
            self._directory.close()

    # --- what was spent --------------------------------------------------------------------------------------------

    def _spent(self) -> Mapping[str, float]:
        """Running totals: program runs, and calls, tokens and money (if every price is known) over all roles."""
        totals = self._meter.tallies()
        spent = {"metric_calls": float(self._account.spent)}
        for role in ("task", "critic", "writer"):
            spent[f"{role}_calls"] = float(totals.get(role, Tally()).calls)
        for side in ("input_tokens", "output_tokens"):
            spent[side] = float(sum(getattr(tally, side) for tally in totals.values()))
        if not any(tally.unpriced for tally in totals.values()):
            spent["usd"] = math.fsum(tally.usd for tally in totals.values())
        return spent

    def _bill(self) -> dict[str, Any]:
        """What was spent in all, by earlier processes too: program runs, calls of the metric, and models by role."""
        totals = self._meter.tallies()
        for role, tally in self._recorder.unclaimed.items():
            totals.setdefault(role, Tally()).add(tally)
        judge = totals.get("metric", Tally())
        roles = {role: summary(each) for role, each in sorted(totals.items()) if each is not judge or each.calls}
        money = [each["usd"] for each in roles.values()]
        bill = {
            "metric_calls": self._account.paid,
            "scoring_calls": judge.scoring_calls,
            "feedback_calls": judge.feedback_calls,
            "usd": None if None in money else math.fsum(money),
            "seconds": self._seconds(),
            **roles,
        }
        unscored = sum(runs.unscored for runs in self._all_runs)
        if unscored:
            bill["unscored"] = unscored
        if self._memory.lost_runs or self._memory.lost_asks:
            bill["lost"] = {"metric_calls": self._memory.lost_runs, "prompt_calls": self._memory.lost_asks}
        return bill

    def _seconds(self) -> float:
        return self._ran_before + time.monotonic() - self._began

    def _used(self) -> Used:
        """What was used of the resources other than program runs."""
        runs, tallies = max(1, self._account.spent), self._meter.tallies()
        by_runs = _resources(tallies.get(role, Tally()) for role in ("task", "metric"))
        each = {name: used / runs for name, used in by_runs.items()}
        recorded = _resources(self._recorder.unclaimed.values())
        seconds = self._seconds()
        return Used(
            {**_resources(tallies.values()), "seconds": seconds},
            {**each, "seconds": seconds / runs if self._account.spent else 0.0},
            {**recorded, "lm_calls": recorded["lm_calls"] + self._memory.lost_asks},
        )


def _resources(tallies: Any) -> dict[str, float]:
    """Calls that no cache answered, tokens and money; infinite where they cannot be told."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return {
        "lm_calls": float(total.calls - total.cache_hits),
        "tokens": math.inf if total.unreported else float(total.input_tokens + total.output_tokens),
        "usd": math.inf if total.unpriced else total.usd,
    }
