import json
import os
import shutil
import stat
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.edits import Dropped, Edit
from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.events import Recorded, RunDone, Sent, What, event_from_json, event_to_json
from dspy_dlpo.core.history import LedgerEntry, Record, RecordKind
from dspy_dlpo.core.reasons import Reason, Why
from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.core.storage import RunDirectory, read_history
from dspy_dlpo.core.tally import Tally
from dspy_dlpo.core.update import Note, TextGradient

text = st.text(max_size=12) | st.just("\ud800 lone surrogate") | st.just("line\u2028break\n")
number = st.floats(allow_nan=False, allow_infinity=False)
examples = st.lists(st.integers(0, 999), max_size=3).map(tuple)
edits = st.builds(Edit, op=text, at=st.integers(), text=text, why=text, to=st.none() | st.integers(), predictor=text)
reasons = st.builds(Reason, st.sampled_from(Why), st.tuples(text, text, text))
records = st.builds(
    Record,
    kind=st.sampled_from(RecordKind),
    index=st.integers(0, 99),
    progress=st.floats(0, 1),
    prompts=st.dictionaries(text, text, max_size=2),
    proposal=st.dictionaries(text, text, max_size=2),
    batch=examples,
    gradients=st.lists(st.builds(TextGradient, text, text, examples), max_size=2).map(tuple),
    notes=st.dictionaries(text, st.lists(st.builds(Note, text, text), max_size=2).map(tuple), max_size=2),
    edits=st.lists(edits, max_size=2).map(tuple),
    dropped=st.lists(st.builds(Dropped, edits, text), max_size=2).map(tuple),
    ledger=st.lists(st.builds(LedgerEntry, edits, examples, examples, st.booleans(), reasons), max_size=2).map(tuple),
    bar=st.none() | number,
    scores=st.dictionaries(st.integers(0, 99), st.lists(number, min_size=1, max_size=3).map(tuple), max_size=3),
    complete=st.booleans(),
    score=st.none() | number,
    accepted=st.booleans(),
    reason=reasons,
    spent=st.dictionaries(text, number, max_size=2),
    seconds=number,
)

RECORD = Record("start", 0, 0.0, {"solve": "Zähle 三个."}, {"solve": "Count."}, scores={3: (1.0, 0.0)})


@given(records)
def test_a_record_survives_json(record: Record) -> None:
    assert event_from_json(event_to_json(Recorded(record))) == Recorded(record)


@given(records)
def test_a_record_is_one_line_of_ascii(record: Record) -> None:
    line = event_to_json(Recorded(record))
    assert line.isascii()
    assert len(line.splitlines()) == 1


@given(st.lists(records, max_size=3))
def test_a_history_survives_the_directory(tmp_path_factory, written) -> None:
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    (directory.path / "events.jsonl").touch()
    placed = [replace(record, index=i) for i, record in enumerate(written)]
    for record in placed:
        directory.append(Recorded(record))
    assert list(read_history(directory.path)) == placed


def test_a_last_line_cut_anywhere_is_left_out(tmp_path) -> None:
    line = event_to_json(Recorded(RECORD))
    for end in range(len(line)):
        (tmp_path / "events.jsonl").write_text(f"{line}\n{line[:end]}", encoding="utf-8")
        assert list(read_history(tmp_path)) == [RECORD]


def test_a_last_line_that_only_lacks_its_line_break_is_read(tmp_path) -> None:
    (tmp_path / "events.jsonl").write_text(event_to_json(Recorded(RECORD)), encoding="utf-8")
    assert list(read_history(tmp_path)) == [RECORD]


@pytest.mark.parametrize("bad", ["{", "3", "null", "[]", '{"kind": "step"}', '"text"', ""])
def test_a_broken_line_in_the_middle_is_named(tmp_path, bad: str) -> None:
    line = event_to_json(Recorded(RECORD))
    (tmp_path / "events.jsonl").write_text(f"{line}\n{bad}\n{line}\n", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="line 2 of"):
        read_history(tmp_path)


def test_a_field_of_another_shape_is_named(tmp_path) -> None:
    data = json.loads(event_to_json(Recorded(RECORD)))
    data["record"] |= {"notes": [], "scores": []}
    line = event_to_json(Recorded(RECORD))
    (tmp_path / "events.jsonl").write_text(f"{json.dumps(data)}\n{line}\n", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="line 1 of"):
        read_history(tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunDirectoryError):
        read_history(tmp_path)


def test_a_directory_without_a_run_is_named(tmp_path) -> None:
    with pytest.raises(RunDirectoryError, match=r"holds no run.*Pass"):
        read_history(tmp_path / "nowhere")


def test_a_directory_is_held_by_one_run_at_a_time(tmp_path) -> None:
    first = RunDirectory(tmp_path / "run")
    with pytest.raises(RunDirectoryError, match=r"is in use by another run.*pass another"):
        RunDirectory(tmp_path / "run")
    first.close()
    RunDirectory(tmp_path / "run").close()


def test_a_new_directory_and_its_files_are_private(tmp_path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.append(Recorded(RECORD))
    directory.write_json("run.json", {})
    for path in (directory.path, *directory.path.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_write_that_fails_leaves_no_half_line(tmp_path, monkeypatch) -> None:
    directory = RunDirectory(tmp_path)
    directory.append(Sent(What.RUN, 1))
    write = os.write

    def full(file, data):
        write(file, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunDirectoryError, match=r"No space left on device.*Free some space"):
        directory.append(Sent(What.RUN, 2))
    monkeypatch.undo()
    directory.append(Sent(What.RUN, 3))
    assert [json.loads(line)["number"] for line in (tmp_path / "events.jsonl").read_text().splitlines()] == [1, 3]


def test_settings_are_whole_or_not_there(tmp_path) -> None:
    directory = RunDirectory(tmp_path)
    directory.write_json("run.json", {"seed": 0, "note": "é"})
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == {"seed": 0, "note": "é"}
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", ".lock"}


def test_a_place_that_is_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunDirectoryError, match=r"cannot be made.*Pass"):
            RunDirectory(path)


def test_a_directory_that_can_no_longer_be_written_is_named(tmp_path) -> None:
    directory = RunDirectory(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(RunDirectoryError, match=r"run\.json cannot be written"):
        directory.write_json("run.json", {})
    with pytest.raises(RunDirectoryError, match=r"events\.jsonl cannot be written.*same call again"):
        directory.append(Recorded(RECORD))


def test_each_finished_run_is_a_line_of_plain_json(tmp_path) -> None:
    directory = RunDirectory(tmp_path)
    row = Row(3, 0.5, {"q": "?"}, feedback="half", trace=(TraceStep("solve", {"q": "?"}, {"a": "1"}),))
    directory.append(RunDone("train", "0123456789abcdef", 1, row, {"task": Tally(calls=2, usd=0.5)}))
    directory.append(RunDone("train", "0123456789abcdef", 2, replace(row, score=float("nan"))))
    first, second = map(json.loads, (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines())
    assert (first["event"], first["set"], first["rollout"], first["row"]["example"], first["row"]["score"]) == (
        "RunDone",
        "train",
        1,
        3,
        0.5,
    )
    assert first["row"]["trace"] == [{"predictor": "solve", "inputs": {"q": "?"}, "outputs": {"a": "1"}}]
    assert first["spent"] == {"task": {"calls": 2, "usd": 0.5}}
    assert second["row"]["score"] is None
