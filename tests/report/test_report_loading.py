"""Results are read back from run directories in any state, and from saved files; the command writes the page."""

import json
import os
import shutil
import subprocess
import sys
import webbrowser
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from event_logs import places
from small_runs import compiled
from waiting import PATIENCE

from dspy_dlpo import DLPOResult, RunDirectoryError
from dspy_dlpo.cli import main
from dspy_dlpo.report.directory import read_log
from dspy_dlpo.report.page import make_page


@pytest.fixture
def run(tmp_path, one) -> Path:
    """A copy of a run directory."""
    return Path(shutil.copytree(one.log_dir, tmp_path / "run"))


def cut_history(run: Path, records: int) -> None:
    lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    (run / "events.jsonl").write_text("".join(lines[: places(run, "Recorded")[records]]))


@pytest.mark.slow
def test_a_result_is_the_same_from_its_directory_and_from_a_saved_file(one, two, without_gain, empty, tmp_path) -> None:
    for result in (one, two, without_gain, empty):
        assert DLPOResult.load(result.log_dir).to_dict() == result.to_dict()
        result.save(tmp_path / "saved.json")
        assert DLPOResult.load(tmp_path / "saved.json").to_dict() == result.to_dict()
        assert isinstance(DLPOResult.load(result.log_dir).comparison, type(result.comparison))
        assert DLPOResult.load(result.log_dir).comparison == result.comparison


def test_a_directory_that_was_moved_is_read_where_it_is_now(run) -> None:
    assert DLPOResult.load(run).log_dir == str(run)


def test_a_run_that_has_not_ended_says_what_its_prompts_hold(run) -> None:
    (run / "result.json").unlink()
    assert DLPOResult.load(run).parameters == ("instructions",)
    content = json.loads((run / "run.json").read_text())
    content["settings"]["parameters"] = ["instructions", "fields"]
    (run / "run.json").write_text(json.dumps(content))
    assert DLPOResult.load(run).parameters == ("instructions", "fields")


def test_a_run_that_has_not_ended_is_told_as_such(run, one) -> None:
    (run / "result.json").unlink()
    result = DLPOResult.load(run)
    assert result.verdict.startswith("this run has not ended: the best so far scores ")
    assert result.verdict.endswith("so no gain can be claimed")
    assert result.best_prompts == one.history.best().prompts
    assert result.start_prompts == one.start_prompts
    assert not result.complete
    assert "the choice on held-out examples has not ended" in result.ended
    assert "writer" in result.spent
    assert "critic" not in result.spent
    for role in ("task", "writer", "metric_calls", "usd"):
        assert result.spent[role] == one.spent[role]


def test_a_run_with_a_critic_that_has_not_ended_tells_what_it_spent(tmp_path) -> None:
    ended = compiled(tmp_path / "run", calls=60, n_val=10, critic=True)
    (tmp_path / "run" / "result.json").unlink()
    result = DLPOResult.load(tmp_path / "run")
    for role in ("task", "critic", "writer"):
        assert result.spent[role] == ended.spent[role]


def test_a_run_that_was_killed_in_the_middle_of_a_line(run, one) -> None:
    (run / "result.json").unlink()
    content = (run / "events.jsonl").read_bytes()
    (run / "events.jsonl").write_bytes(content[: len(content) * 2 // 3])
    result = DLPOResult.load(run)
    assert 0 < len(result.history) < len(one.history)
    page = make_page(result)
    assert not any("cannot be read" in note for note in page.notes)
    assert page.examples


def test_a_run_without_a_record_shows_the_prompts_that_it_began_with(run, one) -> None:
    (run / "result.json").unlink()
    (run / "events.jsonl").write_text("")
    result = DLPOResult.load(run)
    assert result.start_prompts == result.best_prompts == one.start_prompts
    assert "no record yet" in result.verdict
    (run / "events.jsonl").unlink()
    assert DLPOResult.load(run).spent["metric_calls"] == 0
    result.to_html(run / "report.html")


def test_a_run_that_was_taken_up_again_does_not_show_its_old_verdict_as_its_own(run, one) -> None:
    cut_history(run, 3)
    result = DLPOResult.load(run)
    assert len(result.history) == 3
    assert result.verdict.startswith(f"this run was taken up again and has not ended (before: {one.verdict}): ")


def test_lost_runs_are_counted(run) -> None:
    (run / "result.json").unlink()
    with open(run / "events.jsonl", "a") as file:
        file.write('{"event": "Sent", "what": "run", "number": 5}\n')
    assert DLPOResult.load(run).spent["lost"] == {"metric_calls": 5, "prompt_calls": 0}


def test_lines_of_the_log_that_cannot_be_read_are_left_out_and_told(run) -> None:
    lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    odd = ["no json\n", "[]\n", '{"event": "RunDone"}\n', '{"event": "Taken", "key": ["run", "x", "y", 0, 0]}\n', "\n"]
    odd.append('{"event": "Sent", "what": "run", "number": "many"}\n')
    (run / "events.jsonl").write_text("".join([*odd, *lines]))
    assert read_log(run).unreadable == 5
    assert any("5 lines of events.jsonl cannot be read" in note for note in make_page(DLPOResult.load(run)).notes)


def test_a_result_whose_directory_is_gone_is_reported_without_it(one, tmp_path) -> None:
    result = replace(one, log_dir=str(tmp_path / "gone"))
    page = make_page(result)
    assert page.examples == ()
    assert any("no run.json" in note for note in page.notes)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: shutil.rmtree(run), "does not exist"),
        (lambda run: [each.unlink() for each in run.iterdir()], "holds no run"),
        (lambda run: (run / "result.json").write_text("{"), "cannot be read"),
        (lambda run: (run / "result.json").write_text("[]"), "holds no run or result"),
        (lambda run: (run / "result.json").write_text("{}"), "is no result of this version"),
        (lambda run: (run / "result.json").write_text('{"comparison": {"interval": 1}}'), "is no result of this"),
        (lambda run: (run / "result.json").write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda run: [(run / "result.json").unlink(), (run / "events.jsonl").rename(run / "calls.jsonl")],
         "earlier version"),
        (lambda run: [each.unlink() for each in (run / "result.json", run / "events.jsonl")]
         and (run / "run.json").write_text("nonsense"), "cannot be read"),
    ],
)  # fmt: skip
def test_a_directory_that_is_no_run_is_an_error_with_the_way_out(run, spoil, said) -> None:
    spoil(run)
    with pytest.raises(RunDirectoryError, match=said) as raised:
        DLPOResult.load(run)
    assert "Pass " in str(raised.value) or "pass " in str(raised.value)
    done = CliRunner().invoke(main, ["report", str(run)])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert len(done.output.strip().splitlines()) <= 2


def test_a_foreign_directory_or_file_is_an_error(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(RunDirectoryError):
            DLPOResult.load(path)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_the_page_and_tells_where(run, one, tmp_path) -> None:
    done = CliRunner().invoke(main, ["report", str(run)])
    assert done.exit_code == 0, done.output
    assert done.output == f"{one.verdict}\n{run / 'report.html'}\n"
    first = (run / "report.html").read_bytes()
    done = CliRunner().invoke(main, ["report", str(run / "result.json"), "--output", str(tmp_path / "other.html")])
    assert done.exit_code == 0, done.output
    assert b"verdict" in (tmp_path / "other.html").read_bytes()
    assert CliRunner().invoke(main, ["report", str(run)]).exit_code == 0
    assert (run / "report.html").read_bytes() == first


def test_the_command_opens_a_browser_only_where_it_is_asked_to(run, monkeypatch) -> None:
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    CliRunner().invoke(main, ["report", str(run)])
    assert opened == []
    CliRunner().invoke(main, ["report", str(run), "--open"])
    assert opened == [(run / "report.html").as_uri()]


def test_a_machine_without_a_browser_is_told_so(run, monkeypatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    done = CliRunner().invoke(main, ["report", str(run), "--open"])
    assert done.exit_code == 0
    assert "No browser was found" in done.stderr


def test_a_simulated_model_is_named_as_such(run) -> None:
    def told() -> bool:
        return any("simulated language model" in note for note in make_page(DLPOResult.load(run)).notes)

    assert told()
    settings = (run / "run.json").read_text()
    (run / "run.json").write_text(settings.replace('"simulated/', '"vendor/'))
    assert not told()


def test_a_file_that_cannot_be_written_is_an_error_with_the_way_out(run, tmp_path) -> None:
    done = CliRunner().invoke(main, ["report", str(run), "--output", str(tmp_path / "no" / "such" / "folder.html")])
    assert done.exit_code == 1
    assert "--output" in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_a_run_goes_on_in_a_directory_that_holds_a_report(run, one) -> None:
    assert CliRunner().invoke(main, ["report", str(run)]).exit_code == 0
    again = compiled(run, seed=1)
    assert again.best_prompts == one.best_prompts
    assert again.verdict == one.verdict


# --- in a notebook ----------------------------------------------------------------------------------------------------


def test_a_result_tells_itself_in_a_line(one) -> None:
    assert repr(one).startswith(f"DLPOResult({one.verdict!r}, {len(one.history)} records, ended=")
    assert len(repr(one)) < 300


def test_the_table_has_a_row_for_every_record(one, two, empty) -> None:
    for result in (one, two, empty):
        table = result.to_pandas()
        assert len(table) == len(result.history)
        for name in table.columns:
            assert f"``{name}``" in DLPOResult.to_pandas.__doc__, name
        for row, record in zip(table.to_dict("records"), result.history, strict=True):
            assert (row["step"], row["kind"], row["reason"]) == (record.index, record.kind, str(record.reason))
            assert row["score"] == record.score or record.score is None
        assert [str(kind) for kind in table.dtypes[["score", "metric_calls", "accepted"]]] == [
            "float64",
            "int64",
            "bool",
        ]


def test_plot_draws_every_record_and_leaves_pyplot_alone(one) -> None:
    code = (
        "import sys; from dspy_dlpo import DLPOResult; from matplotlib import rcParams as options;"
        # To read the backend chooses one, and imports pyplot.
        "settings = lambda: [options[name] for name in options if name != 'backend']; before = settings();"
        "figure = DLPOResult.load(sys.argv[1]).plot(); figure.savefig(sys.argv[2]);"
        "DLPOResult.load(sys.argv[1]).to_html(sys.argv[3]);"
        "assert 'matplotlib.pyplot' not in sys.modules; assert settings() == before;"
        "print(sum(len(line.get_xdata()) for line in figure.axes[0].lines if line.get_linestyle() == 'None'))"
    )
    folder = Path(one.log_dir)
    done = subprocess.run(
        [sys.executable, "-c", code, one.log_dir, str(folder / "plot.png"), str(folder / "plot.html")],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == sum(record.kind in ("start", "step", "trial", "prune") for record in one.history)


def test_a_summary_names_what_changed(one, without_gain) -> None:
    html = one._repr_html_()
    assert one.verdict in html
    assert "solve" in html
    assert len(html) < 30_000
    assert "The prompts are unchanged." in without_gain._repr_html_()


def test_importing_the_package_loads_no_library_of_the_report() -> None:
    code = "import sys, dspy_dlpo; print([each for each in ('matplotlib', 'pandas') if each in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, env=os.environ
    )
    assert done.stdout == "[]\n"
