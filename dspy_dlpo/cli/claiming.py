"""The final claim of a command: on the testset, once for each run directory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo import DLPOResult
from dspy_dlpo.core.history import prompts_key
from dspy_dlpo.core.json_lines import to_json
from dspy_dlpo.core.rates import Rates
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.run.claim import score_on_test
from dspy_dlpo.run.fingerprint import digest

FILE = "test.json"
# The finished prompts are longer than those of the run were on average.
_MARGIN = 1.2


def claim(
    program: dspy.Module,
    result: DLPOResult,
    metric: Callable[..., Any],
    testset: Sequence[Any],
    *,
    task_model: dspy.LM | None,
    num_threads: int,
    rates: Rates = None,
) -> Comparison:
    """Score start and result on the testset; what the run directory remembers is not paid for again."""
    path = Path(result.log_dir or os.devnull) / FILE
    key = _key(result, testset, task_model or dspy.settings.lm)
    known = _read(path)
    if known and known["key"] == key:
        return Comparison(**{**known["comparison"], "interval": tuple(known["comparison"]["interval"])})
    options: dict[str, Any] = {"task_model": task_model, "num_threads": num_threads, "rates": rates}
    found = score_on_test(program, result, metric, testset, **options)
    kept = {name: value for name, value in asdict(found).items() if name != "scores"}
    path.write_text(to_json({"key": key, "comparison": kept}, indent=2) + "\n", encoding="utf-8")
    return found


def cost_of_claim(result: DLPOResult, examples: int) -> float | None:
    """US dollars that the claim will cost, about; None if the price is unknown."""
    usd = [result.spent.get(role, {}).get("usd", 0.0) for role in ("task", "metric")]
    if None in usd:
        return None
    return float(_MARGIN * sum(usd) / max(1, result.spent["metric_calls"]) * 2 * examples)


def _key(result: DLPOResult, testset: Sequence[Any], lm: Any) -> str:
    content = [prompts_key(result.start_prompts), prompts_key(result.best_prompts), str(getattr(lm, "model", ""))]
    content.append(digest(testset))
    return hashlib.sha256("\n".join(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
