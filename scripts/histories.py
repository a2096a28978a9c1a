"""Store what sixty runs did, to see that a change of the house changes none: ``python scripts/histories.py FOLDER``.

Run it before the change and after it, then ``diff -r`` the folders. Each file is one run: all of its records, its
verdict, its prompts and its bill, without seconds. The runs are drawn worlds and the tasks of the demo, at budgets of
100 to 600, with one and with several predictors, noise, feedback metrics, other judges, and some that were stopped
after a third of their records and gone on with.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from dspy_dlpo import Budget, DLPOTeleprompter, Stopping, paper_settings, tgd_settings
from dspy_dlpo.simulation import Noise, simulated_lm, simulated_task
from evaluations.worlds import draw

# Worlds for development, and their budgets in turn.
WORLDS, BUDGETS = range(36), (100, 150, 300, 600)


@dataclass(frozen=True)
class Case:
    """A run to make.

    Args:
        task: ``world/N`` or the name of a simulated task.
        runs: Its budget in program runs.
        settings: Beside the default ones.
        noise: Of a simulated task.
        feedback: Whether the metric says what was wrong.
        is_stopped: Whether the run is stopped after a third of its records, and gone on with.
    """

    task: str
    runs: int
    settings: dict[str, Any] = field(default_factory=dict)
    noise: float = 0.0
    feedback: bool = False
    is_stopped: bool = False


def cases() -> dict[str, Case]:
    """All runs, by the names of their files."""
    found = {}
    for number in WORLDS:
        runs = BUDGETS[number % len(BUDGETS)]
        case = Case(f"world/{number}", runs, feedback=number % 3 == 0, is_stopped=number % 4 == 1)
        found[f"world-{number}"] = case
    settings: dict[str, dict[str, Any]] = {
        "default": {},
        "paper": paper_settings(),
        "plain": tgd_settings(),
        "critic": {"critic": True},
    }
    for task in ("object_counting", "support_desk"):
        for name, chosen in settings.items():
            for noise in (0.0, 0.05):
                stopped = name in ("default", "critic")
                found[f"{task}-{name}-{noise:g}"] = Case(task, 300, chosen, noise, name == "critic", stopped)
        for seed in range(4):
            found[f"{task}-seed-{seed}"] = Case(task, BUDGETS[seed], {"seed": seed + 1})
    return found


class _Stop:
    """Makes the stop file after so many records."""

    def __init__(self, folder: Path, records: int) -> None:
        self.folder, self.left = folder, records

    def __call__(self, record: Any) -> None:
        self.left -= 1
        if self.left == 0:
            (self.folder / "stop").touch()


def told(case: Case) -> dict[str, Any]:
    """What a run did."""
    with tempfile.TemporaryDirectory() as folder:
        whole = _run(case, Path(folder) / "whole")
        if not case.is_stopped:
            return whole
        stopped = Path(folder) / "stopped"
        _run(case, stopped, _Stop(stopped, max(1, len(whole["history"]) // 3)))
        (stopped / "stop").unlink(missing_ok=True)
        return {"whole": whole, "gone on with": _run(case, stopped)}


def _run(case: Case, log_dir: Path, on_record: Callable[[Any], None] | None = None) -> dict[str, Any]:
    if case.task.startswith("world/"):
        world = draw(int(case.task.removeprefix("world/")))
        reader, writer, source = world.reader, world.writer, world
    else:
        source = simulated_task(case.task, n_train=40, n_val=30)
        reader, writer = simulated_lm(0, noise=Noise(fresh=case.noise)), simulated_lm(1)
    prices = {reader.model: (0.15, 0.6), writer.model: (2.5, 10.0)}
    optimizer = DLPOTeleprompter(
        source.feedback_metric if case.feedback else source.metric,
        task_model=reader,
        prompt_model=writer,
        budget=Budget(metric_calls=case.runs, prices=prices),
        stopping=Stopping(stop_file=log_dir / "stop"),
        log_dir=log_dir,
        num_threads=1,
        verbose=False,
        on_record=on_record,
        **case.settings,
    )
    result = optimizer.compile(source.program, trainset=list(source.trainset), valset=list(source.valset))
    content = result.detailed_results.to_dict()
    return _without(content, ("seconds", "log_dir"))


def _without(content: Any, names: tuple[str, ...]) -> Any:
    if isinstance(content, dict):
        return {name: _without(value, names) for name, value in content.items() if name not in names}
    if isinstance(content, list):
        return [_without(each, names) for each in content]
    return float(f"{content:.12g}") if isinstance(content, float) else content  # sums of money, in whatever order


def _written(job: tuple[str, Path]) -> str:
    name, folder = job
    content = told(cases()[name])
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    return name


def _made(folder: Path, jobs: int) -> Iterator[str]:
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_written, [(name, folder) for name in cases()])


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def main(folder: Path, jobs: int) -> None:
    """Store what sixty runs did in FOLDER, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(_made(folder, jobs), 1):
        click.echo(f"{number} of {len(cases())}: {name}")


if __name__ == "__main__":
    main()
