"""The simulated model behind an OpenAI-compatible HTTP endpoint, for clients that speak HTTP and for tests of retries.

Starlette and uvicorn are an optional extra, imported only when a server is made.
"""

import asyncio
import importlib
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pydantic
from dspy.lm15 import LM15Error, RateLimitError, Response, TimeoutError

from dspy_dlpo.simulation.calls import Call, opened
from dspy_dlpo.simulation.chat import ChatRequest, complaint, completion, error
from dspy_dlpo.simulation.draws import chance, digest
from dspy_dlpo.simulation.engine import Settings, SimulatedEngine

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response as Reply

# Requests that failed and may be tried again: more than any client has open at once.
_REMEMBERED = 10_000


def _extra(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise ImportError(
            f'The HTTP endpoint needs {module.split(".")[0]}. Install it with: pip install "dspy-dlpo[serve]"'
        ) from missing


class _Cut:
    """A reply that begins and never ends: the server closes the connection."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id":', "more_body": True})


class _Endpoint:
    """The routes of one engine."""

    def __init__(self, engine: SimulatedEngine) -> None:
        self._engine = engine
        # How often each request failed since it was last answered, so that a retry draws its faults anew.
        self._failures: dict[str, int] = {}
        self._json = _extra("starlette.responses").JSONResponse

    async def chat(self, request: "Request") -> "Reply | _Cut":
        """POST /v1/chat/completions."""
        body = await request.body()
        try:
            asked = ChatRequest.model_validate_json(body)
        except pydantic.ValidationError as wrong:
            return self._reply(complaint(wrong), 400)
        await asyncio.sleep(self._engine.settings.latency)
        key = digest(body.decode("utf-8", "replace"))
        try:
            answers = self._answers(asked, key)
        except LM15Error as fault:
            return self._failed(fault, key)
        self._failures.pop(key, None)
        return self._reply(completion(asked, answers, key), 200)

    async def models(self, request: "Request") -> "Reply":
        """GET /v1/models."""
        name = self._engine.settings.name
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "simulation"}]
        return self._reply({"object": "list", "data": data}, 200)

    async def health(self, request: "Request") -> "Reply":
        """GET /health."""
        return self._reply({"status": "ok", "model": self._engine.settings.name, "calls": self._engine.calls}, 200)

    async def missing(self, request: "Request", exception: Any) -> "Reply":
        """Every other address, and every other method."""
        return self._reply(error(str(exception.detail), "invalid_request_error"), exception.status_code)

    def _reply(self, content: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> "Reply":
        reply: Reply = self._json(content, status_code=status, headers=headers)
        return reply

    def _answers(self, asked: ChatRequest, key: str) -> list[Response]:
        with opened(Call(failures=self._failures.get(key, 0))):
            return [self._engine.answer(asked.request()) for _ in range(asked.n or 1)]

    def _failed(self, fault: LM15Error, key: str) -> "Reply | _Cut":
        failures = self._failures.pop(key, 0)
        luck = chance(self._engine.settings.seed, "status", key, failures)
        self._failures[key] = failures + 1
        if len(self._failures) > _REMEMBERED:
            del self._failures[next(iter(self._failures))]  # the one that failed longest ago
        if isinstance(fault, TimeoutError):
            return _Cut()
        now = {"Retry-After": "0"}
        if isinstance(fault, RateLimitError):
            return self._reply(error(str(fault), "rate_limit_error", "rate_limit_exceeded"), 429, now)
        return self._reply(error(str(fault), "server_error", "server_error"), 500 if luck < 0.5 else 503, now)


def create_app(engine: SimulatedEngine | Settings | None = None) -> "Starlette":
    """The endpoint as an ASGI application: chat completions, ``/v1/models`` and ``/health``.

    Answers are the engine's own; over HTTP nothing but the request's ``seed`` varies them. Equal messages, temperature
    and seed get equal answers. The engine's faults arrive as a service would send them: ``rate_limit`` as 429,
    ``server_error`` as 500 or 503, each with ``Retry-After: 0``; ``timeout`` as a connection cut in the middle of the
    reply; spoiled texts as they are; its latency as a slow reply. A failed request sent again draws its fault anew.

    Args:
        engine: The model, or the settings of a new one; None has the defaults.

    Raises:
        ImportError: The extra ``serve`` is not installed.
    """
    served = engine if isinstance(engine, SimulatedEngine) else SimulatedEngine(engine)
    endpoint, route = _Endpoint(served), _extra("starlette.routing").Route
    app: Starlette = _extra("starlette.applications").Starlette(
        routes=[
            route("/v1/chat/completions", endpoint.chat, methods=["POST"]),
            route("/v1/models", endpoint.models),
            route("/health", endpoint.health),
        ],
        exception_handlers={_extra("starlette.exceptions").HTTPException: endpoint.missing},
    )
    return app


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    engine: SimulatedEngine | Settings | None = None,
    allow_remote: bool = False,
    on_ready: Callable[[str], object] | None = None,
) -> None:
    """Serve the endpoint with uvicorn until interrupted.

    Args:
        host: An address of this machine.
        port: 1 to 65535; 0 takes a free one, which uvicorn's log names.
        engine: The model, or the settings of a new one; None has the defaults.
        allow_remote: Also bind to an address that other machines reach. There is no key: anybody there can call it.
        on_ready: Told the address to pass as ``api_base`` once it answers.

    Raises:
        ValueError: A host that is not loopback, without ``allow_remote``; or a port out of range.
        OSError: The port is taken.
        ImportError: The extra ``serve`` is not installed.
    """
    if not allow_remote and not _is_loopback(host):
        raise ValueError(
            f"host={host!r} can be reached from other machines. Pass 127.0.0.1, or allow_remote=True if you mean it."
        )
    if not 0 <= port <= 65535:
        raise ValueError(f"port={port} must lie between 0 and 65535. Pass another port, 0 for a free one.")
    uvicorn = _extra("uvicorn")
    app = create_app(engine)
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, ws="none", lifespan="off", access_log=False))
    if on_ready is not None:
        _announce(server, host, on_ready)
    try:
        server.run()
    except KeyboardInterrupt:
        return
    except SystemExit:  # uvicorn has logged why
        raise OSError(f"port={port} of {host} cannot be listened on. Pass another port, 0 for a free one.") from None


def _announce(server: Any, host: str, on_ready: Callable[[str], object]) -> None:
    """Have a server tell its address once it listens."""
    startup = server.startup

    async def announced(**options: Any) -> None:
        await startup(**options)
        port = server.servers[0].sockets[0].getsockname()[1]
        on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1")

    server.startup = announced
