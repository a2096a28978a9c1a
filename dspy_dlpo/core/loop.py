"""The run: steps, trials and growths of the judging set until the budget ends. It knows no technique by name."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dspy_dlpo.core.acceptance import TOLERANCE, Bar
from dspy_dlpo.core.asking import Written, written
from dspy_dlpo.core.budget import BudgetSpent, RunEnds
from dspy_dlpo.core.controller import controlled
from dspy_dlpo.core.edits import Edit, Edits
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import ControllerError, DLPOError, MetricError, ModelError, ProgramError, ReviewError
from dspy_dlpo.core.halving import CutShort, Judged
from dspy_dlpo.core.history import (
    History,
    LedgerEntry,
    Prompts,
    Record,
    RecordKind,
    StepContext,
    judging_set,
    ledger_as_one,
)
from dspy_dlpo.core.judges import Rules, first_judged
from dspy_dlpo.core.judging import Incumbent, Judgement
from dspy_dlpo.core.observed import judge_observed
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.request import admit, fault_of, request, why_nothing
from dspy_dlpo.core.review import Approve, Suggestion, reviewed
from dspy_dlpo.core.roles import Critique, Feedback, Observation, Observe, Row, RunRequest, Write
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.core.trials import next_deletions
from dspy_dlpo.core.turns import blamed, shared, whose_turn
from dspy_dlpo.core.update import TextGradient, Update

logger = logging.getLogger(__name__)

# What may fail for good, and how a run has ended then.
FAILURES: Mapping[type[DLPOError], EndedBy] = {
    ModelError: EndedBy.MODEL,
    MetricError: EndedBy.METRIC,
    ControllerError: EndedBy.CONTROLLER,
    ProgramError: EndedBy.PROGRAM,
    ReviewError: EndedBy.REVIEW,
}
# So many different causes of steps without edits are told.
TOLD = 3


@dataclass
class Run:
    """A run in progress: its plan, its roles, and its history.

    Args:
        plan: What determines it.
        start: The user's own prompts, by predictor.
        runs: The runs of the program on the training examples.
        critique: The critic.
        write: The writer.
        spent: Gives the running totals of what was spent.
        clock: Gives seconds.
        on_record: Told of every record.
        history: What was done before, by an earlier process.
        ended: How the steps ended; None while they go on.
        since: Records of an earlier process that gave up for want of usable replies; they are not counted again.
        feedback: Completes the runs that the critic is shown.
        forms: The forms that the writer can be asked in, the first first.
        observe: Sees in runs what neither critic nor writer need be asked about.
        approve: Asks a person about the edits of each step; None to ask nobody.
        declined: Edits that a person declined after an earlier process had ended.
    """

    plan: Plan
    start: Prompts
    runs: RunCache
    critique: Critique
    write: Write
    spent: Callable[[], Mapping[str, float]] = dict
    clock: Callable[[], float] = lambda: 0.0
    on_record: Callable[[Record], None] = lambda record: None
    history: History = field(default_factory=History)
    ended: Ending | None = None
    since: int = 0
    error: DLPOError | None = None  # what ended the steps, where something failed
    feedback: Feedback = lambda requests, rows: rows
    forms: Sequence[str] = ("",)
    observe: Observe = lambda prompts: ()
    approve: Approve | None = None
    declined: Sequence[Edit] = ()

    @property
    def judging_set(self) -> tuple[int, ...]:
        """The judging set: what the start and the growths drew."""
        return judging_set(self.history)

    @property
    def has_enough(self) -> bool:
        """Whether the judging set is large enough to tell that a sentence has no effect."""
        return len(self.judging_set) >= min(THRESHOLDS.enough, len(self.plan.examples))

    @property
    def progress(self) -> float:
        """The run's clock, 0 to 1."""
        limit = self.plan.stopping.max_steps
        return min(1.0, max(0, len(self.history) - 1) / limit) if limit else self.runs.account.progress

    @property
    def prompts(self) -> Prompts:
        """The prompts in force."""
        return self.history.current(self.start)

    @property
    def ended_for_good(self) -> bool:
        """Whether a later process need not go on with steps: nothing failed, and nobody asked for it."""
        return self.ended is not None and self.ended.by.is_for_good

    def judged_rows(self) -> list[Row]:
        """All runs of the prompts in force on the judging set."""
        return self.runs.told(self.prompts, sorted(self.judging_set), self.judging_set)

    def incumbent(self, prompts: Prompts | None = None) -> Incumbent:
        """What a proposal is compared with: the prompts in force, or others."""
        in_force = self.prompts if prompts is None else prompts
        return Incumbent(self.runs, in_force, self.judging_set, self.plan.high, self.plan.low)

    def context(self) -> StepContext:
        """What techniques may know of the step at hand."""
        return StepContext(len(self.history), self.progress, self.history, self.plan.seed, self.plan.examples)

    def records(self) -> Iterator[Record]:
        """Make one record after the other, to the end of the budget, and say in `ended` why it ended.

        A model that fails for good ends it too, and so does an illegal choice of the controller. Between two records
        nothing is in flight.
        """
        begins = not self.history
        while begins or self.ended is None:
            begins, made = False, len(self.history)
            self._go_on()
            yield from self.history[made:]
        steps = self.history.steps()
        if self.ended is not None and self.ended.by.is_for_good and steps and all(step.fault for step in steps):
            self.ended = unusable(steps)

    def _go_on(self) -> None:
        """Do what comes next, if nothing ends the run."""
        try:
            if self.history:
                self._advance()
            else:
                self._add(self._opening)
        except RunEnds as end:
            self.ended = end.ending
        except tuple(FAILURES) as error:
            if not self.history:
                raise
            self.ended, self.error = Ending(FAILURES[type(error)], str(error)), error

    def _advance(self) -> None:
        """Do what comes next."""
        self._ask_again()
        incumbent, limit = self.incumbent(), self.plan.stopping.max_steps
        if limit is not None and len(self.history) > limit:
            self.ended = Ending(EndedBy.MAX_STEPS, str(limit))
        elif self._target_is_reached(incumbent):
            self.ended = Ending(EndedBy.TARGET, f"{self.plan.stopping.target:g}")
        elif self._patience_is_over():
            self.ended = Ending(EndedBy.PATIENCE, str(self.plan.stopping.patience))
        elif self._is_idle():
            self.ended = idle_ending(self.history[-THRESHOLDS.idle :], self.history.steps())
        elif (seen := self._observed()) is not None:
            self._add(lambda: self._trial(seen.edits, seen))
        elif self._growth_is_due(incumbent):
            self._add(self._growth)
        elif self._trials_are_due(incumbent) and (deletions := self._deletions(self.prompts)):
            self._add(lambda: self._trial(deletions))
        elif incumbent.failing():
            self._add(self._step)
        else:
            silent = len(self._unanswered(incumbent.examples))
            self.ended = Ending(EndedBy.SOLVED, f", but {silent} were not answered" if silent else "")

    def _ask_again(self) -> None:
        """Try once more what the prompts in force have lost in transport; not for ever, as some may never answer."""
        lost = self._unanswered(self.judging_set)
        self.runs.ensure([(self.prompts, x) for x in lost if len(self.runs.rows(self.prompts, x)) < THRESHOLDS.tries])

    def _unanswered(self, examples: Sequence[int]) -> list[int]:
        """The examples on which every run of the prompts in force was lost in transport."""
        runs, prompts = self.runs, self.prompts
        return [x for x in examples if not runs.has_score(prompts, x) and not runs.is_unscored(prompts, x)]

    def _target_is_reached(self, incumbent: Incumbent) -> bool:
        target = self.plan.stopping.target
        return target is not None and incumbent.mean >= target - TOLERANCE and self.has_enough

    def _patience_is_over(self) -> bool:
        patience, steps = self.plan.stopping.patience, self.history.steps()
        return patience is not None and len(steps) >= patience and not any(each.gained for each in steps[-patience:])

    def _add(self, make: Callable[[], Record]) -> None:
        began = self.clock()
        record = make()
        seconds, cost = self.clock() - began, self.runs.account.spent
        record = replace(record, spent=dict(self.spent()), cost=cost, seconds=seconds)
        self.history = History([*self.history, record])
        logger.info("%s", line_of(record))
        self.on_record(record)

    def _record(self, kind: RecordKind, **fields: object) -> Record:
        of_set = self.runs.scores_sets
        base = Record(kind, len(self.history), self.progress, self.prompts, self.prompts, of_set=of_set)
        return replace(base, **fields)  # type: ignore[arg-type]

    def _is_idle(self) -> bool:
        recent = self.history[max(self.since - 1, len(self.history) - THRESHOLDS.idle - 1) :]
        costs = {record.cost for record in recent}
        return len(recent) > THRESHOLDS.idle and len(costs) == 1

    # --- the judging set -------------------------------------------------------------------------------------------

    def _opening(self) -> Record:
        first = first_judged(self.plan.judging, len(self.plan.examples), of_sets=self.runs.scores_sets)
        return self._enlarged(RecordKind.START, first)

    def _growth(self) -> Record:
        size, all_examples = 2 * len(self.judging_set), len(self.plan.examples)
        return self._enlarged(RecordKind.GROWTH, size if size < THRESHOLDS.nearly_all * all_examples else all_examples)

    def _enlarged(self, kind: RecordKind, size: int) -> Record:
        """Draw more examples, and run the prompts in force, and the best ever, on them."""
        began = self.progress
        order = list(range(len(self.plan.examples)))
        StepContext(0, 0.0, History(), self.plan.seed).rng("judging set").shuffle(order)
        batch = tuple(order[len(self.judging_set) : size])
        judging_set = (*self.judging_set, *batch)
        best = self.history.best()
        kept = [self.prompts] if best is None or best.prompts == self.prompts else [self.prompts, best.prompts]
        if kind == RecordKind.START:
            self._try_out(batch)
        self.runs.ensure([(prompts, x) for prompts in kept for x in batch])
        means = self.runs.means(self.prompts, judging_set)
        if not means:
            errors = [row.error for row in self._rows(batch)] or ["nothing was asked"]
            raise ModelError(f"No call of the task model was answered: {errors[-1]}")
        score = math.fsum(means.values()) / max(1, len(means))
        scores = self.runs.all_scores(self.prompts, judging_set)
        silent = len(self._unanswered(judging_set))
        unanswered = f", {silent} unanswered" if silent else ""
        reason = Why.JUDGING_SET.because(len(judging_set), f"{score:.3f}", unanswered)
        record = self._record(kind, batch=batch, scores=scores, complete=True, score=score, reason=reason)
        return replace(record, progress=began, accepted=kind == RecordKind.START)

    def _try_out(self, batch: Sequence[int]) -> None:
        """Make the first runs: a metric or a program that does not work shows before more is paid for.

        Raises:
            ProgramError: If all of `Thresholds.broken` runs fail by the same mistake in the program's code.
        """
        self.runs.ensure([(self.prompts, batch[0])])
        self.runs.try_metric(self.prompts, batch[0])
        if not (any(row.mistake for row in self._rows(batch)) and self.plan.stopping.broken_program):
            return
        first = batch[: THRESHOLDS.broken]
        self.runs.ensure([(self.prompts, x) for x in first])
        rows = [row for row in self._rows(first) if row.is_answered]
        mistakes = {row.mistake for row in rows}
        if len(rows) >= len(first) and len(mistakes) == 1 and all(mistakes):
            raise ProgramError(
                f"The program failed on all of its first {len(rows)} examples by the same mistake, which no "
                f"instructions could mend: {rows[0].mistake}: {rows[0].error}. Mend the program, or pass "
                "Stopping(broken_program=False) to go on all the same."
            )

    def _rows(self, examples: Sequence[int]) -> list[Row]:
        """The runs of the prompts in force on some examples."""
        return [row for x in examples for row in self.runs.rows(self.prompts, x)]

    def _growth_is_due(self, incumbent: Incumbent) -> bool:
        if len(incumbent.examples) >= len(self.plan.examples):
            return False
        since = 0
        for record in reversed(self.history):
            if record.kind.enlarges or (record.kind == RecordKind.STEP and record.gained):
                break
            since += record.kind == RecordKind.STEP
        target = self.plan.stopping.target
        aimed = target is not None and incumbent.mean >= target - TOLERANCE  # on few examples that may be luck
        return aimed or not incumbent.failing() or since >= THRESHOLDS.stalled

    # --- trials ----------------------------------------------------------------------------------------------------

    def _trials_are_due(self, incumbent: Incumbent) -> bool:
        """Whether the first gains have slowed down; while examples still fail, steps and trials take turns."""
        enough = min(THRESHOLDS.enough_for_trials, len(self.plan.examples))
        if not self.plan.judging.trials or len(self.judging_set) < enough:
            return False
        slow = sum(not record.gained for record in self.history.steps()[-3:]) >= THRESHOLDS.slow
        return not incumbent.failing() or (slow and self.history[-1].kind != RecordKind.TRIAL)

    def _deletions(self, prompts: Prompts, since: int | None = None) -> Edits:
        own = len(self.judging_set) >= THRESHOLDS.enough_for_own
        return next_deletions(prompts, self.history, self.plan.constraints, own=own, since=since)

    def _without(self, incumbent: Incumbent, deletions: Edits) -> Judged:
        """Try prompts without sentences: what is no worse is kept."""
        return self.plan.judging.judge(incumbent, deletions, Bar(incumbent.mean, strict=False), Rules())

    def _trial(self, offered: Edits, seen: Observation | None = None) -> Record:
        """Try edits that no writer was asked for, as far as a person lets them pass.

        Args:
            offered: Deletions, or the edits of an observation.
            seen: The observation.
        """
        edits, declined = self._approved(offered, self.prompts)
        known: dict[str, object] = {} if seen is None else {"gradients": (seen.gradient,)}
        if not edits:
            return self._record(RecordKind.TRIAL, reason=Why.DECLINED.because(), ledger=declined, **known)
        incumbent, began = self.incumbent(), self.progress
        bar = Bar(incumbent.mean, strict=False)
        if seen is None:
            prompts, judgement, ledger = self._without(incumbent, edits)
        else:
            prompts, judgement, ledger = judge_observed(incumbent, replace(seen, edits=edits), self.plan.judging)
            known["edits"] = edits
        known |= {"progress": began, "base": incumbent.mean, "ledger": (*ledger, *declined)}
        return self._judged(RecordKind.TRIAL, prompts, judgement, bar, **known)

    def _observed(self) -> Observation | None:
        """What the runs show by themselves, with untried edits that break no rule of a step."""
        offered = self.observe(self.prompts) if self.plan.judging.trials else ()
        if not offered:
            return None
        tried = {(entry.edit.predictor, entry.edit.text) for record in self.history for entry in record.ledger}
        for seen in offered:
            fresh = tuple(edit for edit in seen.edits if (edit.predictor, edit.text) not in tried)
            if fresh and (admitted := self._admitted(fresh, seen.gradient)):
                return replace(seen, edits=admitted)
        return None

    def _admitted(self, edits: Edits, gradient: TextGradient) -> Edits:
        """Those of some edits that the rules of a step admit."""
        update = request(self.plan, self.prompts[gradient.predictor], gradient, self.context())
        return admit(update, edits)[0]

    def prune_one(self, prompts: Prompts, began: int) -> Prompts | None:
        """Try to delete sentences of finished prompts that were not tried since record `began`.

        Returns:
            The prompts after the trial, changed or not; None when every sentence was tried.
        """
        deletions = self._deletions(prompts, since=began)
        if not deletions:
            return None
        edits, declined = self._approved(deletions, prompts)
        if not edits:
            pruning = self._record(RecordKind.PRUNE, reason=Why.DECLINED.because(), ledger=declined)
            self._add(lambda: replace(pruning, prompts=prompts, proposal=prompts))
            return prompts
        incumbent, began_at = self.incumbent(prompts), self.progress
        shorter, judgement, entries = self._without(incumbent, edits)
        bar, ledger = Bar(incumbent.mean, strict=False), (*entries, *declined)
        record = self._judged(
            RecordKind.PRUNE, shorter, judgement, bar, progress=began_at, base=incumbent.mean, ledger=ledger
        )
        self._add(lambda: replace(record, prompts=prompts))
        return shorter if judgement.passed else prompts

    # --- steps -----------------------------------------------------------------------------------------------------

    def _step(self) -> Record:
        """One step of textual gradient descent."""
        ctx = self.context()
        plan, chosen = controlled(self.plan, ctx)
        batch = self._batch(self.incumbent(), ctx, plan.batch_size)
        parts = blamed([self._gradients(part, ctx) for part in shared(batch, plan.gradients)])
        turns = whose_turn(plan.update, [each for part in parts for each in part], self.history)
        updates = [
            replace(request(plan, self.prompts[each.predictor], each, ctx, self.declined), part=i)
            for i, part in enumerate(parts)
            for each in part
            if each.predictor in turns
        ]
        answer = written(self.write, updates, self.forms, ctx)
        answer, declined = self._passed(answer, updates)
        edits, replies = answer.edits, answer.replies
        gradients = tuple(
            gradient if gradient.text else replace(gradient, text=reply.critique)
            for update, reply in zip(updates, replies, strict=True)
            for gradient in update.gradients
        )
        seen: dict[str, object] = {
            "progress": ctx.progress,
            "chosen": chosen,
            "batch": batch,
            "gradients": gradients,
            "notes": {update.predictor: update.notes for update in updates},
            "edits": edits,
            "dropped": answer.dropped,
            "asked": answer.asked,
        }
        if not edits:
            if declined:
                return self._record(RecordKind.STEP, reason=Why.DECLINED.because(), ledger=declined, **seen)
            seen["fault"] = fault_of(gradients, replies)
            return self._record(RecordKind.STEP, reason=why_nothing(gradients, replies, answer.dropped), **seen)
        incumbent = self.incumbent()
        bar = plan.acceptance.bar(list(incumbent.scores.values()), ctx)
        seen["base"] = incumbent.mean
        rules = Rules(lambda part: _legal(updates, part), self._must_pay)
        try:
            prompts, judgement, ledger = plan.judging.judge(incumbent, edits, bar, rules)
        except CutShort as end:
            best, known, entries = end.judged
            self._add(lambda: self._judged(RecordKind.STEP, best, known, bar, ledger=(*entries, *declined), **seen))
            raise
        except BudgetSpent:
            self._add(lambda: self._record(RecordKind.STEP, reason=Why.BUDGET_ENDED.because(), ledger=declined, **seen))
            raise
        return self._judged(RecordKind.STEP, prompts, judgement, bar, ledger=(*ledger, *declined), **seen)

    def _passed(self, answer: Written, updates: Sequence[Update]) -> tuple[Written, Sequence[LedgerEntry]]:
        """What a person lets pass of the writer's edits, and the ledger of the others.

        A sentence of the person's own keeps to the rules of the step as one of the writer's does.
        """
        edits, declined = self._approved(answer.edits, self.prompts)
        if not declined:
            return answer, ()
        rules = {update.predictor: update for update in updates}
        admitted = [admit(update, edits) for update in rules.values()]
        kept = tuple(edit for own, _ in admitted for edit in own)
        dropped = (*answer.dropped, *(each for _, refused in admitted for each in refused))
        return replace(answer, edits=kept, dropped=dropped), declined

    def _approved(self, edits: Edits, prompts: Prompts) -> tuple[Edits, Sequence[LedgerEntry]]:
        """The edits of some prompts that a person lets pass, if one is to be asked, and the ledger of the others."""
        if self.approve is None:
            return edits, ()
        kept, declined = reviewed([Suggestion(edit, prompts[edit.predictor]) for edit in edits], self.approve)
        return kept, ledger_as_one(declined, Why.DECLINED, kept=False)

    def _gradients(self, examples: Sequence[int], ctx: StepContext) -> Sequence[TextGradient]:
        """What a critic, if there is one, says of failed examples."""
        shown = [self._failed_run(x) for x in examples]
        rows = self.feedback([request for request, _ in shown], [row for _, row in shown])
        return self.critique(self.prompts, rows, ctx.index)

    def _must_pay(self, edit: Edit) -> bool:
        """Whether an edit would take a sentence of the user's own, of which too few examples show that it is idle."""
        if edit.op not in ("replace", "delete") or len(self.judging_set) >= THRESHOLDS.enough_for_own:
            return False
        own = {sentence.strip() for sentence in split(self.start[edit.predictor])}
        return split(self.prompts[edit.predictor])[edit.at].strip() in own

    def _judged(self, kind: RecordKind, prompts: Prompts, judgement: Judgement, bar: Bar, **fields: object) -> Record:
        accepted = judgement.passed and prompts != self.prompts
        return self._record(
            kind,
            proposal=prompts,
            bar=bar.lowest if math.isfinite(bar.lowest) else None,
            scores=judgement.scores,
            complete=judgement.complete,
            score=judgement.score,
            accepted=accepted,
            reason=judgement.reason if accepted or not judgement.passed else Why.NOTHING_CHANGES.because(),
            **fields,
        )

    def _batch(self, incumbent: Incumbent, ctx: StepContext, size: int) -> tuple[int, ...]:
        """Failing examples for the critic: those it has seen least, in random order."""
        shown = dict.fromkeys(incumbent.failing(), 0)
        for record in self.history.steps():
            for x in record.batch:
                if x in shown:
                    shown[x] += 1
        order = list(shown)
        ctx.rng("batch").shuffle(order)
        if self.runs.scores_sets:  # what costs most is shown first
            scores = incumbent.scores
            order.sort(key=lambda x: round(scores[x], 9))
        return tuple(sorted(order, key=lambda x: shown[x])[:size])

    def _failed_run(self, example: int) -> tuple[RunRequest, Row]:
        """The poorest run of the prompts in force on an example."""
        rows = enumerate(self.runs.told(self.prompts, [example], self.judging_set))
        answered = [(i, row) for i, row in rows if row.score is not None or row.is_unscored]
        i, poorest = min(answered, key=lambda each: -math.inf if each[1].score is None else each[1].score)
        return RunRequest(self.prompts, example, i), poorest


def _legal(updates: Sequence[Update], edits: Edits) -> Edits:
    """The edits that the rules of a step admit together; all updates of one predictor have the same rules."""
    rules = {update.predictor: update for update in updates}
    return tuple(edit for update in rules.values() for edit in admit(update, edits)[0])


def line_of(record: Record) -> str:
    """A record in one line: what it was, what became of it, the scores before and after, why, and the runs so far."""
    score = "" if record.score is None else f"{record.score:.3f}"
    if record.base is not None and score:
        score = f"{record.base:.3f} -> {score}"
    decided = not record.kind.enlarges
    said = [
        score,
        ("kept" if record.accepted else "not kept") if decided else "",
        str(record.reason),
        f"{record.cost} runs",
    ]
    return f"{record.kind} {record.index}: {'; '.join(filter(None, said))}"


def idle_ending(recent: Sequence[Record], steps: Sequence[Record]) -> Ending:
    """The ending of a run that goes round in circles, with the causes; a failure if no reply was ever usable."""
    if steps and all(step.fault for step in steps):
        return unusable(steps)
    told = _causes([record for record in recent if record.kind == RecordKind.STEP])
    return Ending(EndedBy.IDLE, f"{len(recent)} steps in a row came to nothing{told and ': '}{told}")


def unusable(steps: Sequence[Record]) -> Ending:
    """The ending of a run in which no reply of the prompt model was usable, with the causes."""
    return Ending(EndedBy.UNUSABLE, f"The prompt model gave nothing usable in {len(steps)} steps: {_causes(steps)}")


def _causes(steps: Sequence[Record]) -> str:
    """Why steps came to nothing, the commonest reasons first, each with how often."""
    return "; ".join(f"{n} times {why}" for why, n in Counter(str(step.reason) for step in steps).most_common(TOLD))
