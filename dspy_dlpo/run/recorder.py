"""What one call of `compile` remembers: written down before it is used, and taken up again by a later call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.history import Record, prompts_key
from dspy_dlpo.core.memory import Memory, RunKey, ended, mark, planned
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.storage import RunDirectory
from dspy_dlpo.host.evaluate import Hooks, Spent
from dspy_dlpo.host.feedback import FeedbackHooks
from dspy_dlpo.host.meter import Meter, Tally
from dspy_dlpo.host.prompting import Answer, Ask, AskHooks


class Recorder:
    """Stands between the roles and the run directory; without a directory nothing is remembered.

    Args:
        directory: Where to write; None for nowhere.
        memory: What the directory held when the run began.
        meter: Takes up what earlier processes spent.
        on_record: Told of every new record.
    """

    def __init__(
        self,
        directory: RunDirectory | None,
        memory: Memory,
        meter: Meter,
        on_record: Callable[[Record], None] | None,
    ) -> None:
        self._directory, self._memory, self._told = directory, memory, on_record
        self._account: Account | None = None
        self._replies = dict(memory.replies)
        for past in memory.runs.values():
            for role, tally in _tallies(past.spent).items():
                meter.add(role, tally)
        self._feedbacks = dict(memory.feedbacks)
        for ask, line in memory.replies.items():
            if ask in memory.settled:
                meter.add(line["role"], _tally(line["spent"]))
        for run, line in memory.feedbacks.items():
            if run in memory.settled:
                meter.add("metric", _tally(line["spent"]))

    def take_up(self, account: Account) -> None:
        """Charge an account with what earlier processes spent."""
        memory = self._memory
        account.spent = memory.spent
        account.recorded = len(memory.runs) + len(memory.pending) - memory.spent
        account.lost = memory.lost_runs
        self._account = account

    def restore(self, which: str, runs: RunCache) -> None:
        """Give runs on a set of examples what the records rest on."""
        for (name, prompts, example, _), past in self._memory.runs.items():
            if name == which:
                runs.restore(prompts, example, past.row)

    @property
    def scores(self) -> list[float]:
        """Scores that the metric gave in the runs that the records rest on."""
        rows = [past.row for past in self._memory.runs.values()]
        return [row.score for row in rows if row.score is not None and not row.failure]

    @property
    def unclaimed(self) -> Mapping[str, Tally]:
        """What earlier processes spent, by role, that this one has not come to yet."""
        totals: dict[str, Tally] = {}
        for past in self._memory.pending.values():
            for role, tally in _tallies(past.spent).items():
                totals.setdefault(role, Tally()).add(tally)
        for ask, line in self._replies.items():
            if ask not in self._memory.settled:
                totals.setdefault(line["role"], Tally()).add(_tally(line["spent"]))
        for run, line in self._feedbacks.items():
            if run not in self._memory.settled:
                totals.setdefault("metric", Tally()).add(_tally(line["spent"]))
        return totals

    def count_val(self, prompts: Mapping[str, str] | None = None) -> int:
        """How many runs on validation examples were paid for by earlier processes: of some prompts, or of all."""
        keys = [*self._memory.runs, *self._memory.pending]
        wanted = None if prompts is None else prompts_key(prompts)
        return sum(which == "val" and wanted in (None, key) for which, key, _, _ in keys)

    def is_recorded(self, which: str, request: RunRequest) -> bool:
        """Whether a run was paid for by an earlier process."""
        return _key(which, request) in self._memory.pending

    def hooks(self, which: str, may_start: Callable[[int], bool]) -> Hooks:
        """What the evaluator of a set of examples asks and tells."""

        def recorded(request: RunRequest) -> tuple[Row, Spent] | None:
            past = self._memory.pending.pop(_key(which, request), None)
            return None if past is None else (past.row, _tallies(past.spent))

        def on_row(request: RunRequest, row: Row, spent: Spent) -> None:
            if self._directory:
                used = {role: tally.to_dict() for role, tally in spent.items()}
                self._directory.append_run(which, request, row, used)

        return Hooks(recorded, may_start, lambda number: self._sent("task", number), on_row)

    def feedback_hooks(self, which: str, may_start: Callable[[int], bool]) -> FeedbackHooks:
        """What is asked and told where the metric speaks of single predictors."""

        def recorded(request: RunRequest) -> tuple[Mapping[str, str], Tally] | None:
            run = _key(which, request)
            line = self._feedbacks.pop(run, None)
            if line is None:
                return None
            return line["feedbacks"], Tally() if run in self._memory.settled else _tally(line["spent"])

        def on_said(request: RunRequest, texts: Mapping[str, str], spent: Tally) -> None:
            if self._directory:
                run = dict(zip(("set", "prompts", "example", "rollout"), _key(which, request), strict=True))
                said = {"feedbacks": texts, "spent": spent.to_dict()}
                self._directory.append_call({"role": "feedback", **run, **said})

        return FeedbackHooks(self._directory is not None, recorded, may_start, on_said)

    def ask_hooks(self, check: Callable[[], None]) -> AskHooks:
        """What the prompt model asks and tells."""

        def recorded(ask: Ask) -> tuple[Answer, Tally] | None:
            line = self._replies.pop(ask.key, None)
            if line is None:
                return None
            counted = ask.key in self._memory.settled
            return Answer(**line["answer"]), Tally() if counted else _tally(line["spent"])

        def on_answer(ask: Ask, answer: Answer, spent: Tally) -> None:
            if self._directory:
                names = {"role": ask.role, "predictor": ask.label, "step": ask.step, "ask": ask.key}
                self._directory.append_call({**names, "answer": answer.to_dict(), "spent": spent.to_dict()})

        return AskHooks(recorded, check, lambda number: self._sent("ask", number), on_answer)

    def on_record(self, record: Record) -> None:
        """Write a record down, and tell of it."""
        if self._directory and self._account:
            self._directory.append_call(mark(record.index, self._account.spent))
            self._directory.append_record(record)
        if self._told:
            self._told(record)

    def on_end(self, records: int, ending: Ending) -> None:
        """Write down that the steps ended, for good or because no reply was usable."""
        is_told = ending.by.is_for_good or ending.by is EndedBy.UNUSABLE
        if self._directory and self._account and self._memory.ended is None and is_told:
            self._directory.append_call(ended(records, self._account.spent, ending))

    def on_plan(self, records: int, finalists: int, examples: int) -> None:
        """Write down how many finalists are compared on how many validation examples."""
        if self._directory:
            self._directory.append_call(planned(records, finalists, examples))

    def _sent(self, what: str, number: int) -> None:
        if self._directory:
            self._directory.append_call({"role": "sent", "what": what, "number": number})


def _key(which: str, request: RunRequest) -> RunKey:
    return which, prompts_key(request.prompts), request.example, request.rollout


def _tally(spent: Mapping[str, Any]) -> Tally:
    return Tally(**spent)


def _tallies(spent: Mapping[str, Mapping[str, Any]]) -> dict[str, Tally]:
    return {role: _tally(tally) for role, tally in spent.items()}
