"""What of a language model decides its answers, in words and without keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dspy_dlpo.host.secrets import HIDDEN, is_secret_name, looks_secret

# Options that change how often, how long and for whom is asked, and not what is answered.
_NO_MATTER = frozenset(
    "cache caching callbacks history num_retries max_retries timeout request_timeout stream_timeout "
    "rollout_id metadata user tags prompt_cache stream".split()
)


def model_options(lm: Any) -> dict[str, Any]:
    """The options of a language model that may change its answers; unset ones and keys are left out."""
    options = {
        "model": getattr(lm, "model", None),
        "model_type": getattr(lm, "model_type", None),
        "use_developer_role": getattr(lm, "use_developer_role", None) or None,
        "engine": _engine(lm),
        **(getattr(lm, "kwargs", None) or {}),
    }
    return without_secrets({name: value for name, value in options.items() if name not in _NO_MATTER})


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that are set, less what is a key by its name or by how it looks; of an address no more than the place."""
    found = {}
    for name, value in options.items():
        if value is None or (is_secret_name(str(name)) and not isinstance(value, (bool, int, float))):
            continue
        found[str(name)] = _clean(value)
    return found


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    if not isinstance(value, str):
        return value
    if re.match(r"https?://", value):
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return HIDDEN if looks_secret(value) else value


def _engine(lm: Any) -> Any:
    """What carries out the calls of a `dspy.LM`, where the user chose it: its name, or its class's name and state."""
    engine = getattr(lm, "_engine_spec", None)
    if engine is None or isinstance(engine, str):
        return None if engine == "auto" else engine
    try:
        state = engine.dump_state()
    except Exception:  # noqa: BLE001 - an engine of the user's own need not have a state
        state = None
    return [type(engine).__qualname__, state]
