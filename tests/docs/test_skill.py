"""The skill for coding agents: of the form that they read, and every command, option and key that it names exists."""

import re
import shlex

import click
import pytest
from reading import DOCS, text_of

from dspy_dlpo import DLPOResult, History
from dspy_dlpo.cli import main
from dspy_dlpo.cli.outcome import Outcome
from dspy_dlpo.core.result import Comparison
from scripts.command_line import written

SKILL = DOCS / "skills" / "dspy-dlpo" / "SKILL.md"
TEXT = text_of(SKILL)
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, block in FENCED if not language for line in block.splitlines()]
ROW = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \|", re.MULTILINE)


def test_the_front_matter_has_a_name_and_says_when_to_use_it():
    head = re.match(r"---\nname: (\S+)\ndescription: (.+)\n---\n", TEXT)
    assert head is not None
    assert head[1] == SKILL.parent.name
    assert re.fullmatch(r"[a-z0-9-]{1,64}", head[1])
    assert len(head[2]) <= 1024
    assert ": " not in head[2], "YAML would read a mapping"
    assert "Use when" in head[2]
    assert len(TEXT.splitlines()) <= 500


def test_it_names_commands_for_all_that_it_is_about():
    assert {shlex.split(line)[1] for line in COMMANDS} >= {"doctor", "estimate", "compile", "report", "diff", "apply"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_line_is_understood(line):
    program, name, *arguments = shlex.split(line)
    assert program == "dlpo"
    main.commands[name].make_context(name, arguments)


def test_every_command_and_option_that_is_named_exists():
    for name in re.findall(r"`dlpo ([a-z]+)", TEXT):
        assert name in main.commands
    options = {
        opt
        for command in main.commands.values()
        for each in command.params
        if isinstance(each, click.Option)
        for opt in each.opts
    }
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT):
        assert option in options, option


def test_the_exit_codes_are_those_of_the_commands():
    assert written(TEXT) == TEXT, f"run: python scripts/command_line.py {SKILL}"
    assert "| 130 |" in TEXT


def test_the_keys_that_it_explains_are_those_of_the_outcome():
    nothing = DLPOResult("kept", {}, {}, Comparison(), History(()), {})
    keys = {key for row in ROW.findall(TEXT) for key in re.findall(r"\w+", row)}
    assert keys >= {"verdict", "reliable_gain", "testset", "simulated", "complete"}
    assert keys <= set(Outcome(nothing).to_dict())
