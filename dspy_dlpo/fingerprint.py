"""All that determines a run, as plain data: a run directory is gone on with only where it is the same."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import dspy

from dspy_dlpo.host.evaluate import as_text
from dspy_dlpo.host.program import describe, read_prompts
from dspy_dlpo.settings import Data, Settings


def fingerprint(settings: Settings, student: dspy.Module, data: Data, prompt_model: dspy.LM) -> Mapping[str, Any]:
    """Settings, program, models, data and metric, less what may change while a run goes on: budget and threads."""
    task_model = settings.task_model or dspy.settings.lm
    return {
        "package": version("dspy-dlpo"),
        "dspy": version("dspy"),
        "prompt_model": prompt_model.model,
        "task_model": getattr(task_model, "model", None),
        "settings": {
            "techniques": [_shown(technique) for technique in settings.techniques],
            "acceptance": _shown(settings.acceptance),
            "judging": settings.judging,
            "stopping": {name: getattr(settings.stopping, name) for name in ("target", "patience", "max_steps")},
            "batch_size": settings.batch_size,
            "frozen": settings.frozen,
            "score_range": settings.score_range,
            "seed": settings.seed,
        },
        "program": {
            "prompts": read_prompts(student),
            "modules": describe(student),
            "models": {name: getattr(each.lm, "model", None) for name, each in student.named_predictors()},
            "demos": {name: _digest(each.demos) for name, each in student.named_predictors() if each.demos},
        },
        "data": {"train": _digest(data.train), "val": _digest(data.val)},
        "metric": _source(settings.metric),
    }


def _shown(value: Any) -> str:
    """The text of an object, without addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", value if isinstance(value, str) else repr(value))


def _digest(examples: Sequence[Any]) -> str:
    text = "\n".join(repr(sorted(as_text(example).items())) for example in examples)
    return hashlib.sha256(_shown(text).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _source(metric: Any) -> str:
    """The name of a metric and a digest of its source, where it has one."""
    name = getattr(metric, "__qualname__", type(metric).__qualname__)
    try:
        source = inspect.getsource(metric)
    except (OSError, TypeError):
        return str(name)
    return f"{name} {hashlib.sha256(source.encode()).hexdigest()[:16]}"
