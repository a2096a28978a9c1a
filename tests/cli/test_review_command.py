"""`dlpo review`: the edits of a run as a page; what is left is scored and saved."""

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
from click.testing import CliRunner
from waiting import PATIENCE

from dspy_dlpo import DLPOResult, DLPOTeleprompter, Task
from dspy_dlpo.cli.main import main
from dspy_dlpo.cli.review import _Session
from dspy_dlpo.cli.review_server import ReviewServer, as_data
from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.review import changes
from dspy_dlpo.simulation import simulated_lm, simulated_task


@pytest.fixture(scope="module")
def task():
    found = simulated_task("object_counting", n_train=40, n_val=40)
    for predictor in found.program.predictors():
        predictor.lm = simulated_lm()
    return Task(found.program, found.metric, found.trainset, found.valset)


@pytest.fixture(scope="module")
def run(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("review") / "run"
    optimizer = DLPOTeleprompter(
        task.metric, budget=Budget(metric_calls=300), log_dir=folder, prompt_model=simulated_lm(1), verbose=False
    )
    optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    return folder


@pytest.fixture
def session(task, run, tmp_path):
    result = DLPOResult.load(run)
    suggestions = changes(result.start_prompts, result.best_prompts, result.history)
    return _Session(result, suggestions, task, tmp_path / "reviewed.json")


@pytest.fixture
def server(session):
    content = {
        "verdict": session.result.verdict,
        "price": session.price(),
        "edits": list(map(as_data, session.suggestions)),
    }
    with ReviewServer(0, content, session.score, session.save) as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield server
        if not server.saved:  # it waits for a request, and must not do so when the socket is closed
            server.saved = "nothing"
            with suppress(OSError):
                urllib.request.urlopen(server.address, timeout=1).close()
        thread.join()


def post(server, what, answers):
    request = urllib.request.Request(server.address + what, json.dumps(answers).encode(), method="POST")
    with urllib.request.urlopen(request) as reply:
        return reply.read().decode()


def test_what_is_unticked_is_gone_from_what_is_saved_and_the_rest_is_scored(session, server):
    declined, *kept = session.suggestions
    answers = [False] + [True] * len(kept)
    said = post(server, "score", answers)
    assert "on valset" in said
    assert post(server, "save", answers) == str(session.target)
    saved = DLPOResult.load(session.target)
    assert declined.after not in saved.best_prompts["solve"]
    assert all(suggestion.after in saved.best_prompts["solve"] for suggestion in kept)
    assert saved.verdict == f"{said} (reviewed by hand)"
    assert saved.comparison.examples == 40
    assert [edit.text.strip() for edit in saved.declined] == [declined.after]


def test_what_was_not_scored_claims_nothing(session, server):
    post(server, "save", ["Say the number."] + [True] * (len(session.suggestions) - 1))
    saved = DLPOResult.load(session.target)
    assert "Say the number." in saved.best_prompts["solve"]
    assert "no gain can be claimed" in saved.verdict
    assert saved.comparison.start is None


def test_who_agrees_with_all_keeps_the_result(session, server):
    post(server, "save", [True] * len(session.suggestions))
    saved = DLPOResult.load(session.target)
    assert saved.best_prompts == session.result.best_prompts
    assert saved.comparison == session.result.comparison


def test_nobody_gets_the_page_without_its_secret(server):
    for path in ("/", "/wrong/", "/wrong/save"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}")


@pytest.mark.parametrize("answers", [[True], {"a": 1}, [1, 2]])
def test_what_is_no_answer_is_refused(server, answers):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(server, "save", answers)
    assert not server.saved


def test_a_run_that_changed_nothing_has_nothing_to_review(session, tmp_path):
    from dataclasses import replace

    replace(session.result, best_prompts=session.result.start_prompts).save(tmp_path / "same.json")
    done = CliRunner().invoke(main, ["review", str(tmp_path / "same.json"), "--no-browser"])
    assert done.exit_code == 1
    assert "nothing to review" in done.output


def test_json_is_one_line_with_the_address(session, run, tmp_path):
    command = [sys.executable, "-m", "dspy_dlpo.cli", "review", str(run), "--no-browser", "--json"]
    command += ["--output", str(tmp_path / "mine.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            shown = json.loads(process.stdout.readline())
            assert shown["output"] == str(tmp_path / "mine.json")
            request = json.dumps([True] * len(session.suggestions)).encode()
            urllib.request.urlopen(urllib.request.Request(shown["url"] + "save", request, method="POST")).close()
            assert process.wait(PATIENCE) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()
    assert DLPOResult.load(tmp_path / "mine.json").best_prompts == session.result.best_prompts


def test_the_page_in_a_browser(page, session, server):
    page.goto(server.address)
    boxes = page.get_by_role("checkbox")
    assert boxes.count() == len(session.suggestions)
    boxes.first.uncheck()
    page.get_by_role("button", name="Score what is left").click()
    page.get_by_text("on valset").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text(str(session.target)).wait_for()
    assert session.suggestions[0].after not in DLPOResult.load(session.target).best_prompts["solve"]
