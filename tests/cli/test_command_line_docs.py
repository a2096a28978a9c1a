"""The page on the command line says what the commands say."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from waiting import PATIENCE

from dspy_dlpo.cli import main
from dspy_dlpo.cli.failing import EXIT_CODES
from scripts.command_line import written

PAGE = Path(__file__).parents[2] / "docs" / "command_line.md"


def test_the_tables_are_those_of_the_commands():
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "run: python scripts/command_line.py docs/command_line.md"


def test_every_command_has_its_section_with_an_example():
    text = PAGE.read_text(encoding="utf-8")
    for name in main.commands:
        assert re.search(rf"^## dlpo {name}\n\n```\ndlpo {name} ?", text, re.MULTILINE), name


@pytest.mark.parametrize("name", list(main.commands))
def test_every_command_and_option_says_what_it_does(name):
    command = main.commands[name]
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    assert "--debug" in done.output


def test_the_help_has_sections_exit_codes_and_completion():
    shown = CliRunner().invoke(main, ["--help"]).output
    for code, meaning in EXIT_CODES.items():
        assert re.search(rf"{code} +{meaning}", shown)
    assert "Optimize:" in shown
    assert "_DLPO_COMPLETE" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_version_is_told():
    done = CliRunner().invoke(main, ["--version"])
    assert re.fullmatch(r"dlpo \d+\.\d+\.\d+\n", done.output)


def test_completion_knows_the_commands():
    command = [sys.executable, "-c", "from dspy_dlpo.cli import main; main(prog_name='dlpo')"]
    env = {"_DLPO_COMPLETE": "bash_complete", "COMP_WORDS": "dlpo comp", "COMP_CWORD": "1", "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=env)
    assert "compile" in done.stdout
