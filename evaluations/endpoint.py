"""Models at an OpenAI-compatible endpoint (Ollama, vLLM, llama.cpp, LM Studio), and the cache of their replies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import dspy

from evaluations.gauge import Gauge, GaugedLM

# Of every arm alike. Tokens of a reply of the prompt model; that of the task model is the cell's.
TASK_TEMPERATURE, PROMPT_TEMPERATURE, PROMPT_TOKENS = 0.0, 0.7, 1000


class EndpointLost(RuntimeError):
    """The endpoint left calls unanswered, so what was measured would count them as wrong answers."""


@dataclass(frozen=True)
class Endpoint:
    """Where models are, and where their replies are kept; no result hangs on it.

    Args:
        api_base: URL of the endpoint; None for the provider's own.
        folder: Directory of the rows, below which replies are kept; None to keep DSPy's cache as it is.
    """

    api_base: str | None = None
    folder: Path | None = None


def local_task_lm(name: str, api_base: str | None, max_tokens: int, gauge: Gauge) -> GaugedLM:
    """The model that runs programs, at temperature 0.

    Args:
        name: As `dspy.LM` takes it, ``openai/<name>`` for any compatible endpoint.
        api_base: URL of the endpoint; None for the provider's own.
        max_tokens: Of a reply, at most.
        gauge: Counts its calls.
    """
    return GaugedLM(name, gauge, temperature=TASK_TEMPERATURE, max_tokens=max_tokens, **_address(api_base))


def local_prompt_lm(name: str, api_base: str | None, gauge: Gauge) -> GaugedLM:
    """The model that writes prompts; arguments as of `local_task_lm`."""
    return GaugedLM(name, gauge, temperature=PROMPT_TEMPERATURE, max_tokens=PROMPT_TOKENS, **_address(api_base))


def _address(api_base: str | None) -> dict[str, str]:
    # DSPy's own engine limits a reply by a newer field, ``max_completion_tokens``, which not every such server knows.
    return {"api_base": api_base, "api_key": "none", "engine": "litellm"} if api_base else {}


def use_cache(folder: Path | None, key: str) -> bool:
    """Let DSPy keep replies in a folder of one cell's own, so that going on after a stop asks nothing twice.

    Args:
        folder: Of the rows; the cache lies below it. None changes nothing.
        key: Of the cell.

    Returns:
        Whether an earlier start of the cell has left replies there.
    """
    if folder is None:
        return False
    path = folder / ".cache" / hashlib.sha256(key.encode()).hexdigest()[:16]
    known = path.is_dir()
    dspy.configure_cache(disk_cache_dir=str(path))
    return known


def check_answered(*lms: GaugedLM) -> None:
    """Refuse what was measured while the endpoint was away.

    Raises:
        EndpointLost: If any call went unanswered.
    """
    lost = sum(lm.gauge.lost for lm in lms)
    if lost:
        raise EndpointLost(f"The endpoint left {lost} calls unanswered. Start it and run the same command again.")
