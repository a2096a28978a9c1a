"""Faults of a service: errors in transport and spoiled replies, at given rates."""

from dataclasses import dataclass

from dspy.lm15 import LM15Error, RateLimitError, ServerError, TimeoutError

from dspy_dlpo.simulation.settings import check_shares

_ERRORS: dict[str, type[LM15Error]] = {
    "rate_limit": RateLimitError,
    "server_error": ServerError,
    "timeout": TimeoutError,
}


@dataclass(frozen=True)
class Faults:
    """Rates of faults, each a probability a call, 0 to 1, together at most 1.

    A fault is a function of (seed, request, rollout, attempt): a retry draws anew. Errors carry ``retry_after`` 0, so
    that DSPy retries without sleeping.

    Args:
        rate_limit: Raises ``dspy.lm15.RateLimitError``; status 429 on the wire.
        server_error: Raises ``dspy.lm15.ServerError``; status 500 or 503 on the wire, half each.
        timeout: Raises ``dspy.lm15.TimeoutError``; a connection cut in the middle of the reply on the wire.
        malformed: The reply lacks the layout that was asked for.
        truncated: The reply is cut in the middle; its finish reason is ``length``.
        empty: The reply is empty.
    """

    rate_limit: float = 0.0
    server_error: float = 0.0
    timeout: float = 0.0
    malformed: float = 0.0
    truncated: float = 0.0
    empty: float = 0.0

    def __post_init__(self) -> None:
        check_shares(self)
        total = sum(vars(self).values())
        if total > 1 + 1e-9:
            raise ValueError(f"The rates of Faults add up to {total}, more than 1. Lower them.")

    def drawn(self, luck: float) -> str | None:
        """The name of the fault that a number in [0, 1) hits, or None."""
        for name, rate in vars(self).items():
            if luck < rate:
                return str(name)
            luck -= rate
        return None


def raise_fault(name: str | None) -> None:
    """Raise the error of a fault in transport; do nothing for the others.

    Raises:
        LM15Error: The class that DSPy's own engines raise for it.
    """
    if name in _ERRORS:
        raise _ERRORS[name](f"simulated {name.replace('_', ' ')}", retry_after=0.0)


def spoil(name: str | None, text: str) -> tuple[str, str]:
    """The reply as the fault leaves it, and its finish reason."""
    if name == "malformed":
        return "Sure! " + " ".join(text.replace("[[ ##", "").replace("## ]]", ":").strip("{} \n`").split()), "stop"
    if name == "truncated":
        return text[: len(text) // 2], "length"
    return ("", "stop") if name == "empty" else (text, "stop")
