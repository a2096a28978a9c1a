"""What a trial shows: numbers, files and a note; whatever fails while showing costs no trial."""

import json
from dataclasses import replace

import optuna
import pytest
from browser import ATTACK
from optuna.artifacts import get_all_artifact_meta
from optuna_dashboard._note import get_note_from_system_attrs

from dspy_dlpo.tuning.display import show_trial

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")


def note_of(study, trial) -> str:
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return get_note_from_system_attrs(attributes, trial._trial_id)["body"]


def files_of(study, trial, store) -> dict[str, str]:
    listed = get_all_artifact_meta(trial, storage=study._storage)
    return {each.filename: (store.folder / "artifacts" / each.artifact_id).read_text() for each in listed}


def test_numbers_files_and_a_note_with_the_reports(study, store, outcomes) -> None:
    trial = study.ask()
    first = replace(outcomes[0], program_json="{}")
    show_trial(trial, [first, outcomes[1]], store.artifacts)
    shown = study.tell(trial, 0.5).user_attrs
    assert shown["score"] == pytest.approx(sum(each.score for each in outcomes) / 2, abs=1e-4)
    assert shown["runs"] == sum(each.runs for each in outcomes)
    assert max(len(str(value)) for value in shown.values()) <= 200, "large texts are never user attributes"
    files = files_of(study, trial, store)
    assert sorted(files) == [
        "program-0-object_counting-seed0.json",
        "report-0-object_counting-seed0.html",
        "report-1-support_desk-seed1.html",
    ]
    assert json.loads(files["program-0-object_counting-seed0.json"]) == {}
    assert "</html>" in files["report-0-object_counting-seed0.html"]
    assert note_of(study, trial).count("[report](/artifacts/") == 2


def test_nothing_in_a_verdict_or_a_task_name_is_markup(study, store, outcomes) -> None:
    trial = study.ask()
    bad = replace(outcomes[0], task=ATTACK, result=replace(outcomes[0].result, verdict=ATTACK))
    show_trial(trial, [bad], store.artifacts)
    note = note_of(study, trial)
    assert note.count("](") == note.count("[report](/artifacts/") == 1
    assert "<script>" not in note


def test_a_store_that_fails_costs_no_trial(study, outcomes, caplog) -> None:
    class Broken:
        def write(self, artifact_id, content_body) -> None:
            raise OSError("the disk is full")

    trial = study.ask()
    show_trial(trial, outcomes, Broken())
    assert "the disk is full" in caplog.text
    assert study.tell(trial, 0.5).user_attrs["score"] is not None
    assert "score" in note_of(study, trial)


def test_a_trial_that_has_ended_already_is_left_as_it_is(study, store, outcomes) -> None:
    trial = study.ask()
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    show_trial(trial, outcomes, store.artifacts)
    assert "score" not in study.trials[0].user_attrs
