"""The HTTP endpoint: the same answers as in-process, and a service's faults on a real connection."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import dspy
import httpx
import pytest
from waiting import PATIENCE

from dspy_dlpo.simulation import (
    Faults,
    Reader,
    Settings,
    SimulatedEngine,
    create_app,
    serve,
    simulated_lm,
    simulated_task,
)
from dspy_dlpo.simulation.tasks import TASKS

openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

STAGE = TASKS["object_counting"].stages[0][1]
QUESTION = "I have two cats, a dog, and a goat. How many animals do I have?"
WEAK = Reader(strength=0.3)
ADVICE = f"The instruction was:\n```\n{STAGE.start}\n```\nWrite a new instruction within ``` blocks."


@contextmanager
def running(engine: SimulatedEngine | Settings | None = None) -> Iterator[str]:
    """The address of a server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        config = uvicorn.Config(create_app(engine), ws="none", lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join(PATIENCE)


def wired(address: str, **more: Any) -> dspy.LM:
    # DSPy's cache does not know one server from another.
    return dspy.LM("openai/sim", api_base=f"{address}/v1", api_key="x", cache=False, **more)


def post(address: str, **body: Any) -> httpx.Response:
    body.setdefault("messages", [{"role": "system", "content": STAGE.start}, {"role": "user", "content": QUESTION}])
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=PATIENCE)


def text(reply: httpx.Response) -> str:
    return str(reply.json()["choices"][0]["message"]["content"])


def solved(lm: dspy.LM, **config: Any) -> list[str]:
    task = simulated_task("object_counting", n_test=12)
    with dspy.context(lm=lm):
        return [task.program.solve(question=row.question, config=config).answer for row in task.testset]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(Settings(seed=3)) as address:
        yield address


def test_native_answers_are_those_of_the_process(address: str) -> None:
    assert solved(wired(address), temperature=0.0) == solved(simulated_lm(3), temperature=0.0)
    warm = {"temperature": 1.0, "seed": 7}
    assert solved(wired(address), **warm) == solved(simulated_lm(3), **warm)
    assert wired(address)(ADVICE, seed=5) == simulated_lm(3)(ADVICE, seed=5)


@pytest.mark.slow
def test_only_the_seed_of_the_request_varies_the_draw(address: str) -> None:
    asked = {"messages": [{"role": "user", "content": ADVICE}], "temperature": 1.0}
    drafts = [text(post(address, **asked, seed=seed)) for seed in range(8)]
    assert len(set(drafts)) > 1
    assert [text(post(address, **asked, seed=seed)) for seed in range(8)] == drafts
    assert post(address, **asked).content == post(address, **asked).content
    with running(Settings(seed=4)) as other:
        assert [text(post(other, **asked, seed=seed)) for seed in range(8)] != drafts


def test_one_client_and_sixteen_get_the_same_answers() -> None:
    settings = Settings(seed=1, reader=WEAK, faults=Faults(server_error=0.3))

    def one(address: str, seed: int) -> str:
        lm = wired(address, num_retries=8)
        return str(lm(f"{STAGE.start}\n\n{QUESTION}", temperature=1.0, seed=seed)[0])

    with running(settings) as address:
        alone = [one(address, seed) for seed in range(40)]
    with running(settings) as address, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda seed: one(address, seed), range(40))) == alone
    assert len(set(alone)) > 1


def test_litellm_gets_the_same_answers(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    answers = solved(wired(address, engine="litellm"), temperature=0.0)
    assert answers == solved(simulated_lm(3), temperature=0.0)
    with running(Settings(faults=Faults(rate_limit=1.0))) as limited, pytest.raises(dspy.LMRateLimitError):
        wired(limited, engine="litellm", num_retries=0)("Hello.")


def test_the_openai_client_gets_the_same_answers(address: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [Settings(seed=3).name]
        reply = client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": f"{STAGE.start}\n\n{QUESTION}"}], temperature=0.0
        )
        with pytest.raises(openai.BadRequestError, match="stream"):
            client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hi."}], stream=True)
    assert [reply.choices[0].message.content] == simulated_lm(3)(f"{STAGE.start}\n\n{QUESTION}", temperature=0.0)
    assert reply.model == "any"
    assert reply.usage.prompt_tokens > reply.usage.completion_tokens > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_text_parts_and_earlier_turns_are_read(address: str) -> None:
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": STAGE.start}]},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    assert text(post(address, messages=messages, temperature=0)) == text(post(address, temperature=0))


def test_n_answers_differ_only_when_warm(address: str) -> None:
    asked = {"messages": [{"role": "user", "content": ADVICE}], "n": 6}
    cold, warm = (post(address, **asked, temperature=t).json()["choices"] for t in (0.0, 1.0))
    assert [choice["index"] for choice in warm] == list(range(6))
    assert len({choice["message"]["content"] for choice in cold}) == 1
    assert len({choice["message"]["content"] for choice in warm}) > 1


def test_limits_and_stops_end_an_answer(address: str) -> None:
    asked = {"messages": [{"role": "user", "content": ADVICE}], "temperature": 0}
    whole = text(post(address, **asked))
    for name in ("max_tokens", "max_completion_tokens"):
        short = post(address, **asked, **{name: 2})
        assert text(short) == whole[:8]
        assert short.json()["choices"][0]["finish_reason"] == "length"
        assert short.json()["usage"]["completion_tokens"] < post(address, **asked).json()["usage"]["completion_tokens"]
    for stop in (whole[5:9], ["never there", whole[5:9]]):
        stopped = post(address, **asked, stop=stop)
        assert text(stopped) == whole[: whole.index(whole[5:9])]
        assert stopped.json()["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"stream": True}, "stream"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "type"),
        ({"messages": [{"role": "tool", "content": "4"}]}, "role"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
    ],
)
def test_requests_that_it_cannot_serve_are_refused_with_a_reason(address: str, body: Any, word: str) -> None:
    reply = post(address, **body)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert word in reply.json()["error"]["message"]


def test_broken_json_and_unknown_addresses_are_answered_in_json(address: str) -> None:
    broken = httpx.post(f"{address}/v1/chat/completions", content=b"{not json")
    missing = httpx.get(f"{address}/v1/embeddings")
    wrong = httpx.get(f"{address}/v1/chat/completions")
    assert [reply.status_code for reply in (broken, missing, wrong)] == [400, 404, 405]
    assert all(reply.json()["error"]["message"] for reply in (broken, missing, wrong))


def test_health_counts_the_calls() -> None:
    engine = SimulatedEngine()
    with running(engine) as address:
        before = httpx.get(f"{address}/health").json()
        post(address)
        after = httpx.get(f"{address}/health").json()
    assert (before["status"], before["calls"], after["calls"]) == ("ok", 0, 1)
    assert after["model"] == engine.settings.name
    assert engine.counts.reader_calls == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [("rate_limit", dspy.LMRateLimitError), ("server_error", dspy.LMServerError), ("timeout", dspy.LMTransportError)],
)
def test_faults_on_the_wire_are_dspys_own_errors(fault: str, error: type[Exception]) -> None:
    with running(Settings(faults=Faults(**{fault: 1.0}))) as address, pytest.raises(error):
        wired(address, num_retries=0)("Hello.")
    with running(Settings(faults=Faults())) as address:
        assert wired(address, num_retries=0)("Hello.")


@pytest.mark.parametrize(("fault", "statuses"), [("rate_limit", {429}), ("server_error", {500, 503})])
def test_errors_come_with_their_status_and_ask_for_a_retry_at_once(fault: str, statuses: set[int]) -> None:
    with running(Settings(faults=Faults(**{fault: 1.0}))) as address:
        replies = [post(address, seed=seed) for seed in range(12)]
    assert {reply.status_code for reply in replies} == statuses
    assert {reply.headers["retry-after"] for reply in replies} == {"0"}
    assert all("simulated" in reply.json()["error"]["message"] for reply in replies)


def test_a_cut_connection_breaks_off_in_the_middle_of_the_reply() -> None:
    with running(Settings(faults=Faults(timeout=1.0))) as address:
        with pytest.raises(httpx.RemoteProtocolError):
            post(address)
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0)
        with client, pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hi."}])


@pytest.mark.parametrize("fault", ["malformed", "truncated", "empty"])
def test_spoiled_replies_arrive_spoiled(fault: str) -> None:
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
    signature = dspy.Signature("question -> reasoning, answer")
    with running(Settings(faults=Faults(**{fault: 1.0}))) as address:
        lm = wired(address)
        with dspy.context(lm=lm, adapter=adapter), pytest.raises(dspy.AdapterParseError):
            dspy.Predict(signature)(question=QUESTION)
        finish = post(address).json()["choices"][0]["finish_reason"]
    assert finish == ("length" if fault == "truncated" else "stop")


def test_a_retry_draws_its_fault_anew() -> None:
    engine = SimulatedEngine(Settings(seed=3, faults=Faults(rate_limit=0.25, server_error=0.25)))
    with running(engine) as address:
        assert solved(wired(address, num_retries=10), temperature=0.0) == solved(simulated_lm(3), temperature=0.0)
    assert engine.counts.faults > 0


def test_latency_is_a_slow_reply_that_passes_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[float] = []

    async def sleep(seconds: float) -> None:
        """Ends when all eight sleep."""
        waiting.append(seconds)
        while len(waiting) < 8:
            await asyncio.sleep(0.01)

    monkeypatch.setattr("dspy_dlpo.simulation.server.asyncio", SimpleNamespace(sleep=sleep))
    with running(Settings(latency=0.1)) as address, ThreadPoolExecutor(8) as pool:
        assert all(reply.status_code == 200 for reply in pool.map(lambda seed: post(address, seed=seed), range(8)))
    assert waiting == [0.1] * 8


def test_a_client_gives_up_on_a_slow_reply() -> None:
    with running(Settings(latency=2.0)) as address, pytest.raises(dspy.LMTransportError):
        wired(address, timeout=0.02, num_retries=0)("Hello.")


@pytest.mark.slow
def test_two_servers_in_processes_with_other_hash_seeds_agree() -> None:
    script = (
        "import uvicorn\nfrom dspy_dlpo.simulation import Settings, create_app\n"
        "uvicorn.run(create_app(Settings(seed=5)), host='127.0.0.1', port={port}, lifespan='off', log_level='critical')"
    )
    found = []
    for seed in ("1", "2"):
        with socket.create_server(("127.0.0.1", 0)) as door:
            port = door.getsockname()[1]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        child = subprocess.Popen([sys.executable, "-c", script.format(port=port)], env=environment)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", child)
            found.append([post(f"http://127.0.0.1:{port}", temperature=t, seed=1).content for t in (0.0, 1.0)])
        finally:
            child.terminate()
            child.wait(PATIENCE)
    assert found[0] == found[1]


def wait_for(address: str, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline and child.poll() is None:
        try:
            httpx.get(address)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"no answer from {address}")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_it_refuses_to_be_reached_from_other_machines(host: str) -> None:
    with pytest.raises(ValueError, match="allow_remote"):
        serve(host, 0)


def test_it_binds_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[str] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self: bound.append(self.config.host))
    for host in ("127.0.0.1", "::1", "localhost"):
        serve(host)
    serve("0.0.0.0", allow_remote=True)
    assert bound == ["127.0.0.1", "::1", "localhost", "0.0.0.0"]
    with pytest.raises(ValueError, match="port=70000"):
        serve(port=70000)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette.responses", None)
    with pytest.raises(ImportError, match=r'pip install "dspy-dlpo\[serve\]"'):
        create_app()
