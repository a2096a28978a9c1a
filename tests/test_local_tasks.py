"""The short tasks for a small model: parts, sizes, grades, answers dealt at random, the same in any process."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import dspy
import pytest

pytest.importorskip("datasets")

from evaluations.local_tasks import REFERENCES, TASKS, contacts, invoices, refunds, routing, sentences, triage
from evaluations.tasks import bench_task, local_names

ROOT = Path(__file__).parent.parent
GENERATED = ("local/refunds", "local/triage", "local/invoices", "local/contacts", "local/triage shuffled")


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    """Rows as the data files have them."""

    def rows_of(name, data_dir=None, part=""):
        answers = {
            "banking77": (*routing.INTENTS, "card_linking"),
            "sentence_polarity": ("positive", "negative"),
            "subjectivity": ("subjective", "objective"),
            "bbh": ("Yes", "No"),
        }[name]
        return [
            {"question": f"{name} {i}", "answer": answers[i % len(answers)], "split": "train"}
            for i in range(24 * max(13, len(answers)))
        ]

    for module in ("routing", "sentences", "navigation"):
        monkeypatch.setattr(f"evaluations.local_tasks.{module}.rows_of", rows_of)


def parts(task):
    return (task.trainset, task.valset, task.testset, task.headroom)


def plain(example):
    return " ".join(example.question.split()).casefold()


@pytest.mark.parametrize("name", local_names())
def test_no_question_is_in_two_parts_and_each_has_its_size(name):
    task = bench_task(name, 0)
    asked = [{plain(example) for example in part} for part in parts(task)]
    assert [len(each) for each in asked] == [len(part) for part in parts(task)]
    assert len(set().union(*asked)) == sum(map(len, asked))
    n_train, n_val, n_test, n_headroom = map(len, asked)
    assert (n_train, n_val, n_headroom) == (60, 40, 60)
    assert 50 <= n_test <= 200
    assert n_test == 200 or name not in GENERATED


@pytest.mark.parametrize("name", local_names())
def test_a_seed_draws_what_is_learned_from_and_leaves_the_rest(name):
    first, again, other = (bench_task(name, seed) for seed in (0, 0, 1))
    assert [[*map(dict, part)] for part in parts(first)] == [[*map(dict, part)] for part in parts(again)]
    assert [*map(dict, first.testset)] == [*map(dict, other.testset)]
    assert [*map(dict, first.headroom)] == [*map(dict, other.headroom)]
    assert [*map(dict, first.trainset)] != [*map(dict, other.trainset)]
    kept = {plain(example) for example in (*first.testset, *first.headroom)}
    assert not kept & {plain(example) for example in (*other.trainset, *other.valset)}


SAID = """
import hashlib
from evaluations.tasks import bench_task
said = [str(dict(e)) for name in {names} for e in bench_task(name, 3).trainset]
print(hashlib.sha256("".join(said).encode()).hexdigest())
"""


def test_generated_questions_are_the_same_in_any_process():
    said = [str(dict(example)) for name in GENERATED for example in bench_task(name, 3).trainset]
    command = [sys.executable, "-c", SAID.format(names=GENERATED)]
    other = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert other.stdout.strip() == hashlib.sha256("".join(said).encode()).hexdigest()


@pytest.mark.parametrize("name", local_names())
def test_the_metric_takes_the_expected_answer_and_no_other(name):
    task = bench_task(name, 0)
    gold = task.testset[0]
    assert task.metric(gold, dspy.Prediction(answer=gold.answer)) == 1.0
    assert task.metric(gold, dspy.Prediction(answer=f" {gold.answer}\n")) == 1.0
    assert task.metric(gold, dspy.Prediction(answer="certainly not this")) == 0.0
    said = task.feedback_metric(gold, dspy.Prediction(answer="certainly not this"), None, None, None)
    assert said.score == 0.0
    assert gold.answer in said.feedback


@pytest.mark.parametrize("name", [name for name in local_names() if TASKS[name].is_shuffled])
def test_no_constant_answer_gains_where_answers_are_shuffled(name):
    for part in parts(bench_task(name, 0)):
        answers = [example.answer for example in part]
        counts = [answers.count(answer) for answer in set(answers)]
        assert max(counts) - min(counts) <= 1


def test_shuffled_answers_are_not_those_of_the_questions():
    true = dict(triage.tickets())
    shuffled = bench_task("local/triage shuffled", 0)
    for part in parts(shuffled):
        right = sum(true[example.question] == example.answer for example in part)
        assert right / len(part) < 0.6


def test_every_task_has_a_reference_that_is_not_its_start():
    assert set(REFERENCES) == set(TASKS)
    assert all(REFERENCES[name] != task.start for name, task in TASKS.items())
    assert sum(task.is_helped for task in TASKS.values()) >= 5
    assert sum(task.is_shuffled for task in TASKS.values()) == 2


def test_the_policies_are_those_that_the_docstrings_tell():
    assert [refunds.decision(*each) for each in ((300, True, 90), (50, True, 90), (50, False, 90), (50, False, 9))] == [
        "escalate",
        "approve",
        "deny",
        "approve",
    ]
    for question, priority in triage.tickets():
        wanted = "P1" if "Contract: gold" in question else "P3" if "?" in question else "P2"
        assert priority == wanted


def test_each_decision_is_about_as_frequent():
    for pairs in (refunds.requests(), triage.tickets()):
        answers = [answer for _, answer in pairs]
        assert all(0.25 < answers.count(answer) / len(answers) < 0.42 for answer in set(answers))


def test_formats_are_fixed_and_what_they_hold_is_in_the_message():
    for question, answer in invoices.invoices():
        number, day, amount = re.fullmatch(r"INV-(\d{4}); (\d{4})-\d\d-\d\d; EUR (\d+)\.\d\d", answer).groups()
        assert all(each in question for each in (f"inv-{number}", day, amount))
    for question, answer in contacts.contacts():
        last, first, phone = re.fullmatch(r"(\w+), (\w+); \+358(\d{9})", answer).groups()
        assert f"{first} {last}" in question
        assert re.sub(r"\D", "", question).removeprefix("358").removeprefix("0") == phone


def test_too_few_rows_are_refused(monkeypatch):
    few = [{"question": str(i), "answer": "positive"} for i in range(200)]
    monkeypatch.setattr(sentences, "rows_of", lambda *_: few)
    with pytest.raises(ValueError, match="has 200 questions, 210 are needed"):
        bench_task("local/polarity", 0)
