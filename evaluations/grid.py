"""A grid of cells as one Optuna study: it resumes, runs in any number of processes, and shows in optuna-dashboard.

Every trial is a cell. One planner queues a few cells at a time; workers take them until the planner has no more. A
cell's row is written before its trial is told, and cells that have a row are not queued, so a finished cell is never
run again. A worker that dies leaves a running trial behind: it is taken back as soon as its heart is seen to have
stopped, or, on the same machine, its process to be gone.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from dspy_dlpo.tuning.gaps import take_turns
from evaluations.cell import Cell, measure
from evaluations.endpoint import Endpoint, EndpointLost

# Seconds between heartbeats, and until a silent worker is taken for dead.
HEARTBEAT, GRACE = 20, 90
POLL = 0.2
SCORES = ("test", "train", "shifted")
# Cells that wait at a time: Optuna reads them all to hand out one. Seconds after which a worker gives an idle queue up.
WAITING, PATIENCE = 40, 120
# Seconds in which a worker has put its name on the trial that it took.
NAMELESS = 15
OPEN = "open"
# A file beside rows that holds none.
HEADROOM = "headroom.jsonl"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; a line that was cut by a crash is left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            yield json.loads(line)


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, whole, and on the disk."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


class Rows:
    """The rows of finished cells, as JSON lines in one directory; each process appends to a file of its own.

    Args:
        folder: The directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> list[dict[str, Any]]:
        """All rows, each cell once, in a fixed order; a line that was cut by a crash is left out."""
        rows: dict[str, dict[str, Any]] = {}
        for path in self._files():
            for row in read_lines(path):
                rows.setdefault(row["key"], row)
        return [rows[key] for key in sorted(rows)]

    def keys(self) -> set[str]:
        """The keys of the finished cells."""
        return {row["key"] for row in self.read()}

    def find(self, key: str) -> dict[str, Any] | None:
        """The row of a cell; None if it has none."""
        return next((row for row in self.read() if row["key"] == key), None)

    def count(self) -> int:
        """How many rows there are, cheaply."""
        return sum(path.read_bytes().count(b"\n") for path in self._files())

    def write(self, row: dict[str, Any]) -> None:
        """Add a row, whole."""
        append_line(self.folder / f"{socket.gethostname()}-{os.getpid()}.jsonl", _line(row))

    def gather(self, name: str) -> Path:
        """Put all rows into one file, and drop the others."""
        rows, target = self.read(), self.folder / name
        draft = target.with_suffix(".draft")
        draft.write_text("".join(map(_line, rows)), encoding="utf-8")
        others = [path for path in self._files() if path != target]
        os.replace(draft, target)
        for path in others:
            path.unlink()
        return target

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.jsonl") if path.name != HEADROOM)


def _line(row: dict[str, Any]) -> str:
    """A row as a line, short: a right answer is 1, not 1.0."""
    scores = {name: [int(x) if x == int(x) else x for x in row[name]] for name in SCORES if name in row}
    return json.dumps({**row, **scores}, separators=(",", ":")) + "\n"


def open_study(storage: str, name: str) -> optuna.Study:
    """The study of a grid, made if there is none. SQLite is made safe for many processes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        database = RDBStorage(storage, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    if storage.startswith("sqlite"):
        take_turns(database.engine)
    study = optuna.create_study(study_name=name, storage=database, direction="maximize", load_if_exists=True)
    return study


class Planner:
    """Queues cells, a few at a time; one process of a grid is it.

    Args:
        storage: Optuna storage URL.
        name: Name of the grid's study.
        cells: The cells that have no row yet, in the order to run.
    """

    def __init__(self, storage: str, name: str, cells: Sequence[Cell]) -> None:
        self.study = open_study(storage, name)
        self.total = len(cells)
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
        known = {trial.user_attrs.get("key") for trial in waiting}
        self._left = [cell for cell in cells if cell.key not in known]
        self._nameless: dict[int, float] = {}
        self.study.set_user_attr(OPEN, True)

    def plan(self) -> bool:
        """Queue more cells if few are waiting, and those of dead workers again; False when nothing is left to do."""
        taken = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
        self._take_back_the_dead()
        if self._left and sum(trial.state == TrialState.WAITING for trial in taken) < WAITING // 2:
            for cell in self._left[:WAITING]:
                self.study.enqueue_trial({}, user_attrs={"key": cell.key, "cell": asdict(cell)})
            self._left = self._left[WAITING:]
            return True
        if self._left or taken:
            return True
        self.study.set_user_attr(OPEN, False)
        return False

    def _take_back_the_dead(self) -> None:
        """Queue again what a process of this machine was running when it died."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self._is_lost(trial):
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                attributes = {name: trial.user_attrs[name] for name in ("key", "cell")}
                self.study.enqueue_trial({}, user_attrs={**attributes, "again": True})  # its row may be written

    def _is_lost(self, trial: FrozenTrial) -> bool:
        """Whether the process of a running trial is gone; one that was killed as it took the trial has left no name."""
        worker = trial.user_attrs.get("worker")
        if worker is None:
            return time.monotonic() - self._nameless.setdefault(trial.number, time.monotonic()) > NAMELESS
        host, _, pid = worker.partition("/")
        return host == socket.gethostname() and not _is_alive(int(pid))


def work(
    storage: str,
    name: str,
    folder: Path,
    data_dir: Path | None = None,
    num_threads: int = 1,
    parent: int | None = None,
    api_base: str | None = None,
) -> int:
    """Run waiting cells until the planner has no more.

    Args:
        storage: Optuna storage URL.
        name: Name of the grid's study.
        folder: Directory of the rows.
        data_dir: Where the local data files are.
        num_threads: Calls in parallel.
        parent: The process that must live on for this one to go on; None for none.
        api_base: URL of the endpoint of cells of the suite ``local``.

    Returns:
        How many this process has run.

    Raises:
        EndpointLost: If the endpoint left calls unanswered; the next cells would fare no better.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, rows, count = open_study(storage, name), Rows(folder), 0
    idle_since, lost = time.monotonic(), None

    def objective(trial: Trial) -> float:
        nonlocal count, lost
        if "cell" not in trial.user_attrs:  # another worker was faster: Optuna has made this trial up
            raise optuna.TrialPruned
        trial.set_user_attr("worker", f"{socket.gethostname()}/{os.getpid()}")
        row = rows.find(trial.user_attrs["key"]) if trial.user_attrs.get("again") else None
        if row is None:
            try:
                row = measure(Cell(**trial.user_attrs["cell"]), data_dir, num_threads, Endpoint(api_base, folder))
            except EndpointLost as error:
                lost = error
                raise
            rows.write(row)
            count += 1
        for what in ("task", "arm", "seed", "runs", "runs_made", "prompt_calls", "words", "usd_spent"):
            trial.set_user_attr(what, row[what])
        return statistics.fmean(row["test"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        while time.monotonic() - idle_since < PATIENCE and parent in (None, os.getppid()):
            if study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                study.optimize(objective, n_trials=1, catch=(Exception,))
                if lost is not None:
                    raise lost
                idle_since = time.monotonic()
            elif study.user_attrs.get(OPEN):
                time.sleep(POLL)
                optuna.storages.fail_stale_trials(study)
            else:
                break
    return count


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
