"""The engine: repeatable on any number of threads, honest about its costs, and able to fail like a service."""

import asyncio
import copy
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import dspy
import pytest
from dspy.lm15 import Message, Request
from waiting import PATIENCE

from dspy_dlpo.simulation import Faults, Noise, Reader, SimulatedEngine, Writer, engine_of, simulated_lm, simulated_task

TASK = simulated_task("object_counting", n_test=60)
MESSY = {
    "noise": Noise(fixed=0.1, fresh=0.1),
    "faults": Faults(server_error=0.1, rate_limit=0.1),
    "reader": Reader(strength=0.9),
}


def run(lm: dspy.LM, threads: int, rollout: int = 0, temperature: float | None = 0.7) -> list[str]:
    def one(row: dspy.Example) -> str:
        with dspy.context(lm=lm):
            return TASK.program.solve(
                question=row.question, config={"rollout_id": rollout, "temperature": temperature}
            ).answer

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, TASK.testset))


def test_one_thread_and_thirty_two_give_the_same_answers() -> None:
    assert run(simulated_lm(5, **MESSY), 1) == run(simulated_lm(5, **MESSY), 32)


def test_the_writer_answers_the_same_on_one_thread_and_thirty_two() -> None:
    asked = [f"Improve this prompt:\n```\nCount the {n} items.\n```\nGive the new instruction." for n in range(40)]

    def drafts(threads: int) -> list[str]:
        lm = simulated_lm(5)
        with ThreadPoolExecutor(threads) as pool:
            return [reply[0] for reply in pool.map(lambda text: lm(text, temperature=1.0, rollout_id=1), asked)]

    assert drafts(1) == drafts(32)
    assert len(set(drafts(1))) > 1


def test_another_seed_or_rollout_is_another_draw() -> None:
    base = run(simulated_lm(5, **MESSY), 4)
    assert base != run(simulated_lm(6, **MESSY), 4)
    assert base != run(simulated_lm(5, **MESSY), 4, rollout=1)


def test_the_rollout_reaches_the_engine_under_threads() -> None:
    lm = simulated_lm(0, noise=Noise(fresh=0.5))

    def one(k: int) -> str:
        with dspy.context(lm=lm):
            return TASK.program.solve(question=TASK.testset[0].question, config={"rollout_id": k}).answer

    alone = [one(k) for k in range(24)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(24))) == alone
    assert len(set(alone)) > 1
    with dspy.context(lm=lm.copy(rollout_id=3)):
        assert TASK.program.solve(question=TASK.testset[0].question).answer == alone[3]


@pytest.mark.slow
def test_two_processes_with_other_hash_seeds_agree() -> None:
    script = (
        "import dspy\nfrom dspy_dlpo.simulation import *\nt = simulated_task('support_desk', n_test=20)\n"
        "lm = simulated_lm(3)\nwith dspy.context(lm=lm):\n    print([t.program(**r.inputs()).queue for r in "
        "t.testset])\n"
        "print(lm('Improve this prompt:\\n```\\nCount the items.\\n```\\nGive the new instruction in ``` blocks.'))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] != ""


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit", dspy.LMRateLimitError),
        ("server_error", dspy.LMServerError),
        ("timeout", dspy.LMTimeoutError),
    ],
)
def test_transport_faults_raise_the_real_errors_without_sleeping(
    fault: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    lm = simulated_lm(0, faults=Faults(**{fault: 1.0}))
    with dspy.context(lm=lm), pytest.raises(error):
        TASK.program.solve(question=TASK.testset[0].question)
    assert not any(slept)
    assert engine_of(lm).counts.faults == engine_of(lm).calls == 4  # one try and three retries


def test_a_retry_draws_anew() -> None:
    lm = simulated_lm(0, faults=Faults(server_error=0.3))
    assert run(lm, 4, temperature=None) == run(simulated_lm(0), 4, temperature=None)
    assert engine_of(lm).calls > len(TASK.testset)


@pytest.mark.parametrize("fault", ["malformed", "truncated", "empty"])
def test_spoiled_replies_do_not_parse(fault: str) -> None:
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
    signature = dspy.Signature("question -> reasoning, answer")
    with (
        dspy.context(lm=simulated_lm(0, faults=Faults(**{fault: 1.0})), adapter=adapter),
        pytest.raises(dspy.AdapterParseError),
    ):
        dspy.Predict(signature)(question=TASK.testset[0].question)


def test_without_faults_nothing_fails_and_every_reply_parses() -> None:
    lm = simulated_lm(0)
    run(lm, 4)
    assert engine_of(lm).counts.faults == 0
    assert engine_of(lm).calls == len(TASK.testset)


def test_faults_come_at_their_rates() -> None:
    lm = simulated_lm(0, faults=Faults(server_error=0.2))
    run(lm, 4)
    counts = engine_of(lm).counts
    assert 0.08 < counts.faults / counts.calls < 0.35


def test_rates_of_faults_may_not_exceed_one_together() -> None:
    with pytest.raises(ValueError, match="add up to"):
        Faults(timeout=0.6, empty=0.6)


def test_a_copied_lm_shares_its_engine() -> None:
    lm = simulated_lm(0)
    assert copy.deepcopy(lm).engine is lm.engine
    assert TASK.program.deepcopy().solve is not TASK.program.solve


def test_programs_with_the_lm_are_saved_and_loaded(tmp_path) -> None:
    program = TASK.program.deepcopy()
    program.set_lm(simulated_lm(4, writer=Writer(bloat=0.0), noise=Noise(fresh=0.2)))
    program.save(tmp_path / "program.json")
    other = simulated_task("object_counting").program
    other.load(tmp_path / "program.json", allow_unsafe_lm_state=True)
    question = TASK.testset[1].question
    assert other.solve.lm.model == program.solve.lm.model
    assert other(question=question).answer == program(question=question).answer


def test_settings_are_in_the_model_string() -> None:
    names = {lm.model for lm in (simulated_lm(0), simulated_lm(1), simulated_lm(0, noise=Noise(fresh=0.1)))}
    assert len(names) == 3
    assert simulated_lm(0).model == simulated_lm(0).model


def test_usage_is_reported_and_counted() -> None:
    lm = simulated_lm(0)
    with dspy.context(lm=lm):
        TASK.program.solve(question=TASK.testset[0].question)
    usage = lm.history[-1]["usage"]
    assert usage["prompt_tokens" if "prompt_tokens" in usage else "input_tokens"] > 50
    counts = engine_of(lm).counts
    assert (counts.calls, counts.reader_calls, counts.writer_calls) == (1, 1, 0)
    assert counts.input_tokens > counts.output_tokens > 0


def test_latency_passes_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    together, slept = threading.Barrier(30), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        together.wait(PATIENCE)  # until all thirty sleep

    monkeypatch.setattr("dspy_dlpo.simulation.engine.time", SimpleNamespace(sleep=sleep))
    assert len(run(simulated_lm(0, latency=0.02), 30)) == 60
    assert slept == [0.02] * 60
    with pytest.raises(ValueError, match="negative"):
        simulated_lm(0, latency=-1.0)


def test_async_calls_agree_with_sync_ones() -> None:
    lm, question = simulated_lm(2), TASK.testset[0].question

    async def ask() -> str:
        with dspy.context(lm=lm):
            return (await TASK.program.solve.acall(question=question)).answer

    with dspy.context(lm=lm):
        assert asyncio.run(ask()) == TASK.program.solve(question=question).answer
    assert engine_of(lm).calls == 2


def test_the_reader_is_fast() -> None:
    engine = SimulatedEngine()
    messages = dspy.ChatAdapter().format(TASK.program.solve.signature, [], {"question": TASK.testset[0].question})
    request = Request(model="m", system=messages[0]["content"], messages=(Message.user(messages[1]["content"]),))
    engine.complete(request)
    begun = time.process_time()
    for _ in range(200):
        engine.complete(request)
    assert (time.process_time() - begun) / 200 < 0.002


def test_engine_of_refuses_other_models() -> None:
    with pytest.raises(TypeError, match="not simulated"):
        engine_of(dspy.LM("openai/none"))
