"""The tests on every supported Python, on the lowest and the newest dependencies, and without extras.

``nox`` runs all of it, ``nox -s lowest`` one session, ``nox -l`` lists them. Pythons are looked for on the PATH and in
pyenv; a session whose Python the machine does not have is skipped, and named. CI runs ``bare`` and ``lowest``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import nox
from packaging.requirements import Requirement

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
EXTRAS = PROJECT["project"]["optional-dependencies"]
# What does not depend on the models' texts, the browser or a database is tested on the lowest versions: two minutes
# instead of ten. `nox -s lowest -- tests` tests all.
ON_LOWEST = ("tests/core", "tests/techniques", "tests/host", "tests/tuning/test_search.py", "tests/test_compile.py")

nox.options.sessions = ["bare", "lowest", "tests"]
nox.options.error_on_missing_interpreters = False  # nox would fail on them where CI is set


def find_pythons(versions: Iterable[str]) -> list[str]:
    """The folders of pyenv's Pythons of these versions, the newest release of each; pyenv shows one only."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [sorted(root.glob(f"{version}.*/bin"), key=_numbers) for version in versions]
    return [str(folders[-1]) for folders in found if folders]


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parent.name)]


os.environ["PATH"] = os.pathsep.join([*find_pythons(PYTHONS), os.environ["PATH"]])
OLDEST = next((version for version in PYTHONS if shutil.which(f"python{version}")), PYTHONS[0])


def lowest_of(requirements: Iterable[str]) -> list[str]:
    """The requirements, each pinned to the lowest version that it allows."""
    pinned = []
    for line in requirements:
        requirement = Requirement(line)
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        bound = next(each.version for each in requirement.specifier if each.operator in (">=", "=="))
        pinned.append(f"{requirement.name}{extras}=={bound}")
    return pinned


def tools(*names: str) -> list[str]:
    """The requirements of the extra "dev" with these names."""
    return [line for line in EXTRAS["dev"] if Requirement(line).name in names]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, on the newest dependencies."""
    session.install("--editable", ".[dev]")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """Tests on the oldest Python that is there, with the lowest versions that the project allows."""
    used = lowest_of(PROJECT["project"]["dependencies"])
    for extra in ("tune", "report", "serve"):
        used += lowest_of(EXTRAS[extra])
    session.install(*used, *tools("hypothesis", "pytest", "pytest-xdist"), "--editable", ".")
    session.run("python", "-m", "pytest", "-n", "2", "-m", "not slow", *(session.posargs or ON_LOWEST))


@nox.session(python=OLDEST)
def bare(session: nox.Session) -> None:
    """A run without any extra, in an environment that holds nothing else; each missing extra is named."""
    session.install(".")
    session.run("python", str(Path("tests/neighbours/without_extras.py").resolve()))
