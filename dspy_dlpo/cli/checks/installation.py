"""Versions of Python and packages, and extras that are missing."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from dspy_dlpo.cli.checks.checked import FAIL, OK, WARNING, Checked

PACKAGE = "dspy-dlpo"
# The extras that a user may want, and what for.
EXTRAS = {
    "report": "dlpo report, plots and tables of a result",
    "tune": "dlpo tune and dlpo dashboard",
    "serve": "dlpo serve",
    "evaluate": "python -m evaluations",
}


def check_installation() -> Iterator[Checked]:
    """Check the versions of Python and of all packages, and what extras lack."""
    info = metadata.metadata(PACKAGE)
    version, wanted = platform.python_version(), info["Requires-Python"] or ""
    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield Checked(OK, "Python", version)
    else:
        yield Checked(FAIL, "Python", f"{version} is not {wanted}", "Install another version.")
    yield from _packages([Requirement(each) for each in metadata.requires(PACKAGE) or ()])


def _packages(requirements: list[Requirement]) -> Iterator[Checked]:
    needed = [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [text for text in map(fault, needed) if text]
    if wrong:
        yield Checked(FAIL, "packages", ", ".join(wrong), f"pip install --upgrade {PACKAGE}")
    else:
        names = ", ".join(f"{each.name} {metadata.version(each.name)}" for each in needed)
        yield Checked(OK, "packages", f"{PACKAGE} {metadata.version(PACKAGE)} with {names}")
    for extra, purpose in EXTRAS.items():
        faults = [text for text in map(fault, _of_extra(requirements, extra)) if text]
        if faults:
            install = f'pip install "{PACKAGE}[{extra}]"'
            yield Checked(WARNING, f"extra {extra}", f"{', '.join(faults)}: needed for {purpose} only", install)


def _of_extra(requirements: list[Requirement], extra: str) -> list[Requirement]:
    here = [each for each in requirements if each.marker and each.marker.evaluate({"extra": extra})]
    return [each for each in here if each.name != PACKAGE and not each.marker.evaluate({"extra": ""})]  # type: ignore[union-attr]


def fault(wanted: Requirement) -> str:
    """What is wrong with an installed package, in words; empty if nothing is."""
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    is_right = wanted.specifier.contains(found, prereleases=True)
    return "" if is_right else f"{wanted.name} {found} is not {wanted.specifier}"
