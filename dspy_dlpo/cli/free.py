"""Whether a run costs nothing: simulated models, those on this machine, and those whose price is 0."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import dspy

from dspy_dlpo import Estimate
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.settings import RunSettings
from dspy_dlpo.simulation import engine_of


def cost_nothing(settings: RunSettings, program: dspy.Module, said: Estimate) -> bool:
    """Whether no model of a run asks for money."""
    known = said.usd is not None and said.usd.high == 0
    return known or all(is_free(lm) for lm in Preflight(settings, program).models)


def is_free(lm: Any) -> bool:
    """Whether a model is simulated, or answers on this machine."""
    return is_simulated(lm) or _is_here(getattr(lm, "kwargs", {}).get("api_base"))


def is_simulated(lm: Any) -> bool:
    """Whether a model is simulated in this process."""
    try:
        engine_of(lm)
    except (TypeError, AttributeError):
        return False
    return True


def _is_here(api_base: Any) -> bool:
    host = urlsplit(str(api_base or "")).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
