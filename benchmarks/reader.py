"""CPU time of one call of the simulated task model: median and 95th percentile over 1,000 calls, as JSON.

Run ``python benchmarks/reader.py``. Each call asks another question under a full prompt; the limit is 0.5 ms, median.
The second figure of each task is the same calls made again, the third one has a new prompt for each call too.
The exit code is 1 when a median is above the limit.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import dspy
from dspy.lm15 import Message, Request

from dspy_dlpo.simulation import Landscape, SimulatedEngine, simulated_task, task_names

CALLS = 1_000
LIMIT_MS = 0.5


def requests(name: str, *, new_prompts: bool = False) -> list[Request]:
    """As many requests as calls, each with another question, under the best prompt of the task's first predictor.

    Args:
        name: The task.
        new_prompts: Whether each request also has a prompt of its own, read for the first time.
    """
    task = simulated_task(name, n_train=1, n_val=1, n_test=CALLS)
    predictor, text = next(iter(Landscape(task).best_prompts().items()))
    signature = getattr(task.program, predictor).signature.with_instructions(text)
    asked = []
    for number, row in enumerate(task.testset):
        if new_prompts:
            signature = signature.with_instructions(f"{text} This is prompt {number}.")
        system, user = dspy.ChatAdapter().format(signature, [], dict(row.inputs()))
        asked.append(Request(model="m", system=system["content"], messages=(Message.user(user["content"]),)))
    return asked


def milliseconds(engine: SimulatedEngine, asked: Sequence[Request]) -> list[float]:
    """CPU time of each call."""
    spent = []
    for request in asked:
        begun = time.thread_time_ns()
        engine.complete(request)
        spent.append((time.thread_time_ns() - begun) / 1e6)
    return spent


def summary(spent: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    return {"median_ms": round(statistics.median(spent), 4), "p95_ms": round(statistics.quantiles(spent, n=20)[-1], 4)}


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "dspy": dspy.__version__,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> int:
    """Measure every task and print the figures."""
    figures: dict[str, Any] = {}
    for name in task_names():
        asked, engine = requests(name), SimulatedEngine()
        figures[name] = {"questions": len(asked), "first": summary(milliseconds(engine, asked))}
        figures[name]["again"] = summary(milliseconds(engine, asked))
        figures[name]["new_prompts"] = summary(milliseconds(engine, requests(name, new_prompts=True)))
        if engine.counts.reader_calls != 3 * CALLS:
            raise RuntimeError(f"{name}: the reader answered {engine.counts.reader_calls} calls of {3 * CALLS}.")
    medians = [figures[name][turn]["median_ms"] for name in figures for turn in ("first", "again", "new_prompts")]
    report = {"machine": machine(), "calls": CALLS, "limit_ms": LIMIT_MS, "tasks": figures, "worst": max(medians)}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return int(max(medians) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
