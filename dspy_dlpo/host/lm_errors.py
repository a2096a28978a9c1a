"""Errors after which a language model will never answer, or only to a shorter request."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import cast

from dspy.lm15 import ContextLengthError
from dspy.utils.exceptions import (
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMError,
    LMTransportError,
    LMUnsupportedFeatureError,
    LMUnsupportedModelError,
    is_retryable_lm_error,
)

DEAD = (
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMUnsupportedFeatureError,
    LMUnsupportedModelError,
)
# The causes, and, where a client library hides them, the words, of an address at which nobody answers.
_NOBODY = (ConnectionRefusedError, socket.gaierror)
_NOBODY_SAYS = ("connection refused", "name or service not known", "nodename nor servname", "getaddrinfo failed")
# What servers say of a request that is too long, where their client does not know it for that.
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum (?:context|prompt|input)|too many (?:input )?tokens"
    r"|(?:prompt|input|request|payload)(?: \w+){0,3} too (?:long|large)|exceeds? .{0,40}\btokens?\b",
    re.IGNORECASE,
)


def chain(error: BaseException) -> list[BaseException]:
    """An error, and those that led to it, the last first."""
    links = [error]
    while (link := links[-1].__cause__ or links[-1].__context__) is not None and link not in links:
        links.append(link)
    return links


def is_permanent(error: BaseException | None) -> bool:
    """Whether the model will never answer: no key, no quota, not configured, unknown, or nobody at its address.

    DSPy has tried a refused connection several times, over seconds, before it comes here.
    """
    if error is None:
        return False
    return isinstance(error, DEAD) or (is_retryable_lm_error(error) and _is_nobody_there(error))


def is_too_long(error: Exception) -> bool:
    """Whether a model refused a request as longer than its context window."""
    if any(isinstance(link, (ContextWindowExceededError, ContextLengthError)) for link in chain(error)):
        return True
    # A limit of tokens a minute is spoken of in the same words.
    return not is_retryable_lm_error(error) and bool(_TOO_LONG.search(str(error)))


def behind(error: Exception, last: Exception | None, handled: Sequence[Exception] = ()) -> Exception:
    """The failure of a model that is behind the failure of a program; the error itself if there is none.

    Args:
        error: What the program raised.
        last: What the last call that failed in it raised, as modules such as `dspy.Parallel` tell nothing of it.
        handled: What calls raised that the program went on from, to another model for example.
    """
    left = [link for link in chain(error) if all(link is not each for each in handled)]
    for found in [*left, *([last] if last else [])]:
        if isinstance(found, LMError) and (is_permanent(found) or is_retryable_lm_error(found)):
            return cast(Exception, found)
    return error


def _is_nobody_there(error: BaseException) -> bool:
    for link in chain(error):
        said = str(link).lower()
        if isinstance(link, _NOBODY) or any(words in said for words in _NOBODY_SAYS):
            return True
    return isinstance(error, LMTransportError) and "all connection attempts failed" in str(error).lower()


def one_line(text: str) -> str:
    """The text of an error on one line: providers add advice below it."""
    return " ".join(text.split())
