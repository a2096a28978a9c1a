"""A run with the core dependencies alone, and what each missing extra says.

A script, not a test: it runs where pytest is not installed (``nox -s bare``). What the environment does hold of the
extras is hidden first, so that it says the same everywhere.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dspy_dlpo import DLPOResult

EXTRAS = {
    "tune": ("optuna", "optuna_dashboard", "psycopg", "scipy"),
    "report": ("matplotlib", "pandas"),  # jinja2 comes with DSPy
    "serve": ("starlette", "uvicorn"),
    "evaluate": ("datasets", "math_verify", "matplotlib", "textgrad"),
}


class Hidden(MetaPathFinder):
    """Says that some packages are not installed."""

    def __init__(self, *packages: str) -> None:
        self.packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide(*packages: str) -> None:
    """Hide packages, and forget those that were imported."""
    sys.meta_path.insert(0, Hidden(*packages))
    for name in list(sys.modules):
        if name.partition(".")[0] in packages:
            del sys.modules[name]


def complaint(action: Callable[[], object]) -> str:
    """What is said when an extra is missing."""
    try:
        action()
    except ImportError as error:
        return str(error)
    return "nothing"


def compile_once(log_dir: str) -> DLPOResult:
    """The result of a small run."""
    import dspy

    from dspy_dlpo import Budget, DLPOTeleprompter
    from dspy_dlpo.simulation import simulated_lm, simulated_task

    task = simulated_task("object_counting", n_train=20, n_val=8, n_test=2)
    with dspy.context(lm=simulated_lm()):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=80), log_dir=log_dir)
        return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results


def tuning() -> object:
    import dspy_dlpo.tuning

    return dspy_dlpo.tuning


def endpoint() -> object:
    from dspy_dlpo.simulation import create_app

    return create_app()


def serving() -> object:
    from dspy_dlpo.simulation import serve

    return serve(port=0)


def command(*arguments: str) -> str:
    """What ``dlpo`` prints, with an exit code above 0."""
    from click.testing import CliRunner

    from dspy_dlpo.cli import main

    done = CliRunner().invoke(main, arguments)
    assert done.exit_code, f"dlpo {' '.join(arguments)} does not fail"
    return done.output


def main() -> None:
    """Check all of it."""
    warnings.simplefilter("error", ImportWarning)
    hide(*(package for packages in EXTRAS.values() for package in packages))
    with tempfile.TemporaryDirectory() as folder:
        check(folder)


def check(folder: str) -> None:
    """Check it, with a run directory in a folder."""
    result = compile_once(f"{folder}/run")
    assert result._repr_html_(), "a notebook shows a summary"
    said = {
        "result.to_html()": ("report", complaint(lambda: result.to_html(f"{folder}/report.html"))),
        "result.plot()": ("report", complaint(result.plot)),
        "result.to_pandas()": ("report", complaint(result.to_pandas)),
        "dlpo report": ("report", command("report", f"{folder}/run")),
        "import dspy_dlpo.tuning": ("tune", complaint(tuning)),
        "dlpo tune": ("tune", command("tune", "some:task")),
        "dlpo dashboard": ("tune", command("dashboard")),
        "create_app()": ("serve", complaint(endpoint)),
        "serve()": ("serve", complaint(serving)),
        "dlpo serve": ("serve", command("serve", "--port", "0")),
    }
    lines = [f"a run: {result.verdict}"]
    for what, (extra, text) in said.items():
        lines.append(f"{what}: {text.strip()}")
        assert f'pip install "dspy-dlpo[{extra}]"' in text, f"{what} does not name the extra {extra}"
        assert len(text.strip().splitlines()) == 1, f"{what} takes more than a line"
    print(*lines, "every missing extra is named", sep="\n")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
