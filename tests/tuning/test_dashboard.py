"""The dashboard: refuses strangers and writes, and runs nothing that a model wrote, in a real browser."""

import http.client
import threading
from contextlib import contextmanager
from dataclasses import replace

import optuna
import pytest
from browser import ATTACK

from dspy_dlpo.tuning.dashboard import DashboardServer
from dspy_dlpo.tuning.display import show_trial
from dspy_dlpo.tuning.figures import show_study
from dspy_dlpo.tuning.storage import open_store

MARKER = "window.hacked=1"


@contextmanager
def serving(store, **options):
    server = DashboardServer(store, port=0, **{"read_only": True, **options})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
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
                    reason=ATTACK,
                )
                for record in result.history
            ]
            bad = replace(result, history=type(result.history)(history), best_prompts={name: ATTACK}, verdict=ATTACK)
            show_trial(study, trial, [replace(outcomes[0], task=ATTACK, result=bad)], store.artifacts)
            study.tell(trial, 0.5 + number / 10)
        show_study(study)
        yield store


def artifacts_of(server) -> list[str]:
    """Paths of all artifacts of the study's first trial."""
    import json

    studies = json.loads(ask(server, "GET", "/api/studies")[2])["study_summaries"]
    number = studies[0]["study_id"]
    trials = json.loads(ask(server, "GET", f"/api/studies/{number}")[2])["trials"]
    return [f"/artifacts/{number}/{trials[0]['trial_id']}/{each['artifact_id']}" for each in trials[0]["artifacts"]]


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1]:{port}"]
)
def test_a_foreign_host_is_refused(hostile, host) -> None:
    with serving(hostile) as server:
        assert ask(server, "GET", "/api/studies", Host=host.format(port=server.server_port))[0] == 403
        assert ask(server, "GET", "/api/studies", Host=f"localhost:{server.server_port}")[0] == 200


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
            assert ask(server, "DELETE", "/api/studies/1")[0] == 204
        assert store.storage.get_all_studies() == []


def test_artifacts_are_locked_in_a_sandbox(hostile) -> None:
    with serving(hostile) as server:
        paths = artifacts_of(server)
        assert len(paths) == 3
        for path in paths:
            status, headers, body = ask(server, "GET", path)
            assert status == 200
            assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers
            assert body


def test_a_port_that_is_taken_is_an_error_with_the_way_out(hostile) -> None:
    with (
        serving(hostile) as server,
        pytest.raises(ValueError, match=rf"port={server.server_port} is taken.*--port"),
    ):
        DashboardServer(hostile, port=server.server_port, read_only=True)


# --- in a browser -----------------------------------------------------------------------------------------------------


def test_what_a_model_wrote_shows_as_text_on_every_page(hostile, page) -> None:
    with serving(hostile) as server:
        base = server.url
        page.goto(base)
        page.get_by_text(MARKER).first.wait_for()
        page.goto(f"{base}/studies/1")
        page.get_by_text("Hyperparameter", exact=False).first.wait_for()
        page.goto(f"{base}/studies/1/trials?numbers=0")
        picture = page.locator("img[src*='/artifacts/']").first
        picture.wait_for()
        page.wait_for_function("document.querySelector(\"img[src*='/artifacts/']\").naturalWidth > 300")
        page.get_by_text(MARKER).first.wait_for()
        for path in artifacts_of(server):
            answer = page.request.get(f"http://127.0.0.1:{server.server_port}{path}")
            assert answer.ok
            if path.endswith("svg") or "svg" in answer.headers["content-type"]:
                page.goto(f"http://127.0.0.1:{server.server_port}{path}")
                assert page.evaluate("typeof window.hacked") == "undefined"
                assert MARKER in "".join(page.locator("text").all_text_contents())
