"""The suite for small models, on an endpoint that answers by rote: rows, resuming, headroom, a lost endpoint."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dspy
import pytest
from click.testing import CliRunner

pytest.importorskip("datasets")

from dspy_dlpo.core.history import History, LedgerEntry, Record
from evaluations.__main__ import main
from evaluations.cell import Cell, measure
from evaluations.endpoint import Endpoint, EndpointLost
from evaluations.grid import Rows
from evaluations.headroom import measured
from evaluations.steps import judged_share
from evaluations.suites import cells_of

MODELS = {"task_model": "openai/rote", "prompt_model": "openai/rote"}
TASK = "local/triage"
EDITS = '[{{"op": "add", "at": 2, "text": "Look at the contract, line {}."}}]'


class Rote(BaseHTTPRequestHandler):
    """Says P1 in every field that a request asks for; P2 once the instructions tell of contracts."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        text = json.dumps(asked["messages"])
        said = "P2" if "Look at the contract" in text else "P1"
        fields = re.findall(r"\[\[ ## (\w+) ## \]\]", asked["messages"][-1]["content"].split("Respond with")[-1])
        known = {"completed": "", "edits": EDITS.format(len(self.server.asked))}
        content = "\n\n".join(f"[[ ## {name} ## ]]\n{known.get(name, said)}" for name in fields) or said
        message = {"role": "assistant", "content": content}
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "rote", "choices": [choice]}
        body = json.dumps({**reply, "usage": usage}).encode()
        self.send_response(200 if self.server.is_up else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("evaluations.local_tasks.parts.MOST_TEST", 50)
    found = ThreadingHTTPServer(("127.0.0.1", 0), Rote)
    found.asked, found.is_up = [], True
    found.api_base = f"http://127.0.0.1:{found.server_address[1]}/v1"
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    cache = dspy.cache
    yield found
    dspy.cache = cache
    found.shutdown()
    found.server_close()
    thread.join()


def cell(arm, **more):
    return Cell(**{"task": TASK, "arm": arm, "seed": 0, "runs": 120, "max_tokens": 50, **MODELS, **more})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.few(1)
@pytest.mark.parametrize("arm", ["start prompt", "default", "GEPA"])
def test_a_cell_runs_end_to_end(arm, server, tmp_path):
    row = measure(cell(arm), endpoint=Endpoint(server.api_base, tmp_path))
    assert row["failure"] == ""
    assert len(row["test"]) == 50
    assert 0.2 < sum(row["test"]) / 50 < 0.5
    assert row["train"] == []
    assert row["task_calls"] <= 120
    assert (row["prompt_calls"] > 0) is (arm != "start prompt")
    assert row["minutes"] >= 0
    assert row["words"] > 0
    assert not row["resumed"]
    settings = {(asked["temperature"], asked["max_tokens"]) for asked in server.asked}
    assert settings == ({(0.0, 50)} if arm == "start prompt" else {(0.0, 50), (0.7, 1000)})
    if arm == "default":
        assert row["steps"] > 0
        assert 0 <= row["judged_share"] <= 1
        assert row["claimed"] is False
        assert len(row["interval"]) == 2
    else:
        assert row["steps"] is row["judged_share"] is row["claimed"] is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_going_on_with_a_cell_asks_nothing_twice_and_counts_the_same(server, tmp_path):
    first = measure(cell("default"), endpoint=Endpoint(server.api_base, tmp_path))
    count = len(server.asked)
    again = measure(cell("default"), endpoint=Endpoint(server.api_base, tmp_path))
    assert len(server.asked) == count > 0
    assert again["resumed"]
    for name in ("test", "prompts", "task_calls", "prompt_calls"):
        assert again[name] == first[name]


@pytest.mark.filterwarnings("ignore")
def test_cells_share_no_replies(server, tmp_path):
    measure(cell("start prompt"), endpoint=Endpoint(server.api_base, tmp_path))
    count = len(server.asked)
    measure(cell("start prompt", seed=1), endpoint=Endpoint(server.api_base, tmp_path))
    assert len(server.asked) == 2 * count


@pytest.mark.filterwarnings("ignore")
@pytest.mark.few(2)
@pytest.mark.parametrize("arm", ["start prompt", "default", "GEPA"])
def test_a_lost_endpoint_ends_a_cell_without_a_row(arm, server, tmp_path, monkeypatch):
    server.is_up = False
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(EndpointLost, match="unanswered"):
        measure(cell(arm), endpoint=Endpoint(server.api_base, tmp_path))
    assert len(server.asked) < 60, "it does not wait for the rest of the calls"


def test_the_suite_has_the_start_prompt_once_a_task_and_needs_models():
    cells = cells_of("local", seeds=2, budgets=(300,), **MODELS)
    assert len(cells) == 10 + 2 * 2 * 10
    assert {each.seed for each in cells if each.arm == "start prompt"} == {0}
    assert {(each.runs, each.max_tokens) for each in cells} == {(300, 150)}
    with pytest.raises(ValueError, match="--task-model"):
        cells_of("local", seeds=1, budgets=(300,))


def test_a_key_tells_what_a_cell_has():
    assert Cell("object_counting", "default", 0, 600).key == "task=object_counting|arm=default|seed=0|runs=600"
    local = Cell("local/triage", "GEPA", 1, 300, task_model="openai/a", prompt_model="openai/b", max_tokens=150)
    assert local.key.endswith("|runs=300|task_model=openai/a|prompt_model=openai/b|max_tokens=150")


@pytest.mark.parametrize("arguments", [["--suite", "local"], ["--suite", "quick", "--api-base", "http://x"]])
def test_only_the_suite_of_small_models_takes_an_endpoint(arguments, tmp_path):
    said = CliRunner().invoke(main, ["run", "--out", str(tmp_path), *arguments])
    assert said.exit_code == 1
    assert "--api-base" in said.output


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_headroom_is_stored_by_task_and_goes_on_after_a_stop(server, tmp_path):
    def run(*tasks):
        given = [part for task in tasks for part in ("--task", task)]
        models = ["--api-base", server.api_base, "--task-model", "openai/rote"]
        return CliRunner().invoke(main, ["headroom", *models, "--out", str(tmp_path), *given], catch_exceptions=False)

    assert run(TASK).exit_code == 0
    count = len(server.asked)
    assert count == 120
    assert "local/triage" not in run(TASK, "local/refunds").output
    assert len(server.asked) == 2 * count
    first, second = measured(tmp_path)
    assert (first["task"], second["task"]) == (TASK, "local/refunds")
    assert set(first) == {"task", "start", "reference", "n", "date", "model", "max_tokens"}
    assert first["n"] == 60
    assert first["start"] != first["reference"]
    assert Rows(tmp_path).read() == [], "it is no file of rows"
    Rows(tmp_path).gather("rows.jsonl")
    assert len(measured(tmp_path)) == 2


def test_a_step_is_judged_when_an_answer_changes():
    start, other = {"solve": "Answer."}, {"solve": "Answer well."}

    def record(kind, proposal=start, scores=None, ledger=()):
        return Record(kind, 0, 0.0, start, proposal, scores=scores or {}, ledger=ledger)

    edit = object()
    history = History(
        [
            record("start", scores={0: (0.0,), 1: (1.0,)}),
            record("step"),
            record("step", other, {0: (0.0,), 1: (1.0,)}),
            record("step", {"solve": "Other."}, {0: (1.0,), 1: (1.0,)}),
            record("step", {"solve": "Third."}, {0: (0.0,)}, (LedgerEntry(edit, gained=(1,)),)),
            record("trial", {"solve": "Fourth."}, {0: (1.0,)}),
        ]
    )
    assert judged_share(history) == 0.5
    assert judged_share(History()) is None
