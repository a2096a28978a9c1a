"""Folders are the layers; imports point down only."""

import ast
from collections import Counter
from pathlib import Path

import pytest

import dspy_dlpo

ROOT = Path(dspy_dlpo.__file__).parent
# Lowest first. What shares a row may not import each other, unless it is the same room.
ROWS = (
    ("core",),
    ("techniques", "report", "progress"),
    ("host",),
    ("appraisal",),
    ("run",),
    ("estimate",),
    ("optimizer",),
    ("tuning", "testing"),
    ("cli",),
)
# These files are one room.
OPTIMIZER = ("presets", "as_python", "teleprompter", "__init__")
MAY_IMPORT = {
    "dspy": {"host", "appraisal", "simulation", "run", "estimate", "teleprompter", "cli", "tuning"},
    "optuna": {"tuning"},
    "litellm": {"host"},
}
FILES = sorted(ROOT.rglob("*.py"))


def file_name(path: Path) -> str:
    """The first part of a module's name below the package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def room(name: str) -> str:
    return "optimizer" if name in OPTIMIZER else name


def row(name: str) -> int | None:
    return next((i for i, rooms in enumerate(ROWS) if room(name) in rooms), None)


def imports(path: Path) -> list[tuple[int, str]]:
    """Line and name of everything a file imports, inside functions too; ``from a import b`` counts as ``a.b``."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, "." * node.level + f"{node.module or ''}.{alias.name}") for alias in node.names]
    return found


def own_imports(path: Path) -> list[tuple[int, str]]:
    """Line and first part below the package of every import from the package itself."""
    found = []
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "dspy_dlpo":
            below = parts[1] if len(parts) > 1 else "__init__"
            is_part = (ROOT / below).is_dir() or (ROOT / f"{below}.py").is_file()
            found.append((line, below if is_part else "__init__"))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_has_a_row(path: Path) -> None:
    name = file_name(path)
    assert name == "simulation" or row(name) is not None, f"{name} has no row: add it to ROWS and to CONTRIBUTING.md"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = file_name(path)
    for line, other in own_imports(path):
        if "simulation" in (own, other):
            assert own == other or own == "cli", f"{path}:{line}: {own} imports {other}; simulation stands apart"
        else:
            below = row(other) < row(own) or room(other) == room(own)
            assert below, f"{path}:{line}: {own} imports {other}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_absolute(path: Path) -> None:
    relative = [(line, name) for line, name in imports(path) if name.startswith(".")]
    assert not relative


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_stay_in_their_rooms(path: Path) -> None:
    for line, name in imports(path):
        library = name.split(".")[0]
        allowed = MAY_IMPORT.get(library)
        assert allowed is None or file_name(path) in allowed, f"{path}:{line}: {file_name(path)} imports {library}"


@pytest.mark.parametrize("path", [path for path in FILES if file_name(path) == "core"], ids=lambda path: path.name)
def test_the_core_imports_nothing_but_the_standard_library_itself_and_two_small_ones(path: Path) -> None:
    import sys

    for line, name in imports(path):
        library = name.split(".")[0]
        known = library in sys.stdlib_module_names or library in ("dspy_dlpo", "sentencex", "filelock")
        assert known, f"{path}:{line}: the core imports {library}"


def test_the_rules_see_imports_inside_functions_and_of_names(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text("def f():\n    from dspy_dlpo import run, Dropout\n    from . import core\n", encoding="utf-8")
    assert own_imports(path) == [(2, "run"), (2, "__init__")]
    assert (3, "..core") in imports(path)


def test_no_file_imports_itself_by_way_of_others() -> None:
    above = {name: set().union(*(_read(each) for _, each in imports(path))) for name, path in MODULES.items()}
    while free := [name for name, used in above.items() if not used & above.keys()]:
        for name in free:
            del above[name]
    assert not above, "these import each other in a circle, or what does"


MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}


def _read(imported: str) -> set[str]:
    """The file that an import reads: the name itself, or what it is taken from."""
    return {imported} & MODULES.keys() or {imported.rpartition(".")[0]} & MODULES.keys()


def test_no_two_classes_have_one_name() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert not [name for name, times in names.items() if times > 1]
