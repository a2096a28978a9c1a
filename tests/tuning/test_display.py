"""What a trial shows: numbers, files and a note; whatever fails while showing costs no trial."""

import json
from dataclasses import replace

import optuna
import pytest
from browser import ATTACK
from optuna.artifacts import get_all_artifact_meta
from optuna_dashboard._note import get_note_from_system_attrs

from dspy_dlpo.tuning.display import show_trial
from dspy_dlpo.tuning.heart import BEAT


def note_of(study, trial) -> str:
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return get_note_from_system_attrs(attributes, trial._trial_id)["body"]


def files_of(study, trial, store) -> dict[str, str]:
    listed = get_all_artifact_meta(trial, storage=study._storage)
    return {each.filename: store.artifacts.open_reader(each.artifact_id).read().decode() for each in listed}


def test_numbers_files_and_a_note(study, store, outcomes) -> None:
    trial = study.ask()
    show_trial(study, trial, outcomes, store.artifacts, verdict="better")
    shown = study.tell(trial, 0.5).user_attrs
    assert shown["verdict"] == "better"
    assert shown["score"] == pytest.approx(sum(each.score for each in outcomes) / 2, abs=1e-4)
    assert shown["score_low"] < shown["score"] <= shown["score_high"]
    assert shown["runs"] == sum(each.runs for each in outcomes)
    assert max(len(str(value)) for value in shown.values()) <= 200, "large texts are never user attributes"
    files = files_of(study, trial, store)
    assert {name.rpartition(".")[2] for name in files} == {"svg", "jsonl", "json"}
    rows = [json.loads(line) for line in files["steps-object_counting-seed0.jsonl"].splitlines()]
    assert [row["step"] for row in rows] == [record.index for record in outcomes[0].result.history]
    assert json.loads(files["program-object_counting-seed0.json"]) == outcomes[0].result.best_prompts
    note = note_of(study, trial)
    assert "**better**" in note
    assert "![how the prompts evolved](/artifacts/" in note


def test_a_second_attempt_lists_no_file_twice(study, store, outcomes) -> None:
    trial = study.ask()
    show_trial(study, trial, outcomes[:1], store.artifacts)
    first = files_of(study, trial, store)
    other = replace(outcomes[0], result=replace(outcomes[0].result, best_prompts={"solve": "Another prompt."}))
    show_trial(study, trial, [other], store.artifacts)
    second = files_of(study, trial, store)
    assert first.keys() == second.keys()
    assert json.loads(second["program-object_counting-seed0.json"]) == {"solve": "Another prompt."}


def test_without_artifacts_the_note_shows_the_change_by_lines(study, outcomes) -> None:
    trial = study.ask()
    [start] = outcomes[0].result.start_prompts.values()
    better = replace(outcomes[0].result, best_prompts={"solve": f"{start} Answer with digits."})
    show_trial(study, trial, [replace(outcomes[0], result=better)], None)
    note = note_of(study, trial)
    assert "```diff" in note
    assert "Answer with digits." in note.split("\n+ ", 1)[1]


def test_nothing_in_a_verdict_or_a_task_name_is_markup(study, store, outcomes) -> None:
    trial = study.ask()
    hostile = [replace(each, task=ATTACK) for each in outcomes]
    show_trial(study, trial, hostile, store.artifacts, verdict=ATTACK)
    note = note_of(study, trial).replace("![how the prompts evolved]", "")
    for mark in ("<", "[", "]", "`", "|window"):
        assert f"\\{mark[0]}" in note or mark not in note
    assert "<script>" not in note


def test_a_store_that_fails_costs_no_trial(study, outcomes, caplog) -> None:
    class Broken:
        def write(self, artifact_id, content_body) -> None:
            raise OSError("the disk is full")

    trial = study.ask()
    show_trial(study, trial, outcomes, Broken())
    assert "the disk is full" in caplog.text
    assert study.tell(trial, 0.5).user_attrs["score"] is not None
    assert "score" in note_of(study, trial)


def test_a_trial_that_has_ended_already_is_left_as_it_is(study, store, outcomes) -> None:
    trial = study.ask()
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    show_trial(study, trial, outcomes, store.artifacts)
    assert BEAT not in study.trials[0].system_attrs
    assert "score" not in study.trials[0].user_attrs
