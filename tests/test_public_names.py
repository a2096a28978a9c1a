"""The public names: sorted, importable, documented."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dspy_dlpo
from dspy_dlpo import testing


def test_the_list_of_names_is_sorted_and_names_nothing_twice() -> None:
    assert list(dspy_dlpo.__all__) == sorted(set(dspy_dlpo.__all__))


def test_type_checkers_read_the_same_names_from_the_same_modules() -> None:
    stub = ast.parse(Path(dspy_dlpo.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert {node.module: [each.name for each in node.names] for node in imports} == dspy_dlpo._NAMES
    [listed] = [ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)]
    assert listed == list(dspy_dlpo.__all__)


def test_nothing_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, dspy_dlpo; print(*(name for name in sys.modules if name.split('.')[0] in ('dspy', 'dspy_dlpo')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dspy_dlpo"]


@pytest.mark.parametrize("name", dspy_dlpo.__all__)
def test_every_name_can_be_imported_and_is_documented(name: str) -> None:
    documentation = inspect.getdoc(getattr(dspy_dlpo, name))
    assert documentation
    assert documentation.splitlines()[0].endswith("."), "the first line is one sentence"


def own_documentation(name: str) -> str:
    return vars(getattr(dspy_dlpo, name)).get("__doc__") or ""


@pytest.mark.parametrize("name", [name for name in dspy_dlpo.__all__ if inspect.isclass(getattr(dspy_dlpo, name))])
def test_the_documentation_of_a_class_is_its_own(name: str) -> None:
    """A dataclass without a docstring gets its signature, which says nothing."""
    assert own_documentation(name)
    assert not own_documentation(name).startswith(f"{name}(")


@pytest.mark.parametrize("name", [name for name in dspy_dlpo.__all__ if inspect.isclass(getattr(dspy_dlpo, name))])
def test_every_public_method_is_documented(name: str) -> None:
    for attribute, value in vars(getattr(dspy_dlpo, name)).items():
        target = value.fget if isinstance(value, property) else value
        if not attribute.startswith("_") and inspect.isfunction(target):
            assert inspect.getdoc(target), f"{name}.{attribute}"


@pytest.mark.parametrize("name", [name for name in dspy_dlpo.__all__ if inspect.isclass(getattr(dspy_dlpo, name))])
def test_every_argument_of_a_dataclass_is_documented(name: str) -> None:
    kind = getattr(dspy_dlpo, name)
    told = "".join(base.__doc__ or "" for base in kind.__mro__ if f"`{base.__name__}`" in own_documentation(name))
    for field in getattr(kind, "__dataclass_fields__", {}):
        assert f"{field}:" in own_documentation(name) + told, f"{name} says nothing of {field}"


def test_star_import_gives_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from dspy_dlpo import *", names)
    assert set(names) - {"__builtins__"} == set(dspy_dlpo.__all__)


def test_the_testing_kit_is_documented() -> None:
    assert list(testing.__all__) == ["check_acceptance", "check_controller", "check_judge", "check_technique"]
    for name in testing.__all__:
        assert "Raises:" in inspect.getdoc(getattr(testing, name))
