"""``dlpo dashboard``: Optuna's dashboard on the storage, for this machine alone."""

from __future__ import annotations

import json
from contextlib import suppress

import click

from dspy_dlpo.cli.options import address_option


@click.command()
@click.option("--storage", help="URL or SQLite file; DLPO_STORAGE, else dlpo-tuning.db, by default. No password here.")
@click.option("--artifacts", help="Directory of runs and reports; DLPO_ARTIFACTS by default.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on, at 127.0.0.1 only.")
@click.option("--writable", is_flag=True, help="Let the page change and delete studies.")
@click.option("--open", "open_browser", is_flag=True, help="Open a browser.")
@address_option
def dashboard(
    storage: str | None, artifacts: str | None, port: int, writable: bool, open_browser: bool, as_json: bool
) -> None:
    """Show what tuning has tried: every trial with its prompts, scores and spending. Ctrl-C ends it."""
    with suppress(KeyboardInterrupt):  # Ctrl-C while it starts
        from dspy_dlpo.tuning.address import refuse_shown_password
        from dspy_dlpo.tuning.dashboard import serve_dashboard
        from dspy_dlpo.tuning.storage import open_store

        refuse_shown_password(storage)
        with open_store(storage, artifacts) as store:
            shown = store.address.shown
            if not as_json:
                click.echo(f"showing {shown}")
            serve_dashboard(
                store,
                port=port,
                read_only=not writable,
                open_browser=open_browser,
                on_ready=lambda url: click.echo(
                    json.dumps({"url": url, "storage": shown}) if as_json else f"{url}   (Ctrl-C ends it)"
                ),
            )
