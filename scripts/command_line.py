"""The tables of options in ``docs/command_line.md``, from the commands themselves.

``python scripts/command_line.py docs/command_line.md`` writes them anew.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from dspy_dlpo.cli.failing import EXIT_CODES
from dspy_dlpo.cli.main import main

_BLOCK = re.compile(r"(<!-- (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """A page with its tables: between ``<!-- name -->`` and ``<!-- end -->``, of a command, or of exit ``codes``."""
    return _BLOCK.sub(lambda block: f"{block[1]}{table(block[2])}{block[3]}", text)


def table(name: str) -> str:
    """The options of a command, or the exit codes, as a table."""
    if name == "codes":
        rows = [(f"{code}", meaning) for code, meaning in EXIT_CODES.items()]
        return _table(("code", "meaning"), rows)
    context = click.Context(main.commands[name], info_name=name)
    options = [each for each in main.commands[name].params if isinstance(each, click.Option) and not each.hidden]
    rows = [record for each in options if (record := each.get_help_record(context))]
    return _table(("option", "what it does"), [(f"`{names}`", said) for names, said in rows])


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
