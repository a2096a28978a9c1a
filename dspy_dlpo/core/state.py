"""What a run knows: its events, folded. The live run, a resumption, the report and the bill all read this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.events import (
    Answered,
    BudgetRaised,
    Done,
    DoneKey,
    Event,
    FeedbackDone,
    Recorded,
    ReplyDone,
    Resumed,
    RunDone,
    SelectionPlanned,
    Sent,
    Started,
    StepsEnded,
    Taken,
    What,
)
from dspy_dlpo.core.history import Record, RecordKind
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.review import ReviewAnswer, ReviewTime
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.tally import Tallies, Tally, summed

RUN = What.RUN.value


@dataclass
class RunState:
    """The fold of a run's events: `apply` takes one in. It depends on nothing else, and does nothing else.

    All up to a record is *settled*: the record rests on it. What came back after the last record belongs to a step that
    is not finished. If the process dies there, the next one makes that step again: what had come back is *open* then,
    and is taken at no cost as the step asks for it again. So a run that goes on decides as one that was never
    disturbed.

    Args:
        budgets: The budgets it was given, with the number of records by then.
        history: Its records.
        done: All that came back.
        settled: What the records rest on.
        open: What came back to earlier processes, and may be taken.
        fresh: What came back or was taken since the last record.
        sent: How many runs and requests went out.
        lost: How many of them were in flight when a process died. They count as spent.
        spent: Runs that decisions rest on, with those in flight: the clock. Earlier processes may have paid for more.
        before: What earlier processes spent, by role, as far as decisions rest on it.
        ended: How the steps ended.
        since: Records by when a process gave up for want of usable replies; later ones try anew.
        plan: How many finalists are compared on how many validation examples.
        answers: What a person has answered, by change.
        declined: The edits that a person declined at the end.
    """

    budgets: list[dict[str, float]] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    done: dict[DoneKey, Done] = field(default_factory=dict)
    settled: set[DoneKey] = field(default_factory=set)
    open: set[DoneKey] = field(default_factory=set)
    fresh: list[DoneKey] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    spent: int = 0
    before: dict[str, Tally] = field(default_factory=dict)
    ended: Ending | None = None
    since: int = 0
    plan: tuple[int, int] | None = None
    answers: dict[str, ReviewAnswer] = field(default_factory=dict)
    declined: list[Edit] = field(default_factory=list)
    _came: Counter[str] = field(default_factory=Counter)  # how many of each kind came back
    _settled_spent: int = 0

    def apply(self, event: Event) -> None:
        """Take in what happened next.

        Raises:
            KeyError: If something is taken that never came back: the log is not one that a run wrote.
        """
        match event:
            case Started(budget):
                self.budgets = [{**budget, "from_record": 0}]
            case Resumed():
                self._resume()
            case BudgetRaised(budget):
                self._raise(budget)
            case Sent(what, number):
                self.sent[what.value] += number
                self.spent += number if what is What.RUN else 0
            case Taken(key):
                self._take(key)
            case RunDone() | ReplyDone() | FeedbackDone():
                key = event.key
                self._came[key[0]] += key not in self.done
                self.done[key] = event
                self.fresh.append(key)
            case Recorded(record):
                self.history[record.index :] = [record]
                if record.kind is not RecordKind.PRUNE:  # a pruning is made again as a whole
                    self._settle(Ending(EndedBy.BUDGET) if record.reason.why is Why.BUDGET_ENDED else None)
            case StepsEnded(ending):
                self._end(ending)
            case SelectionPlanned(finalists, examples):
                self.plan = finalists, examples
            case Answered(change, edit, answer, when):
                self.answers[change] = answer
                self.declined += [edit] if when is ReviewTime.END and answer is not True else []

    @property
    def paid(self) -> int:
        """Runs that were paid for: those that came back, are in flight, or were lost."""
        return self.sent[RUN]

    def missing(self, what: What) -> int:
        """How many of what went out have not come back: lost, or in flight."""
        return max(0, self.sent[what.value] - self._came[what.value])

    def count(self, what: What) -> int:
        """How many of a kind came back."""
        return self._came[what.value]

    def count_runs(self, which: str, prompts: str | None = None) -> int:
        """How many runs on a set of examples came back: of some prompts, by their key, or of all."""
        return sum(key[:2] == (RUN, which) and prompts in (None, key[2]) for key in self.done)

    def rows(self, which: str, *, settled: bool = False) -> Iterable[tuple[str, int, Row]]:
        """Key of the prompts, example and row of each run on a set of examples, in order; or of those settled alone."""
        for key, done in self.done.items():
            if isinstance(done, RunDone) and done.set == which and (key in self.settled or not settled):
                yield done.prompts, done.row.example, done.row

    def tallies(self) -> dict[str, Tally]:
        """What was spent on all that came back, by role."""
        return summed(done.spent for done in self.done.values())

    def unclaimed(self) -> dict[str, Tally]:
        """What earlier processes spent, by role, that no decision of this one rests on yet."""
        return summed(self.done[key].spent for key in self.open - self.settled) if self.open else {}

    def _settle(self, ended: Ending | None) -> None:
        self.settled.update(self.fresh)
        self.fresh.clear()
        self._settled_spent, self.ended, self.plan = self.spent, ended, None

    def _end(self, ending: Ending) -> None:
        if ending.by.is_for_good:
            self._settle(ending)
        else:
            self.ended = ending
            self.since = len(self.history) if ending.by is EndedBy.UNUSABLE else self.since

    def _take(self, key: DoneKey) -> None:
        spent = self.done[key].spent
        self.open.discard(key)
        self.fresh.append(key)
        if key not in self.settled:
            self._add(spent)
            self.spent += key[0] == RUN

    def _resume(self) -> None:
        while self.history and self.history[-1].kind is RecordKind.PRUNE:
            self.history.pop()
        self.fresh.clear()
        self.spent = self._settled_spent
        self.lost = Counter({what: self.sent[what] - self._came[what] for what in self.sent})
        # A reply that is settled may be asked for again, by a step that a raised budget interrupted. A run is not: it
        # is there from the beginning.
        self.open = {key for key in self.done if key[0] != RUN or key not in self.settled}
        self.before = summed(done.spent for key, done in self.done.items() if key in self.settled)
        if self.ended is not None and not self.ended.by.is_for_good:
            self.ended = None

    def _raise(self, budget: Mapping[str, float]) -> None:
        self.budgets.append({**budget, "from_record": len(self.history)})
        self.fresh = list(self.done)
        self.spent = self._came[RUN]
        self._settle(None)
        self.open = {key for key in self.open if key[0] != RUN}
        self.before = self.tallies()

    def _add(self, spent: Tallies) -> None:
        for role, tally in spent.items():
            self.before.setdefault(role, Tally()).add(tally)


def fold(events: Iterable[Event], state: RunState | None = None) -> RunState:
    """The state after some events, from the beginning or from another state, which is gone then."""
    state = RunState() if state is None else state
    for event in events:
        state.apply(event)
    return state
