"""``--rate``: how much models may be asked in a minute."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

from dspy_dlpo.core.rates import Rate, Rates

# Requests and tokens a minute, as providers call their limits.
_UNITS = {"rpm": "requests", "tpm": "tokens"}
_PART = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?)(rpm|tpm)", re.IGNORECASE)


def _rates(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> Rates:
    """What was given, as the optimizer takes it; None if nothing was."""
    read = [_named_rate(each) for each in given]
    found = dict(read)
    if len(found) < len(read):
        raise click.BadParameter("it is given twice for the same model. Give each model one.")
    if "" not in found:
        return found or None
    if len(found) > 1:
        raise click.BadParameter(
            "one without a model is for every model, and goes with no other. Name the model of each, or give it alone."
        )
    return found[""]


def _named_rate(given: str) -> tuple[str, Rate]:
    """A rate and the model that it is for, which is empty for every model.

    Raises:
        click.BadParameter: If it is none.
    """
    model, sign, text = given.rpartition("=")
    parts = [part for each in text.split(",") if (part := _PART.fullmatch(each.strip()))]
    limits = {_UNITS[part[2].lower()]: float(part[1]) for part in parts}
    if len(limits) < text.count(",") + 1 or bool(sign) != bool(model):
        raise click.BadParameter(
            f"{given!r} is no rate. Write 500rpm for requests a minute, 30000tpm for tokens a minute or "
            "500rpm,30000tpm for both, and MODEL= before it if it is for that model alone."
        )
    try:
        return model, Rate(**limits)
    except ValueError as error:
        raise click.BadParameter(f"{given!r}: {error}") from None


rate_option = click.option(
    "--rate",
    "rates",
    metavar="[MODEL=]RATE",
    multiple=True,
    callback=_rates,
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
