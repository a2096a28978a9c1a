"""A run with the user's aim in words: it reaches the writer, is counted, and belongs to the run."""

import json

import pytest

from dspy_dlpo import Aim, Budget, DLPOTeleprompter, ResumeError, Task
from dspy_dlpo.report.facts import setting_groups
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning.job import make_job

AIM = Aim("Wrong counts cost us a day.", background="Clerks read the answers on a small screen.")


def optimizer_of(task, aim=None, calls=120, **settings):
    lm = simulated_lm(0)
    return DLPOTeleprompter(
        task.metric,
        task_model=lm,
        prompt_model=lm,
        budget=Budget(metric_calls=calls),
        num_threads=1,
        aim=aim,
        **settings,
    )


def compiled(task, aim=None, **settings):
    return optimizer_of(task, aim, verbose=False, **settings).compile(
        task.program, trainset=task.trainset, valset=task.valset
    )


@pytest.fixture
def task():
    return simulated_task("object_counting", n_train=40, n_val=30, n_test=4)


@pytest.mark.parametrize("critic", [False, True])
def test_the_simulated_model_goes_on_as_well_with_it(task, critic):
    result = compiled(task, AIM, calls=400, critic=critic).detailed_results
    assert result.comparison.difference > 0.2
    steps = result.history.steps()
    assert sum(record.fault is not None for record in steps) <= len(steps) / 5


def test_what_it_says_reaches_the_writer(task):
    """The writer of the simulated model adds rules that it is told, among them this one, which few failures show."""
    rule = "Garlic, yams and onions are vegetables."
    told, untold = (
        [edit.text for record in compiled(task, aim).detailed_results.history for edit in record.edits]
        for aim in (Aim(rule), None)
    )
    roots = [sum("garlic" in text.lower() for text in texts) for texts in (told, untold)]
    assert roots[0] > roots[1]


def test_a_run_directory_belongs_to_its_aim(task, tmp_path):
    compiled(task, AIM, calls=60, log_dir=tmp_path)
    kept = json.loads((tmp_path / "run.json").read_text())
    assert kept["settings"]["aim"] == AIM.texts
    shown = {name: value for group in setting_groups(kept) for name, value in group.rows}
    assert shown["aim.objective"] == AIM.objective
    for other in (None, "Be quick.", Aim(AIM.objective)):
        with pytest.raises(ResumeError, match=r"settings\.aim"):
            compiled(task, other, calls=60, log_dir=tmp_path)
    assert compiled(task, AIM, calls=60, log_dir=tmp_path).detailed_results


def test_a_run_without_one_is_told_as_before_and_not_gone_on_with_under_one(task, tmp_path):
    compiled(task, calls=60, log_dir=tmp_path)
    assert "aim" not in json.loads((tmp_path / "run.json").read_text())["settings"]
    with pytest.raises(ResumeError, match=r"settings\.aim was null"):
        compiled(task, "Be quick.", calls=60, log_dir=tmp_path)


@pytest.mark.parametrize("critic", [False, True])
def test_the_estimate_counts_its_tokens(task, critic):
    data = {"trainset": task.trainset, "valset": task.valset}
    words = Aim("count " * 200)
    plain, told = (
        next(
            each
            for each in optimizer_of(task, aim, critic=critic).estimate(task.program, **data).models
            if each.role == "prompt"
        )
        for aim in (None, words)
    )
    assert told.calls == plain.calls
    more = (told.input_tokens.high - plain.input_tokens.high) / plain.calls.high
    assert 250 < more < 400, "200 words are some 300 tokens"


def test_it_is_checked_before_anything_is_spent(task):
    with pytest.raises(ValueError, match="300 words"):
        optimizer_of(task, "word " * 301)
    assert optimizer_of(task, "Be quick.").get_params()["aim"] == Aim("Be quick.")


def test_a_search_over_settings_takes_it_and_tells_it_apart(task):
    lm = simulated_lm(0)
    search = Task(task.program, task.metric, task.trainset, task.valset, task.testset)
    jobs = [make_job(search, task_model=lm, prompt_model=lm, **more) for more in ({}, {"aim": "Be quick."})]
    assert jobs[1].optimizer(jobs[1].base).settings.aim == Aim("Be quick.")
    assert jobs[0].definition["program, data, metric or model"] != jobs[1].definition["program, data, metric or model"]
