"""The dashboard: refuses strangers and writes, and runs nothing that a model wrote, in a real browser."""

import http.client
import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import optuna
import pytest
from browser import ATTACK
from optuna.artifacts import upload_artifact
from optuna_dashboard import get_note
from waiting import PATIENCE

from dspy_dlpo.core.reasons import Why
from dspy_dlpo.tuning.dashboard import DashboardServer
from dspy_dlpo.tuning.display import show_trial
from dspy_dlpo.tuning.storage import open_store

MARKER = "window.hacked=1"
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")


@contextmanager
def serving(store, page=None, **options):
    """The dashboard of a store; a page that looks at it is closed before, or what it asks last is reset."""
    server = DashboardServer(store, port=0, **{"read_only": True, **options})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
        if page is not None:
            page.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    try:
        connection.request(method, path, headers={"Host": f"127.0.0.1:{server.server_port}", **headers})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, outcomes):
    """A study in which everything that a person or a model may write holds a script."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('hostile')}/study.db") as store:
        study = optuna.create_study(storage=store.storage, study_name=f"study {ATTACK}", direction="maximize")
        study.set_user_attr("tasks", ATTACK)
        for number in range(3):
            trial = study.ask()
            trial.suggest_categorical("Dropout", (True, False))
            result = outcomes[0].result
            name = next(iter(result.best_prompts))
            history = [
                replace(
                    record,
                    prompts={name: f"{record.prompts[name]} {ATTACK}"},
                    proposal={name: f"{record.proposal[name]} {ATTACK} {number}"},
                    reason=Why.OTHER.because(ATTACK),
                    gradients=tuple(replace(each, text=f"critique {ATTACK}") for each in record.gradients),
                )
                for record in result.history
            ]
            bad = replace(result, history=type(result.history)(history), best_prompts={name: ATTACK}, verdict=ATTACK)
            program = json.dumps({"solve": ATTACK})
            show_trial(trial, [replace(outcomes[0], task=ATTACK, result=bad, program_json=program)], store.artifacts)
            study.tell(trial, 0.5 + number / 10)
        yield store


def artifacts_of(server, number: int = 0) -> list[str]:
    """Paths of all artifacts of a trial of the study."""
    studies = json.loads(ask(server, "GET", "/api/studies")[2])["study_summaries"]
    study = studies[0]["study_id"]
    trial = json.loads(ask(server, "GET", f"/api/studies/{study}")[2])["trials"][number]
    return [f"/artifacts/{study}/{trial['trial_id']}/{each['artifact_id']}" for each in trial["artifacts"]]


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1]:{port}"]
)
def test_a_foreign_host_is_refused(hostile, host) -> None:
    with serving(hostile) as server:
        assert ask(server, "GET", "/api/studies", Host=host.format(port=server.server_port))[0] == 403
        assert ask(server, "GET", "/api/studies", Host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.few(1)
@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "PATCH"])
def test_nothing_is_written_in_read_only_mode(hostile, method) -> None:
    with serving(hostile) as server:
        assert ask(server, method, "/api/studies/1")[0] == 403
        assert b"study_name" in ask(server, "GET", "/api/studies")[2]


def test_a_writable_dashboard_deletes_but_not_for_another_site(tmp_path) -> None:
    with open_store(f"sqlite:///{tmp_path}/study.db") as store:
        optuna.create_study(storage=store.storage, study_name="one")
        with serving(store, read_only=False) as server:
            assert ask(server, "DELETE", "/api/studies/1", Origin="http://evil.example")[0] == 403
            status, _, body = ask(server, "DELETE", "/api/studies/1")
            assert (status, body) == (200, b"{}"), "the page takes an empty answer for a failure"
        assert store.storage.get_all_studies() == []


def test_artifacts_are_locked_in_a_sandbox(hostile) -> None:
    with serving(hostile) as server:
        paths = artifacts_of(server)
        assert len(paths) == 2
        for path in paths:
            status, headers, body = ask(server, "GET", path)
            assert status == 200
            assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers
            assert body


def test_no_spelling_of_an_artifacts_path_leaves_the_sandbox(hostile) -> None:
    with serving(hostile) as server:
        for before in ("/%ff", "//", "/%c0"):
            path = before + artifacts_of(server)[0].lstrip("/")
            _, headers, _ = ask(server, "GET", path)
            assert headers["content-security-policy"].startswith("sandbox")


def test_no_other_site_may_frame_a_page(hostile) -> None:
    with serving(hostile) as server:
        for path in ("/dashboard", "/", "/api/studies", "/static/bundle.js", "/no/such/page"):
            _, headers, _ = ask(server, "GET", path)
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
        assert "script-src 'self'" in ask(server, "GET", "/dashboard")[1]["content-security-policy"]


def test_a_page_of_another_port_may_not_write_either(hostile) -> None:
    with serving(hostile, read_only=False) as server:
        for headers in ({"Sec-Fetch-Site": "same-site"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "null"}):
            assert ask(server, "DELETE", "/api/studies/1", **headers)[0] == 403
        assert len(artifacts_of(server)) == 2


def test_it_listens_to_this_machine_only(hostile) -> None:
    with serving(hostile) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_an_error_with_the_way_out(hostile) -> None:
    with (
        serving(hostile) as server,
        pytest.raises(ValueError, match=rf"port={server.server_port} is taken.*--port"),
    ):
        DashboardServer(hostile, port=server.server_port, read_only=True)


# --- in a browser -----------------------------------------------------------------------------------------------------


def texts(page) -> str:
    """What a page shows; no element in it may come from what a model or a person wrote."""
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    return page.locator("body").inner_text()


def test_a_script_that_does_run_is_noticed(page) -> None:
    page.set_content(ATTACK)
    page.wait_for_function("document.images.length === 1 && document.images[0].complete")
    assert page.errors.count("hacked") == 2, "the script and the picture"
    page.errors.clear()


def test_every_page_of_a_study_shows_as_text_what_is_in_it(hostile, page) -> None:
    with serving(hostile, page) as server:
        page.goto(server.url)
        page.get_by_text(MARKER).first.wait_for()
        assert f"study {ATTACK}" in texts(page)
        for name in ("", "/analytics", "/note", "/smartSelection"):
            page.goto(f"{server.url}/studies/1{name}")
            page.get_by_text(MARKER).first.wait_for()
            page.wait_for_load_state("networkidle")
            texts(page)


def test_a_trial_shows_its_note_with_the_report_of_its_run(hostile, page) -> None:
    with serving(hostile, page) as server:
        page.goto(f"{server.url}/studies/1/trials?numbers=0")
        page.get_by_role("link", name="report", exact=True).first.wait_for()
        note = page.locator("p strong").first.inner_text()
        assert note == ATTACK, "the verdict is shown letter by letter"
        texts(page)
        path = page.get_by_role("link", name="report", exact=True).first.get_attribute("href")
        page.goto(f"http://127.0.0.1:{server.server_port}{path}")
        assert page.locator("h1").count() == 1
        assert page.locator("svg.chart").first.bounding_box()["width"] > 100, "the page has its style, and is drawn"
        assert MARKER in texts(page)
        assert all("sandboxed" in each or "Content Security Policy" in each for each in page.errors), page.errors
        page.errors.clear()  # not even the page's own script runs


def test_artifacts_that_are_opened_directly_run_nothing(hostile, page, tmp_path) -> None:
    """Not even a page that was uploaded by hand."""
    path = tmp_path / "page.html"
    path.write_text(ATTACK, encoding="utf-8")
    trial = optuna.load_study(study_name=f"study {ATTACK}", storage=hostile.storage).ask()
    upload_artifact(artifact_store=hostile.artifacts, file_path=str(path), study_or_trial=trial)
    with serving(hostile, page) as server:
        for path in (*artifacts_of(server), *artifacts_of(server, -1)):
            page.goto(f"http://127.0.0.1:{server.server_port}{path}")
            assert MARKER in page.evaluate("document.documentElement.textContent")
    assert "hacked" not in page.errors
    page.errors.clear()


def test_a_writable_page_saves_a_note(tmp_path, page) -> None:
    with open_store(f"sqlite:///{tmp_path}/study.db") as store:
        study = optuna.create_study(storage=store.storage, study_name="one")
        with serving(store, page, read_only=False) as server:
            page.goto(f"{server.url}/studies/1/note")
            page.locator("[data-testid=EditIcon]").first.click()
            page.locator("textarea").first.fill("seen")
            page.get_by_role("button", name="Save").click()
            page.get_by_text("Success to save the note").wait_for()
        assert get_note(study) == "seen"


def test_a_read_only_page_says_why_it_saves_nothing(hostile, page) -> None:
    with serving(hostile, page) as server:
        page.goto(f"{server.url}/studies/1/note")
        page.locator("[data-testid=EditIcon]").first.click()
        page.locator("textarea").first.fill("seen")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("This dashboard is read-only").wait_for(timeout=PATIENCE * 1000)
        page.errors.clear()
