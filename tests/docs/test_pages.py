"""What the pages show runs, prints what they say, and names only what exists."""

import inspect
import re
import sys

import click
import dspy
import pytest
from reading import DOCS, PAGES, TEXTS, name_of, run, text_of

import dspy_dlpo
from dspy_dlpo import simulation, tuning
from dspy_dlpo.cli.main import main

# Run by test_coming_from.py and test_readme.py.
ELSEWHERE = (DOCS / "coming_from.md", DOCS / "tuning.md")
# A block below "a real model" needs one: it is only compiled.
BLOCK = re.compile(r"(<!-- a real model -->\n)?```python\n(.*?)```", re.DOTALL)
PRINTED = re.compile(r"<!-- printed -->\n```\w*\n(.*?)```", re.DOTALL)
# What the reader has, where a page says so.
STAND_INS = {
    DOCS / "skills" / "dspy-dlpo" / "SKILL.md": """
from pathlib import Path
Path("tickets.jsonl").write_text('{"ticket": "The bill is wrong.", "queue": "billing"}\\n' * 200)
""",
    DOCS / "command_line.md": """
from dspy_dlpo.simulation import simulated_task
known = simulated_task("object_counting")
program, metric, trainset, valset, testset = known.program, known.metric, known.trainset, known.valset, known.testset
""",
}
WITH_BLOCKS = [path for path in PAGES if path not in ELSEWHERE and BLOCK.search(text_of(path))]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem == "index" else pytest.mark.slow) for path in WITH_BLOCKS],
    ids=name_of,
)
def test_the_blocks_run_one_after_the_other_and_print_what_is_shown(path, tmp_path):
    found = BLOCK.findall(text_of(path))
    for _, block in found:
        compile(block, str(path), "exec")
    blocks = [STAND_INS.get(path, ""), *(block for real, block in found if not real)]
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    done = run([sys.executable, "page.py"], tmp_path)
    assert done.returncode == 0, done.stderr
    shown = PRINTED.findall(text_of(path))
    if shown:
        assert done.stdout == "".join(shown)


def test_pages_say_what_is_printed():
    assert sum(bool(PRINTED.search(text_of(path))) for path in WITH_BLOCKS) >= 3


def options_of(*things):
    return {name for thing in things for name in inspect.signature(thing).parameters}


OPTIONS = options_of(
    *(getattr(dspy_dlpo, name) for name in ("DLPOTeleprompter", "EditJudge", "Budget", "Stopping", "Task")),
    dspy_dlpo.DLPOTeleprompter.compile,
    dspy_dlpo.DLPOTeleprompter.estimate,
    tuning.tune,
    *(getattr(simulation, name) for name in ("simulated_lm", "simulated_task", "serve")),
    dspy.LM,
)


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_option_that_is_named_exists(path):
    for name, option in re.findall(r"\b([A-Z]\w+)\((\w+)=", text_of(path)):
        if hasattr(dspy_dlpo, name):
            assert option in options_of(getattr(dspy_dlpo, name)), f"{name}({option}=)"
    for option in re.findall(r"`([a-z]\w*)=[^`]*`", text_of(path)):
        assert option in OPTIONS, f"{option}="


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_command_that_is_shown_exists(path):
    for line in re.findall(r"(?:^|`)(?:\.venv/bin/)?dlpo ([a-z][^`\n]*)", text_of(path), re.MULTILINE):
        words = line.split("#")[0].split()
        assert words[0] in main.commands, line
        options = [each for each in main.commands[words[0]].params if isinstance(each, click.Option)]
        known = {name for each in options for name in each.opts} | {"--help"}
        for word in words[1:]:
            assert not word.startswith("-") or word.split("=")[0] in known, f"{word} in: dlpo {line}"


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_file_of_the_repository_that_is_named_exists(path):
    root = DOCS.parent
    for name in re.findall(r"`((?:docs|examples|scripts|evaluations|tests|benchmarks)/[\w./-]+)`", text_of(path)):
        made_by_a_run = name.endswith(".db") or "grid.db" in name
        assert made_by_a_run or (root / name).exists(), name


def test_every_picture_says_in_words_what_it_shows():
    for path in TEXTS:
        for words, _ in re.findall(r"!\[(.*?)\]\((.*?)\)", text_of(path), re.DOTALL):
            assert len(words.split()) >= 5, f"{path.name}: {words!r}"
