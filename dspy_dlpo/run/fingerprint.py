"""All that determines a run, as plain data: a run directory is gone on with only where it is the same."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import dspy

from dspy_dlpo.core.opening import IDENTITY
from dspy_dlpo.core.sentences import ENGLISH
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.host.code import is_own
from dspy_dlpo.host.content import ContentHasher, module_state
from dspy_dlpo.host.models import model_options, without_secrets
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import describe
from dspy_dlpo.run.settings import Data, RunSettings

logger = logging.getLogger(__name__)


def fingerprint(
    settings: RunSettings, student: dspy.Module, data: Data, prompt_model: dspy.LM, languages: Sequence[str] = ENGLISH
) -> Mapping[str, Any]:
    """Settings, program, models, data and metric, less what may change while a run goes on: budget and threads.

    Content is hashed, so that what looks alike is told apart; a warning names what cannot be. Languages by whose rules
    sentences end are named where English is not the only one.
    """
    task_model = settings.task_model or dspy.settings.lm
    of_metric, of_program, of_data, of_rest = (ContentHasher() for _ in range(4))
    found = {
        "package": version("dspy-dlpo"),
        "dspy": version("dspy"),
        "identity": IDENTITY,
        "prompt_model": _model(prompt_model, of_rest),
        "task_model": _model(task_model, of_rest),
        "settings": _arguments(settings, of_rest),
        "thresholds": asdict(THRESHOLDS),
        "program": _program(settings, student, of_program),
        "data": {"train": digest(data.train, of_data), "val": digest(data.val, of_data)},
        "metric": f"{_name(settings.metric)} {of_metric.digest(settings.metric, 'metric')}",
        "metric_uses": of_metric.used_globals(),
        **({"scores_sets": True} if settings.scores_sets else {}),
        **({} if tuple(languages) == ENGLISH else {"languages": list(languages)}),
    }
    _warn({**of_rest.unknown, **of_data.unknown, **of_program.unknown, **of_metric.unknown})
    return found


def _arguments(settings: RunSettings, hasher: ContentHasher) -> dict[str, Any]:
    return {
        "techniques": [_shown(technique, hasher) for technique in settings.techniques],
        "acceptance": _shown(settings.acceptance, hasher),
        "judging": _shown(settings.judging, hasher),
        "stopping": {name: getattr(settings.stopping, name) for name in ("target", "patience", "max_steps")},
        "batch_size": settings.batch_size,
        "gradients": settings.gradients,
        "critic": settings.critic,
        "update": settings.update,
        "parameters": settings.parameters,
        "frozen": [_frozen(each) for each in settings.frozen],
        "controller": None if settings.controller is None else _shown(settings.controller, hasher),
        "score_range": settings.score_range,
        "seed": settings.seed,
        **({} if settings.aim is None else {"aim": settings.aim.texts}),
    }


def _program(settings: RunSettings, student: dspy.Module, hasher: ContentHasher) -> dict[str, Any]:
    predictors = student.named_predictors()
    configs = {name: without_secrets(each.config) for name, each in predictors}
    return {
        "prompts": read_prompts(student, settings.parameters),
        "modules": describe(student),
        "fields": {name: _fields(each.signature, hasher) for name, each in predictors},
        "models": {name: _model(each.lm, hasher) for name, each in predictors},
        "demos": {name: hasher.digest(each.demos, f"{name}.demos") for name, each in predictors if each.demos},
        "configs": {name: _shown(config, hasher) for name, config in configs.items() if config},
        "sources": _sources(student, hasher),
        "state": {name: hasher.digest(value, f"program.{name}") for name, value in module_state(student).items()},
        "adapter": _shown_class(dspy.settings.adapter, hasher),
        "retriever": _shown_class(dspy.settings.rm, hasher),
        "uses": hasher.used_globals(),
    }


def _warn(unknown: Mapping[str, str]) -> None:
    """Name in one warning what could not be hashed."""
    if unknown:
        named = ", ".join(f"{where} ({kind})" for where, kind in list(unknown.items())[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        logger.warning(
            "The content of %s%s cannot be compared. If it changes, pass another log_dir: the run would go on as if it "
            "were the same.",
            named,
            more,
        )


def _frozen(each: Any) -> str:
    return f"pattern {each.pattern!r} {each.flags}" if isinstance(each, re.Pattern) else str(each)


def _shown(value: Any, hasher: ContentHasher) -> str:
    """The text of an object, and a digest of its content where the text may not tell all."""
    text = repr(value)
    short = re.sub(r" at 0x[0-9a-fA-F]+", "", text)
    return f"{short} {hasher.digest(value, type(value).__name__)}" if short != text or "..." in text else text


def _shown_class(value: Any, hasher: ContentHasher) -> str | None:
    """The class of an object, and a digest of its state where it has one."""
    return None if value is None else f"{type(value).__name__} {hasher.digest(value, type(value).__name__)}"


def digest(examples: Sequence[Any], hasher: ContentHasher | None = None) -> str:
    """A short name for examples: equal for equal content of all their fields, in any process."""
    hasher = hasher or ContentHasher()
    return hashed("\n".join(hasher.digest(each, f"data[{i}]") for i, each in enumerate(examples)))


def _model(lm: Any, hasher: ContentHasher) -> str | None:
    """The name of a model, and the options that are set and may change its answers."""
    if lm is None:
        return None
    options = model_options(lm)
    name = str(options.pop("model", type(lm).__name__))
    temperature = options.pop("temperature", None)
    if options.get("model_type") == "chat":  # the default
        del options["model_type"]
    rest = [f"{key}={_short(value, hasher, key)}" for key, value in sorted(options.items())]
    if is_own(type(lm)):
        rest.append(hasher.digest(lm, name))
    name = name if temperature is None else f"{name} at temperature {temperature}"
    return ", ".join([name, *rest])


def _short(value: Any, hasher: ContentHasher, name: str) -> str:
    """A short value itself, or the digest of another."""
    plain = isinstance(value, (str, bool, int, float))
    return str(value) if plain and len(str(value)) <= 60 else hasher.digest(value, name)


def _fields(signature: Any, hasher: ContentHasher) -> dict[str, str]:
    """Type and description of every field, and a digest of both."""
    found = {}
    for name, field in signature.fields.items():
        extra = field.json_schema_extra or {}
        content = hasher.digest([field.annotation, extra, field.metadata, field.default], f"fields.{name}")
        kind = getattr(field.annotation, "__name__", None) or str(field.annotation)
        found[name] = f"{kind} {extra.get('desc', '')} {content}"
    return found


def _sources(student: dspy.Module, hasher: ContentHasher) -> dict[str, str]:
    """A digest of every class of the user's own in the program: its methods, and what they enclose."""
    kinds = {type(module) for _, module in student.named_sub_modules()}
    return {kind.__name__: hasher.digest(kind, kind.__name__) for kind in kinds if is_own(kind)}


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__qualname__))


def hashed(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
