"""The simulation cannot know who is calling: it imports no other room and names no optimizer."""

import ast
from pathlib import Path

import pytest

import dspy_dlpo.simulation as simulation

FILES = sorted(Path(simulation.__file__).parent.rglob("*.py"))
NAMES = ("copro", "mipro", "gepa", "simba", "inferrules", "textgrad", "dlpo", "teleprompt", "reflective")

# What the HTTP endpoint needs besides; pydantic comes with DSPy.
EXTRA = {"chat.py": ("pydantic",), "server.py": ("pydantic", "starlette")}


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_only_itself_the_standard_library_and_dspy(path: Path) -> None:
    import sys

    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        root = name.split(".")[0]
        allowed = ("dspy", *EXTRA.get(path.name, ()))
        assert root in sys.stdlib_module_names or root in allowed or name.startswith("dspy_dlpo.simulation"), name
        assert root not in {"pickle", "socket", "urllib", "http"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_names_no_optimizer(path: Path) -> None:
    text = path.read_text(encoding="utf-8").lower().replace("dspy_dlpo.simulation", "").replace("dspy-dlpo[serve]", "")
    assert not [name for name in NAMES if name in text]
