"""No code decides by a sentence: what people read may be reworded, and what a program decides by is an enumeration."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dspy_dlpo"
# Rooms that read what others wrote in words: a provider's errors, a model's replies, a prompt to try things on, and the
# simulated model.
READERS = {"host/lm_errors.py", "host/replies.py", "testing.py"}
FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "simulation" not in path.parts and path.relative_to(PACKAGE).as_posix() not in READERS
]


def sentences_compared(source: str) -> list[str]:
    """The texts of several words that a comparison, or a test of how a text begins or ends, holds."""
    compared = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            compared += [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            compared += (
                node.args if node.func.attr in ("startswith", "endswith", "removeprefix", "removesuffix") else []
            )
    texts = [each.value for node in compared for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and " " in text.strip()]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("ended.endswith('asks for it')", ["asks for it"]),
        ("record.reason == 'judged as a whole'", ["judged as a whole"]),
        ("x in ('a word', 'more')", ["a word"]),
        ("kind == 'step' or name.startswith(' ')", []),
        ("print('a sentence')", []),
    ],
)
def test_comparisons_with_sentences_are_seen(source, found) -> None:
    assert sentences_compared(source) == found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_code_compares_sentences(path) -> None:
    assert sentences_compared(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_code_decides_by_how_a_reason_reads(path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            assert not any(
                isinstance(side, ast.Attribute)
                and side.attr in ("reason", "ended")
                and not isinstance(node.ops[0], (ast.Is, ast.IsNot))
                for side in sides
            ), f"line {node.lineno}"
