"""Worlds are drawn over the whole of what is told, and the same everywhere."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import dspy
import pytest

from evaluations.worlds import draw, draw_traits, generator_hash
from evaluations.worlds.frozen import generator_files
from evaluations.worlds.rules import read
from evaluations.worlds.task import make_task
from evaluations.worlds.traits import FEEDBACKS, MODES, PLACES, STARTS

ROOT = Path(__file__).parents[2]
SEEDS = range(200)
A_FEW = (0, 1, 2, 5, 6, 7, 14)


def fingerprint(seed):
    world = draw(seed)
    examples = [(e.record, e.answer) for e in (*world.trainset, *world.valset, *world.testset)]
    with dspy.context(lm=world.reader):
        answers = [world.program(**e.inputs()).answer for e in world.testset[:10]]
    with dspy.context(lm=world.writer):
        shown = f"record: {world.testset[0].record}, answer: nothing"
        answers += [dspy.Predict("instruction, failures -> new_instruction")(instruction="Go.", failures=shown)]
    texts = [examples, str(answers), world.start_prompts, world.best_prompts, world.start_score, world.best_score]
    return hashlib.sha256(json.dumps([*texts, asdict(world.traits)]).encode()).hexdigest()


def test_a_world_is_the_same_in_another_process():
    code = "from tests.worlds.test_drawing import fingerprint; print(fingerprint(2), fingerprint(6))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [fingerprint(2), fingerprint(6)]


def test_what_is_drawn_covers_what_is_told():
    drawn = [draw_traits(seed) for seed in SEEDS]
    assert {t.mode for t in drawn} == set(MODES)
    assert {t.start for t in drawn} == set(STARTS)
    assert {t.reading.place for t in drawn} == set(PLACES)
    assert {t.feedback for t in drawn} == set(FEEDBACKS)
    assert {t.predictors for t in drawn} == {1, 2, 3, 4}
    assert {t.writing.ideas for t in drawn} == set(range(1, 9))
    for flag in ("graded",):
        assert {getattr(t, flag) for t in drawn} == {True, False}
    assert {t.reading.fresh for t in drawn} == {True, False}
    for name, low, high in (("rules", 3, 30), ("train", 20, 500), ("tail", 0.0, 1.5), ("skew", 0.0, 1.5)):
        values = [getattr(t, name) for t in drawn]
        assert low <= min(values) <= low + 0.15 * (high - low)
        assert high - 0.15 * (high - low) <= max(values) <= high
    for name, low, high in (("skill", 0.3, 0.95), ("forgets", 0.0, 0.15), ("useless", 0.0, 0.5)):
        values = [getattr(t.writing, name) for t in drawn]
        assert low <= min(values) <= low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) <= max(values) <= high
    noises = [t.reading.noise for t in drawn]
    assert min(noises) == 0
    assert 0.09 < max(noises) <= 0.1
    sizes = [t.val for t in drawn]
    assert 0 in sizes
    assert all(size == 0 or 20 <= size <= 200 for size in sizes)


@pytest.mark.few(2)
@pytest.mark.parametrize("seed", A_FEW)
def test_the_data_are_as_drawn_and_in_no_two_parts(seed):
    world = draw(seed)
    assert (len(world.trainset), len(world.valset), len(world.testset)) == (world.traits.train, world.traits.val, 200)
    records = [e.record for e in (*world.trainset, *world.valset, *world.testset)]
    assert len(set(records)) == len(records)


def test_nearly_all_rules_that_were_drawn_are_there():
    for seed in SEEDS:
        task = make_task(seed)
        learned = sum(bool(rule.atoms) for step in task.steps for rule in step.rules)
        assert 0.8 * task.traits.rules <= learned <= task.traits.rules


@pytest.mark.few(2)
@pytest.mark.parametrize("seed", A_FEW)
def test_the_best_prompts_score_the_best_and_more_than_the_start(seed):
    world = draw(seed)
    assert world.score(world.best_prompts) == world.best_score
    assert world.score(world.start_prompts) == world.start_score
    assert world.start_score < world.best_score <= 1


@pytest.mark.few(2)
@pytest.mark.parametrize("seed", A_FEW)
def test_rules_are_needed_about_as_evenly_as_drawn(seed):
    world = draw(seed)
    needs = Counter({rule: count for rule, count in world.needs.items() if rule.atoms})
    assert needs
    if world.traits.tail == 0 and world.traits.predictors == 1 and world.traits.rules >= 10:
        assert max(needs.values()) < 0.4 * sum(needs.values())


@pytest.mark.few(5)
@pytest.mark.parametrize("seed", range(30))
def test_every_wording_of_every_rule_is_read_as_that_rule(seed):
    task = make_task(seed)
    for step in task.steps:
        for rule in step.rules:
            assert {read(task.language, rule.say(wording)) for wording in range(12)} == {rule}


def test_other_wordings_are_read_too():
    task = make_task(1)
    rule = next(rule for rule in task.steps[0].rules if len(rule.atoms) == 1 and rule.atoms[0].op == "is")
    value = rule.atoms[0].value
    assert read(task.language, f"- {value.title()} records are always {rule.label}, not anything else!") == rule
    assert read(task.language, f"Mind the {rule.atoms[0].feature}.") is None
    assert read(task.language, f"Not {value}: {rule.label}.") is None
    assert read(task.language, f"The right label is {rule.label}.") is None


def test_the_fingerprint_of_the_generator_is_of_its_sources():
    assert len(generator_hash()) == 64
    names = {path.name for path in generator_files()}
    assert {"traits.py", "writer.py", "reader.py", "best.py", "request.py"} <= names
    assert not {"measure.py", "run.py", "command.py"} & names


def test_the_room_of_the_optimizer_does_not_know_worlds():
    package = ROOT / "dspy_dlpo"
    pattern = re.compile(r"^\s*(?:from|import) evaluations\b", re.MULTILINE)
    assert not [path for path in package.rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))]


def test_nothing_in_the_models_depends_on_who_asks():
    words = "copro mipro gepa simba textgrad inferrules dlpo_ teleprompter reflect critique_module".split()
    for path in generator_files():
        if path.parent.name == "worlds":
            text = path.read_text(encoding="utf-8").lower()
            assert not [word for word in words if word in text], path.name
