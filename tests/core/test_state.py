"""Laws of the log: its fold can be cut and gone on with anywhere, it may end at any byte, and one process writes it."""

import copy
import random
import subprocess
import sys
from dataclasses import replace

import pytest

from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.events import (
    BudgetRaised,
    FeedbackDone,
    Recorded,
    ReplyDone,
    Resumed,
    RunDone,
    SelectionPlanned,
    Sent,
    Started,
    StepsEnded,
    What,
    event_from_json,
    event_to_json,
)
from dspy_dlpo.core.history import Record, RecordKind
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.roles import Failure, Row, TraceStep
from dspy_dlpo.core.state import RunState, fold
from dspy_dlpo.core.storage import RunDirectory, read_state
from dspy_dlpo.core.tally import Tally


class Life:
    """A run as its log tells of it: steps of runs and replies, records, crashes, raised budgets, an end, drawn."""

    def __init__(self, seed: int) -> None:
        self.rng, self.events = random.Random(seed), []
        self.log = RunLog(self.events.append)
        self.log.add(Started({"metric_calls": 100}))
        self.made = 0

    def spent(self) -> dict[str, Tally]:
        return {"task": Tally(calls=self.rng.randint(1, 3), input_tokens=9, usd=round(self.rng.random(), 12))}

    def runs(self) -> None:
        which = self.rng.choice(["train", "val"])
        n = self.rng.randint(1, 4)
        self.log.add(Sent(What.RUN, n))
        back = self.rng.randint(0, n)
        for _ in range(back):
            self.made += 1
            row = Row(self.made, self.rng.choice([None, 0.5]), {"q": "é"}, trace=(TraceStep("p", {"q": "é"}, {}),))
            done = RunDone(which, self.rng.choice("ab"), 0, row, self.spent())
            self.log.add(done)
            if self.rng.random() < 0.2:  # a score is settled later
                self.log.add(replace(done, row=replace(row, score=0.0, failure=Failure.PROGRAM)))

        if back < n:  # the others were refused, or the process dies
            self.rng.choice([self.crash, lambda: self.log.add(Sent(What.RUN, back - n))])()

    def reply(self) -> None:
        self.log.add(Sent(What.ASK, 1))
        self.made += 1
        self.log.add(ReplyDone(f"{self.made}", "p", 3, {"text": "x"}, {"writer": Tally(calls=1)}))
        self.log.add(FeedbackDone("train", "a", self.made, 0, {"p": "good"}, {"metric": Tally(feedback_calls=1)}))

    def take(self) -> None:
        for key in sorted(self.log.state.open, key=str)[: self.rng.randint(0, 3)]:
            self.log.take(key)

    def record(self) -> None:
        kind = self.rng.choice([RecordKind.STEP, RecordKind.STEP, RecordKind.PRUNE])
        why = self.rng.choice([Why.PAYS.because(), Why.BUDGET_ENDED.because()])
        index = len(self.log.state.history)
        self.log.add(Recorded(Record(kind, index, 0.1, {"p": "a"}, {"p": "b"}, reason=why, cost=self.log.state.spent)))

    def end(self) -> None:
        self.log.add(StepsEnded(Ending(self.rng.choice([EndedBy.BUDGET, EndedBy.UNUSABLE, EndedBy.STOP_FILE]), "x")))
        self.log.add(SelectionPlanned(2, 10))

    def crash(self) -> None:
        self.log.add(Resumed())
        if self.rng.random() < 0.3:
            self.log.add(BudgetRaised({"metric_calls": 200}))

    def live(self, days: int = 40) -> "Life":
        for _ in range(days):
            self.rng.choice([self.runs, self.runs, self.reply, self.take, self.record, self.end, self.crash])()
        return self


LIVES = range(10)


@pytest.mark.parametrize("seed", LIVES)
def test_the_fold_of_a_prefix_and_then_of_the_rest_is_the_fold_of_the_whole(seed: int) -> None:
    events = Life(seed).live().events
    whole, prefix = fold(events), RunState()
    for i, event in enumerate(events):
        assert fold(events[i:], copy.deepcopy(prefix)) == whole
        prefix.apply(event)


@pytest.mark.parametrize("seed", LIVES)
def test_what_is_written_is_what_the_run_knows(seed: int) -> None:
    life = Life(seed).live()
    lines = [event_to_json(event) for event in life.events]
    assert all(line.isascii() and "\n" not in line for line in lines)
    assert [event_from_json(line) for line in lines] == life.events
    assert fold(map(event_from_json, lines)) == life.log.state


@pytest.mark.parametrize("seed", LIVES)
def test_what_is_paid_for_came_back_or_is_missing_at_any_moment(seed: int) -> None:
    state, events = RunState(), Life(seed).live().events
    for event in events:
        state.apply(event)
        assert state.paid == state.count(What.RUN) + state.missing(What.RUN)
        assert state.settled <= state.done.keys()
        assert state.open <= state.done.keys()
        died = fold([Resumed()], copy.deepcopy(state))
        runs = [key for key in died.open if key[0] == "run"]
        assert died.lost["run"] == state.missing(What.RUN), "what is in flight counts as spent"
        assert died.spent + len(runs) == state.count(What.RUN), "each run that came back is settled, or may be taken"
        assert fold([Resumed()], copy.deepcopy(died)) == died, "to die again at once changes nothing"


@pytest.mark.parametrize("seed", LIVES)
def test_nothing_is_billed_twice_or_forgotten(seed: int) -> None:
    state = Life(seed).live().log.state
    state.apply(Resumed())
    for key in list(state.open):
        RunLog(state=state).take(key)
    assert not state.unclaimed()
    for role, tally in state.tallies().items():
        assert state.before[role] == tally


def test_a_log_cut_at_any_byte_is_a_legal_state(tmp_path) -> None:
    events = Life(1).live(12).events
    lines = [event_to_json(event) for event in events]
    content = "".join(f"{line}\n" for line in lines).encode()
    ends = [len("".join(f"{line}\n" for line in lines[:count])) for count in range(len(lines) + 1)]
    for end in range(len(content) + 1):
        (tmp_path / "events.jsonl").write_bytes(content[:end])
        whole = sum(each <= end + 1 for each in ends[1:])  # a last line may lack its break
        assert read_state(tmp_path) == fold(events[:whole]), end


def test_a_second_process_cannot_write_the_same_log(tmp_path) -> None:
    held = RunDirectory(tmp_path / "run")
    code = "import sys; from dspy_dlpo.core.storage import RunDirectory; RunDirectory(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert "is in use by another run" in refused.stderr
    held.close()
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("line", ['{"event": "Nothing"}', "[]", "3", '{"event": "Sent", "what": "money", "number": 1}'])
def test_a_line_that_is_no_event_is_none(line: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        event_from_json(line)
