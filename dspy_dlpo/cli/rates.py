"""``--rate``: how much models may be asked in a minute."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from dspy_dlpo.core.rates import Rate, Rates

# Requests and tokens a minute, as providers call their limits.
_UNITS = {"rpm": "requests", "tpm": "tokens"}
_PART = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?)(rpm|tpm)", re.IGNORECASE)


class _NamedRate(click.ParamType):
    """A rate, and the model that it is for; an empty name for every model."""

    name = "[MODEL=]RATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Rate]:
        """Read ``500rpm``, ``30000tpm`` or ``500rpm,30000tpm``, with the name of a model and ``=`` before it or not."""
        model, sign, text = str(value).rpartition("=")
        parts = [_PART.fullmatch(each.strip()) for each in text.split(",")]
        units = [part[2].lower() for part in parts if part]
        if len(units) < len(parts) or len(set(units)) < len(units) or bool(sign) != bool(model):
            self.fail(
                f"{value!r} is no rate. Write 500rpm for requests a minute, 30000tpm for tokens a minute or "
                "500rpm,30000tpm for both, and MODEL= before it if it is for that model alone.",
                param,
                ctx,
            )
        try:
            return model, Rate(**{_UNITS[part[2].lower()]: float(part[1]) for part in parts if part})
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def _together(ctx: click.Context, param: click.Parameter, given: Sequence[tuple[str, Rate]]) -> Rates:
    """All that were given, as the optimizer takes them; None if none was."""
    found = dict(given)
    if len(found) < len(given):
        raise click.BadParameter("it is given twice for the same model. Give each model one.", ctx, param)
    if "" not in found:
        return found or None
    if len(found) > 1:
        raise click.BadParameter(
            "one without a model is for every model, and goes with no other. Name the model of each, or give it alone.",
            ctx,
            param,
        )
    return found[""]


rate_option = click.option(
    "--rate",
    "rates",
    type=_NamedRate(),
    multiple=True,
    callback=_together,
    help="What each model may be asked in a minute, such as 500rpm,30000tpm; with MODEL= before it that model alone, "
    "and once for each.",
)


def shared_rates(rates: Rates, processes: int) -> Rates:
    """The share of each of some processes: they do not know of one another, and all together may ask so much."""
    if rates is None or processes < 2:
        return rates
    if isinstance(rates, Mapping):
        return {model: _share(rate, processes) for model, rate in rates.items()}
    return _share(rates, processes)


def _share(rate: Rate, processes: int) -> Rate:
    return Rate(**{name: limit / processes for name, limit in rate.limits.items()})
