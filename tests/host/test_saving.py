"""A saved program says of what run it is, and DSPy loads it as before."""

import json
import shutil

import dspy
import pytest

from dspy_dlpo import DLPOResult, History, RunDirectoryError, save_program
from dspy_dlpo.core.result import Comparison


def returned(log_dir):
    """A program as `compile` returns it, with its run on the disk."""
    program = dspy.Predict(dspy.Signature("question -> answer", "Use digits."))
    compared = Comparison(start=0.5, best=0.8, difference=0.3, interval=(0.1, 0.5), examples=40)
    before, after = {"self": "Answer."}, {"self": "Use digits."}
    found = DLPOResult("+30.0 points", before, after, compared, History(()), {"metric_calls": 9})
    if log_dir is not None:
        log_dir.mkdir(parents=True)
        found.save(log_dir / "result.json")
        found = DLPOResult.load(log_dir)
    program.detailed_results = found
    return program


def test_the_note_stands_in_the_metadata_and_dspy_loads_the_program(tmp_path):
    save_program(returned(tmp_path / "runs" / "first"), tmp_path / "better.json")
    note = json.loads((tmp_path / "better.json").read_text())["metadata"]["dspy_dlpo"]
    assert note == {
        "verdict": "+30.0 points",
        "start": 0.5,
        "best": 0.8,
        "interval": [0.1, 0.5],
        "examples": 40,
        "metric_calls": 9,
        "run": "runs/first",
    }
    fresh = dspy.Predict("question -> answer")
    fresh.load(tmp_path / "better.json")
    assert fresh.signature.instructions == "Use digits."


def test_program_and_run_may_move_together(tmp_path):
    save_program(returned(tmp_path / "old" / "run"), tmp_path / "old" / "better.json")
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert DLPOResult.load(tmp_path / "new" / "better.json").verdict == "+30.0 points"
    shutil.rmtree(tmp_path / "new" / "run")
    with pytest.raises(RunDirectoryError, match="does not exist"):
        DLPOResult.load(tmp_path / "new" / "better.json")


def test_but_for_the_note_the_file_is_that_of_dspy(tmp_path):
    program = returned(tmp_path / "run")
    program.demos = [dspy.Example(question="Größe?\u2028", answer=1e-07)]
    program.save(tmp_path / "plain.json")
    save_program(program, tmp_path / "noted.json")
    noted = json.loads((tmp_path / "noted.json").read_text(encoding="utf-8"))
    del noted["metadata"]["dspy_dlpo"]
    assert noted == json.loads((tmp_path / "plain.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("other", [None, "what another optimizer leaves"])
def test_a_program_of_no_run_is_saved_without_a_note(tmp_path, other):
    program = dspy.Predict("question -> answer")
    if other is not None:
        program.detailed_results = other
    save_program(program, tmp_path / "plain.json")
    assert set(json.loads((tmp_path / "plain.json").read_text())["metadata"]) == {"dependency_versions"}
    with pytest.raises(RunDirectoryError, match="does not say of what run it is"):
        DLPOResult.load(tmp_path / "plain.json")


def test_a_run_without_a_directory_leaves_its_verdict(tmp_path):
    save_program(returned(None), tmp_path / "better.json")
    note = json.loads((tmp_path / "better.json").read_text())["metadata"]["dspy_dlpo"]
    assert (note["verdict"], note["run"]) == ("+30.0 points", None)
    with pytest.raises(RunDirectoryError, match="Pass the log_dir"):
        DLPOResult.load(tmp_path / "better.json")


def test_other_forms_than_json_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.json"):
        save_program(returned(None), tmp_path / "better.pkl")
