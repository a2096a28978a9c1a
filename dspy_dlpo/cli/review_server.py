"""The page of `dlpo review`: the edits of a run, to be unticked or reworded, on this machine only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from dspy_dlpo.core.review import ReviewAnswer, Suggestion

PAGE = Path(__file__).with_name("review.html")
# The most that a page may send: the user's own sentences.
LONGEST = 1_000_000

Answers = Sequence[ReviewAnswer]


def as_data(suggestion: Suggestion) -> dict[str, Any]:
    """A suggestion as the page shows it."""
    edit = suggestion.edit
    return {
        "predictor": edit.predictor,
        "op": edit.op,
        "before": suggestion.before,
        "after": "" if edit.op == "move" else suggestion.after,
        "about": suggestion.about,
    }


class ReviewServer(HTTPServer):
    """Serves the page until something is saved.

    Args:
        port: To listen on, on loopback; 0 takes a free one.
        content: What the page shows, as plain data.
        score: Scores what the answers leave, and says so in words; None where it cannot be scored.
        save: Saves what the answers leave, and says where.

    Raises:
        OSError: If the port is taken.
    """

    def __init__(
        self,
        port: int,
        content: Mapping[str, Any],
        score: Callable[[Answers], str] | None,
        save: Callable[[Answers], str],
    ) -> None:
        self.token, self.saved = secrets.token_urlsafe(16), ""
        self.content, self.score, self.save = content, score, save
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        """URL of the page, with the secret without which nobody else on this machine gets it."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def run(self) -> str:
        """Serve until something is saved; returns where."""
        while not self.saved:
            self.handle_request()
        return self.saved


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer

    def do_GET(self) -> None:
        if self.path != f"/{self.server.token}/":
            self._answer(404, "text/plain", "There is nothing here.")
            return
        data = json.dumps({**self.server.content, "scores": self.server.score is not None}).replace("<", "\\u003c")
        self._answer(200, "text/html; charset=utf-8", PAGE.read_text(encoding="utf-8").replace("__DATA__", data))

    def do_POST(self) -> None:
        doing = self.path.removeprefix(f"/{self.server.token}/")
        act = {"score": self.server.score, "save": self.server.save}.get(doing)
        length = int(self.headers.get("Content-Length") or 0)
        if act is None or length > LONGEST:
            self._answer(404, "text/plain", "There is nothing here.")
            return
        try:
            said = act(_answers(json.loads(self.rfile.read(length)), len(self.server.content["edits"])))
        except Exception as error:  # noqa: BLE001 - told on the page; the command goes on
            self._answer(400, "text/plain; charset=utf-8", f"{type(error).__name__}: {error}")
            return
        self._answer(200, "text/plain; charset=utf-8", said)
        if doing == "save":
            self.server.saved = said

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is for the outcome."""


def _answers(data: Any, count: int) -> list[ReviewAnswer]:
    """What the page sent: for each edit true, false or a sentence.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(data, list) or len(data) != count or not all(isinstance(each, (bool, str)) for each in data):
        raise ValueError("the page sent no answers. Load it anew.")
    return [each.strip() if isinstance(each, str) else each for each in data]
