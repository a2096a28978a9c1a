"""Keeps strangers from a local dashboard: other sites in the same browser, and scripts in what models wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

_READS = ("GET", "HEAD", "OPTIONS")
# The dashboard's own pages; everything else may hold what a model wrote. A path is compared as the browser sent it:
# "/%ffartifacts/" too leads to an artifact.
_PAGES = ("/dashboard", "/static/", "/favicon.ico")
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
# What a browser may show by itself, in the sandbox, where nothing runs; the rest is downloaded.
_SHOWN = ("text/html", "image/png", "image/jpeg", "image/gif", "image/webp", "application/json", "text/plain")
_EVERYWHERE = [("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")]
# Beside the pages: no other site may embed studies or artifacts.
_OWN = ("Cross-Origin-Resource-Policy", "same-origin")
Headers = list[tuple[str, str]]


class Guard:
    """A WSGI application in front of the dashboard's, which is served at a port.

    It answers only to this machine's names for itself, so that a site whose name leads here (DNS rebinding) reads
    nothing; refuses writes that another site sent, or all; and locks what models wrote into a sandbox.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], *, port: int, read_only: bool) -> None:
        self._app, self._read_only = app, read_only
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        if refusal := self._refusal(environ):
            start_response("403 Forbidden", [("Content-Type", "application/json"), *_EVERYWHERE])
            return [json.dumps({"reason": refusal}).encode()]
        # Where the dashboard sends a browser on to, it would believe this header.
        environ.pop("HTTP_X_FORWARDED_HOST", None)
        is_page = environ.get("PATH_INFO", "").startswith(_PAGES)
        done: list[bytes] = []

        def start(status: str, headers: Headers, *rest: Any) -> Any:
            if status.startswith("204"):
                # The page reads JSON from every answer (optuna-dashboard 0.21), and takes an empty one for a failure.
                done.append(b"{}")
                status, headers = "200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")]
            return start_response(status, _guarded(status, headers, is_page), *rest)

        answer = self._app(environ, start)
        return done or answer

    def _refusal(self, environ: dict[str, Any]) -> str:
        """Why a request is refused; empty if it is not."""
        host = environ.get("HTTP_HOST", "")
        if host not in self._hosts:
            return "This dashboard answers only to 127.0.0.1 and localhost, at its own port."
        if environ["REQUEST_METHOD"] in _READS:
            return ""
        if self._read_only:
            return "This dashboard is read-only. Start it with --writable to change something."
        origin = environ.get("HTTP_ORIGIN", f"http://{host}")
        if origin != f"http://{host}" or environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site"):
            return "Another site may not write to this dashboard."
        return ""


def _guarded(status: str, headers: Headers, is_page: bool) -> Headers:
    """The headers of an answer, and what keeps it in its place."""
    added = {name.lower() for name, _ in _EVERYWHERE}
    kept = [each for each in headers if each[0].lower() not in {"access-control-allow-origin", *added}]
    if is_page:
        return [*kept, *_EVERYWHERE]
    kind = next((value for name, value in kept if name.lower() == "content-type"), "").split(";")[0].strip().lower()
    named = any(name.lower() == "content-disposition" for name, _ in kept)
    download = [("Content-Disposition", "attachment")] if status.startswith("2") and kind not in _SHOWN else []
    kept = [each for each in kept if each[0].lower() != "content-security-policy"]
    return [*kept, ("Content-Security-Policy", _SANDBOX), *([] if named else download), _OWN, *_EVERYWHERE]
