"""The tables of ``docs/simulation.md``, computed: ``python scripts/simulation_tables.py`` prints them as Markdown."""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.simulation.drafting import USELESS
from dspy_dlpo.simulation.engine import Settings
from dspy_dlpo.simulation.faults import Faults
from dspy_dlpo.simulation.landscape import Landscape
from dspy_dlpo.simulation.model import simulated_lm
from dspy_dlpo.simulation.server import serve
from dspy_dlpo.simulation.settings import Noise, Reader, Writer
from dspy_dlpo.simulation.task import SimulatedTask, simulated_task, task_names
from dspy_dlpo.simulation.tasks import TASKS

_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_REWRITES = (1, 2, 5, 10, 20)
_CHAINS = 20
# Everything a rewrite does besides losing and blurring sentences.
_NOTHING_NEW = Writer(prior=0.0, bloat=0.0, overfitting=0.0)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def parameters(*owners: Callable[..., Any]) -> str:
    """Every parameter of classes or functions with its default and what their docstrings say of it."""
    rows = []
    for owner in owners:
        said = dict(_ARGUMENT.findall(inspect.getdoc(owner) or ""))
        for name, parameter in inspect.signature(owner).parameters.items():
            default = parameter.default
            shown = (
                "required" if default is parameter.empty else "all defaults" if "factory" in str(default) else default
            )
            rows.append((f"`{owner.__name__}`", f"`{name}`", shown, " ".join(said[name].split())))
    return _table(("of", "parameter", "default", "meaning"), rows)


def _accuracies(tasks: Iterable[SimulatedTask]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for task in tasks:
        landscape = Landscape(task, examples=[*task.trainset, *task.valset, *task.testset])
        counts = " + ".join(str(len(names)) for names in landscape.skills().values())
        questions = sum(map(len, (task.trainset, task.valset, task.testset)))
        rows.append((task.name, counts, questions, _percent(landscape.accuracy({})), _percent(landscape.best)))
    return rows


def accuracies(shifted: bool = False) -> str:
    """Expected accuracies of all tasks on generated questions, at noise 0."""
    tasks = (simulated_task(name, shifted=shifted) for name in task_names())
    return _table(("task", "skills", "questions", "start instruction", "all taught"), _accuracies(tasks))


def real_accuracies(data: Path) -> str:
    """The same on real questions, with the share of them whose answer in the data is the one the solver finds."""
    tasks = [simulated_task(name, data=data) for name in task_names() if len(TASKS[name].stages) == 1]
    rows = []
    for task, row in zip(tasks, _accuracies(tasks), strict=True):
        questions = [*task.trainset, *task.valset, *task.testset]
        solved = sum(TASKS[task.name].truth(one.question) == one.answer for one in questions) / len(questions)
        rows.append((*row[:3], _percent(solved), *row[3:]))
    return _table(("task", "skills", "questions", "solver right", "start instruction", "all taught"), rows)


def skills(name: str) -> str:
    """The skills of one task: how often each slips, what it gains alone and costs when left out, in points."""
    landscape = Landscape(name)
    start, best, rows = landscape.accuracy({}), landscape.best_prompts(), []
    for predictor, stage in TASKS[name].stages:
        for skill in stage.skills:
            alone = landscape.accuracy({predictor: f"{stage.start} {skill.wordings[0]}"}) - start
            others = (other.wordings[0] for other in stage.skills if other is not skill)
            without = landscape.best - landscape.accuracy({**best, predictor: " ".join((stage.start, *others))})
            figures = (skill.slip, f"{100 * alone:.1f}", f"{100 * without:.1f}")
            rows.append((f"`{predictor}`", skill.name, *figures, skill.after or "", skill.wordings[0]))
    head = ("predictor", "skill", "slip", "gain alone", "cost left out", "needs before it", "a wording")
    return _table(head, rows)


def _kept(writer: Writer) -> list[float]:
    landscape = Landscape("object_counting")
    kept = [0] * (max(_REWRITES) + 1)
    improve = dspy.Predict("instruction, critique -> new_instruction")
    with dspy.context(lm=simulated_lm(0, writer=writer)):
        for chain in range(_CHAINS):
            text = landscape.best_prompts()["solve"]
            for number in range(1, len(kept)):
                # Each rewrite is a draw of its own: one that changed nothing would otherwise repeat itself for ever.
                config = {"rollout_id": chain * len(kept) + number}
                text = improve(instruction=text, critique="Fine.", config=config).new_instruction
                kept[number] += len(landscape.taught({"solve": text})["solve"])
    return [kept[number] / _CHAINS for number in _REWRITES]


def forgetting() -> str:
    """Skills of object_counting that still stand after rewriting the best prompt again and again."""
    rows = [
        ("defaults: `forgetting` 0.05, `blur` 0.04", *_kept(_NOTHING_NEW)),
        ("`forgetting` 0.05, `blur` 0", *_kept(replace(_NOTHING_NEW, blur=0.0))),
        ("`forgetting` 0, `blur` 0.04", *_kept(replace(_NOTHING_NEW, forgetting=0.0))),
        ("both 0", *_kept(replace(_NOTHING_NEW, forgetting=0.0, blur=0.0))),
    ]
    return _table(("skills kept of 12 after rewrites:", *map(str, _REWRITES)), rows)


def reading() -> str:
    """What the best prompt of each task is worth to weaker readers, with useless sentences, and with noise."""
    columns: list[tuple[str, Reader, Noise, int]] = [
        ("as is", Reader(), Noise(), 0),
        ("7 useless sentences", Reader(), Noise(), 7),
        ("14 useless sentences", Reader(), Noise(), 14),
        ("strength 0.5", Reader(strength=0.5), Noise(), 0),
        ("strength 0", Reader(strength=0.0), Noise(), 0),
        ("fixed noise 0.1", Reader(), Noise(fixed=0.1), 0),
        ("fresh noise 0.1", Reader(), Noise(fresh=0.1), 0),
    ]
    rows = []
    for name in task_names():
        row = [name]
        for _, reader, noise, useless in columns:
            landscape = Landscape(name, reader=reader, noise=noise)
            prompts = {p: " ".join((text, *USELESS[:useless])) for p, text in landscape.best_prompts().items()}
            row.append(_percent(landscape.accuracy(prompts)))
        rows.append(row)
    return _table(("task", *(column[0] for column in columns)), rows)


def tables(data: Path | None = None) -> dict[str, str]:
    """Every table by name, in the order of the page; the one of real questions only with the data.

    Args:
        data: The questions of BIG-Bench Hard, as for ``simulated_task``.
    """
    found = {
        "settings": parameters(Settings, Reader, Writer, Noise, Faults),
        "functions": parameters(simulated_lm, simulated_task, Landscape, serve),
        "accuracies": accuracies(),
        "shifted": accuracies(shifted=True),
        "forgetting": forgetting(),
        "reading": reading(),
    }
    if data is not None:
        found["real"] = real_accuracies(data)
    return found | {f"skills of {name}": skills(name) for name in task_names()}


def filled(page: str, found: dict[str, str]) -> str:
    """A page with each table between ``<!-- table: NAME -->`` and ``<!-- end -->`` put in anew."""
    for name, table in found.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = place.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", page)  # type: ignore[misc]
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="questions of BIG-Bench Hard as JSON Lines; adds a table")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="a page to put the tables into instead")
    given = parser.parse_args(arguments)
    found = tables(given.data)
    if given.write is None:
        sys.stdout.writelines(f"## {name}\n\n{table}\n\n" for name, table in found.items())
    else:
        given.write.write_text(filled(given.write.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
