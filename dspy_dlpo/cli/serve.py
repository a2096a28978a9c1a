"""``dlpo serve``: the simulated model behind an endpoint."""

from __future__ import annotations

import json

import click

from dspy_dlpo.cli.options import address_option
from dspy_dlpo.simulation import Faults, Settings
from dspy_dlpo.simulation import serve as serve_simulation


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback only.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--seed", default=0, show_default=True, help="Seed of the model's answers.")
@click.option("--latency", default=0.0, show_default=True, help="Seconds that every reply takes.")
@click.option("--rate-limit", default=0.0, show_default=True, help="Share of calls answered with status 429.")
@click.option("--server-error", default=0.0, show_default=True, help="Share of calls answered with status 500 or 503.")
@address_option
def serve(
    host: str, port: int, seed: int, latency: float, rate_limit: float, server_error: float, as_json: bool
) -> None:
    """Serve the simulated model behind an OpenAI-compatible endpoint, until Ctrl-C."""
    faults = Faults(rate_limit=rate_limit, server_error=server_error)
    engine = Settings(seed=seed, latency=latency, faults=faults)
    serve_simulation(host, port, engine=engine, on_ready=_show_address if as_json else None)


def _show_address(url: str) -> None:
    click.echo(json.dumps({"url": url, "simulated": True}))
