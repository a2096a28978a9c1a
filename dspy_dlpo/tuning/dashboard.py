"""The dashboard of a study, for one person on one machine: Optuna's, behind a guard."""

from __future__ import annotations

import errno
import logging
import socketserver
import webbrowser
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from optuna_dashboard import wsgi

from dspy_dlpo.tuning.guard import Guard
from dspy_dlpo.tuning.storage import Store

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"


class DashboardServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves the dashboard to this machine only, a thread for each request."""

    daemon_threads = True
    # A browser opens six connections at once, and of five that wait on a busy machine the next are reset.
    request_queue_size = 128

    def __init__(self, store: Store, *, port: int, read_only: bool) -> None:
        try:
            super().__init__((HOST, port), _QuietHandler)
        except (OSError, OverflowError) as error:
            reasons = {errno.EADDRINUSE: "is taken by another program", errno.EACCES: "is not allowed to you"}
            reason = reasons.get(getattr(error, "errno", None) or 0, f"cannot be used ({error})")
            raise ValueError(f"port={port} {reason}. Pass another one (--port).") from None
        try:
            app = wsgi(store.storage, artifact_store=store.artifacts)
            self.set_app(Guard(app, port=self.server_port, read_only=read_only))
        except BaseException:
            self.server_close()
            raise

        self.url = f"http://{HOST}:{self.server_port}/dashboard"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong with one request, mostly a browser that has left."""
        logger.debug("a request failed", exc_info=True)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def serve_dashboard(
    store: Store,
    *,
    port: int = 8080,
    read_only: bool = True,
    open_browser: bool = False,
    on_ready: Callable[[str], object] = lambda url: None,
) -> None:
    """Serve the dashboard until Ctrl-C.

    It listens on 127.0.0.1 only and asks for no password: whoever may open ports of this machine sees the studies. From
    another machine it is reached through ``ssh -L 8080:127.0.0.1:8080``.
    Port 0 is one that is free; `read_only` refuses notes, uploads and deleting; `on_ready` is told the URL.
    """
    with DashboardServer(store, port=port, read_only=read_only) as server:
        on_ready(server.url)
        if open_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            logger.info("the dashboard was stopped")
