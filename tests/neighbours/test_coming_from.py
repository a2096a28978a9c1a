"""What the page says for those who come from another optimizer: its lines run, and its options exist."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import dspy
import pytest
import textgrad
from waiting import PATIENCE

import dspy_dlpo

PAGE = (Path(__file__).parents[2] / "docs" / "coming_from.md").read_text()
PEERS = {
    "MIPROv2": dspy.MIPROv2,
    "COPRO": dspy.COPRO,
    "GEPA": dspy.GEPA,
    "SIMBA": dspy.SIMBA,
    "TextualGradientDescent": textgrad.TextualGradientDescent,
}
DIFFS = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)


def parameters(*functions):
    """The names that can be passed, but those behind ``**``."""
    found = [each for function in functions for each in inspect.signature(function).parameters.values()]
    return {each.name for each in found if each.kind is not each.VAR_KEYWORD} - {"self"}


def own_options():
    return parameters(dspy_dlpo.DLPOTeleprompter.__init__, dspy_dlpo.DLPOTeleprompter.compile)


def peer_options(peer):
    functions = [peer.__init__, *([peer.compile] if hasattr(peer, "compile") else [])]
    return parameters(*functions)


def table(name):
    """The rows under a heading: the option there, what it is here, and why."""
    lines = PAGE.split(f"\n| {name} | here | note |\n|---|---|---|\n")[1].split("\n\n")[0].strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def lines(mark):
    return [line[2:] for diff in DIFFS for line in diff.splitlines() if line.startswith(f"{mark} ")]


def check_own(snippet):
    """Make sure that what is named of ours exists."""
    called = re.fullmatch(r"([A-Z]\w+)\((\w+)=\)", snippet)
    if called:
        assert called[2] in parameters(getattr(dspy_dlpo, called[1])), snippet
    elif snippet.startswith("detailed_results."):
        assert snippet.removeprefix("detailed_results.") in parameters(dspy_dlpo.DLPOResult), snippet
    elif re.fullmatch(r"[A-Z]\w+", snippet):
        assert hasattr(dspy_dlpo, snippet), snippet
    else:
        assert snippet.removesuffix("=") in own_options(), snippet


@pytest.mark.parametrize("name", PEERS)
def test_every_option_of_the_other_is_in_its_table_and_no_other(name):
    named = [re.findall(r"`(\w+)`", row[0]) for row in table(name)]
    assert all(len(names) == 1 for names in named)
    assert sorted(name for [name] in named) == sorted(peer_options(PEERS[name]))


@pytest.mark.parametrize("name", PEERS)
def test_what_it_is_called_here_exists_or_the_reason_is_given(name):
    for option, here, why in table(name):
        if here == "–":
            assert why, f"no reason is given for {option}"
        else:
            [snippet] = re.findall(r"`([^`]+)`", here)
            check_own(snippet)


def test_what_the_reasons_name_of_ours_exists():
    for name in PEERS:
        for row in table(name):
            for snippet in re.findall(r"`([A-Z]\w+(?:\(\w+=\))?|\w+=)`", row[-1]):
                check_own(snippet)


def test_the_lines_to_change_name_options_that_exist():
    known = {**PEERS, "DLPOTeleprompter": dspy_dlpo.DLPOTeleprompter}
    for text in [*lines("-"), *lines("+")]:
        for call in ast.walk(ast.parse(text)):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
            keywords = {each.arg for each in call.keywords if each.arg}
            if name in known:
                assert keywords <= parameters(known[name].__init__), text
            elif name == "Variable":
                assert keywords <= parameters(textgrad.Variable.__init__), text
            elif name == "compile":
                assert keywords <= {
                    each for peer in known.values() if hasattr(peer, "compile") for each in parameters(peer.compile)
                }


@pytest.mark.slow
def test_our_lines_run_one_after_the_other(tmp_path):
    [setup] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    own = "\n".join(line[2:] for diff in DIFFS for line in diff.splitlines() if line[0] in "+ ")
    script = tmp_path / "coming_from.py"
    script.write_text(f"{setup}\n{own}\nprint(better.detailed_results.verdict)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
