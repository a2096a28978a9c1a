"""What a call of a language model costs: DSPy's own figures, else LiteLLM's table, else unknown."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import dspy
from dspy.lm15 import Message, Response, Usage

logger = logging.getLogger(__name__)

# What tokens in, and tokens out, are called in usage.
_NAMES = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


class Prices:
    """Prices of calls.

    Args:
        own: US dollars for a million tokens in and a million out, by model name; these go before all others.
    """

    def __init__(self, own: Mapping[str, tuple[float, float]] | None = None) -> None:
        self._own = dict(own or {})
        self._by_name: dict[str, Any] = {}
        self._routes: WeakKeyDictionary[Any, tuple[str, Any]] = WeakKeyDictionary()  # with the model's name at the time

    def cost(self, lm: Any, usage: Mapping[str, Any]) -> float | None:
        """What a call cost.

        Args:
            lm: The model that was called, or where no more is known its name.
            usage: Token counts as DSPy reports them.

        Returns:
            US dollars; None if the price or the usage is unknown.
        """
        named = isinstance(lm, str)
        tokens, model = tokens_of(usage), lm if named else str(getattr(lm, "model", ""))
        if tokens is None:
            return None
        if model in self._own:
            price_in, price_out = self._own[model]
            return (tokens[0] * price_in + tokens[1] * price_out) / 1e6
        try:
            lm = self._named(lm) if named else lm
            if not isinstance(getattr(lm, "_engine_spec", None), str):
                return None  # a custom engine has its own prices, or none
            native = _native_cost(self._route(lm, model), usage)
        except Exception as error:  # noqa: BLE001 - a price is advice: it must never end a run
            logger.debug("DSPy has no price for %s: %s", model, error)
            native = None
        return native if named or native is not None else _litellm_cost(model, tokens)

    def _named(self, name: str) -> Any:
        """A model of that name as DSPy makes it, to ask for its price."""
        if name not in self._by_name:
            self._by_name[name] = dspy.LM(name)
        return self._by_name[name]

    def _route(self, lm: Any, model: str) -> Any:
        """Where DSPy sends the calls of a model; None if that is unknown."""
        known, route = self._routes.get(lm, ("", None))
        if known != model:
            from dspy.clients.backend_selection import select_backend

            route = select_backend(lm).resolution
            self._routes[lm] = model, route
        return route


def tokens_of(usage: Mapping[str, Any]) -> tuple[int, int] | None:
    """Tokens in and out; None if they were not reported."""
    found = [next((usage[key] for key in names if isinstance(usage.get(key), (int, float))), None) for names in _NAMES]
    return None if found[0] is None or found[1] is None else (int(found[0]), int(found[1]))


def _native_cost(route: Any, usage: Mapping[str, Any]) -> float | None:
    """DSPy's own estimate, from the price table that it carries."""
    if route is None or not _has_price(route.provider, route.model):
        return None
    told, rates = _verbatim(usage, route.provider), _flat_rates(route.provider, route.model)
    if rates is None or told.cache_read_tokens or told.cache_write_tokens or told.reasoning_tokens:
        return _estimated(route.provider, route.model, told)
    return (told.input_tokens or 0) * rates[0] + (told.output_tokens or 0) * rates[1]


@lru_cache(maxsize=256)
def _has_price(provider: str, model: str) -> bool:
    """Whether DSPy's table has a price of a model; to find that it has not, it looks through all of it."""
    return any("cost_per_token" in key for key in _entry(provider, model))


@lru_cache(maxsize=256)
def _flat_rates(provider: str, model: str) -> tuple[float, float] | None:
    """US dollars a token, in and out, by DSPy's estimate; None if they change with the length of a request."""
    if any("_above_" in key for key in _entry(provider, model)):
        return None
    one_in, one_out = (Usage(input_tokens=int(i == 0), output_tokens=int(i == 1)) for i in range(2))
    rates = _estimated(provider, model, one_in), _estimated(provider, model, one_out)
    return None if rates[0] is None or rates[1] is None else (rates[0], rates[1])


def _entry(provider: str, model: str) -> Mapping[str, Any]:
    from dspy.clients.model_metadata import model_info

    entry: Mapping[str, Any] = model_info(provider, model)
    return entry


def _estimated(provider: str, model: str, usage: Usage) -> float | None:
    from dspy.clients.costs import estimate_cost

    response = Response(id=None, model=model, message=Message.assistant(""), finish_reason="stop", usage=usage)
    cost, _ = estimate_cost(response, provider=provider, requested_model=model)
    return None if cost is None else float(cost)


def _verbatim(usage: Mapping[str, Any], provider: str) -> Usage:
    """Usage as the provider counts it, undone from the form that DSPy reports."""
    tokens_in, tokens_out = tokens_of(usage) or (0, 0)
    details_in, details_out = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cached, written = int(details_in.get("cached_tokens") or 0), int(details_in.get("cache_creation_tokens") or 0)
    reasoning = int(details_out.get("reasoning_tokens") or 0)
    return Usage(
        input_tokens=tokens_in - (cached + written if "anthropic" in provider else 0),
        output_tokens=tokens_out - (reasoning if provider in _REASONING_APART else 0),
        cache_read_tokens=cached or None,
        cache_write_tokens=written or None,
        reasoning_tokens=reasoning or None,
    )


# Providers that count the tokens of reasoning beside those of the answer.
_REASONING_APART = ("gemini", "vertex", "vertex-express", "xai")


@lru_cache(maxsize=256)
def _litellm_rates(model: str) -> tuple[float, float] | None:
    """US dollars a token, in and out. LiteLLM takes seconds to import: only where DSPy has no price."""
    try:
        from litellm import model_cost

        known = model_cost.get(model) or model_cost.get(model.removeprefix("openai/")) or {}
        return float(known["input_cost_per_token"]), float(known["output_cost_per_token"])
    except Exception as error:  # noqa: BLE001 - the library may be missing or broken; a price is only advice
        logger.debug("LiteLLM has no price for %s: %s", model, error)
        return None


def _litellm_cost(model: str, tokens: tuple[int, int]) -> float | None:
    rates = _litellm_rates(model)
    return None if rates is None else tokens[0] * rates[0] + tokens[1] * rates[1]
