"""How long a request to the prompt model may be, and text made to fit into it."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import dspy
from pydantic import TypeAdapter

from dspy_dlpo.host.adapters import ADAPTERS

logger = logging.getLogger(__name__)

# A request holds at most so many tokens, by `tokens`, and at most this share of the model's window.
MOST_TOKENS = 4000
SHARE_OF_WINDOW = 1 / 4
# Where only the length of a text is known, so many characters are a token.
CHARACTERS_PER_TOKEN = 4
# However long the instructions are, examples, critique and advice get so many tokens each: without, nothing is asked.
LEAST_TOKENS = 250
# Names under which a language model, its options or its engine may tell of its window, in tokens.
WINDOW_NAMES = ("context_window", "max_input_tokens", "max_context_tokens", "max_context_length", "num_ctx", "n_ctx")

_PIECE = re.compile(r"[A-Za-z0-9]{21,}|[A-Za-z]+|[0-9]+|[!-~]|[^\x00-\x7f]+|\n")


def tokens(text: str) -> int:
    """An estimate of how many tokens a text holds, rather too many than too few, without a tokenizer.

    A token is five letters of a Latin word, two digits, one mark, or two bytes of UTF-8 in any other script; what runs
    on for more than 20 letters and digits is no word, and has three tokens to four of them. It is never less than a
    token to four characters. On prose in eleven languages, code, JSON and tables of numbers that is 0.94 to 2.2 times
    what OpenAI's ``cl100k_base`` makes of them; newer tokenizers take half as many for other scripts.
    """
    return math.ceil(max(len(text) / 4, sum(map(_count, _PIECE.findall(text)))))


def fits(text: str, room: int) -> bool:
    """Whether a text holds at most so many tokens; of one that is far too long, that shows at once."""
    return len(text) <= 4 * room and tokens(text) <= room


def _count(piece: str) -> float:
    if piece[0] > "\x7f":
        return len(piece.encode(errors="replace")) / 2
    if len(piece) > 20:
        return 0.75 * len(piece)
    if piece.isalpha():
        return (len(piece) + 4) // 5
    return len(piece) // 2 + 1 if piece.isdigit() else 1


def most_tokens(lm: Any) -> int:
    """How many tokens a request to a model may hold."""
    window = window_of(lm)
    return MOST_TOKENS if window is None else min(MOST_TOKENS, int(window * SHARE_OF_WINDOW))


def window_of(lm: Any) -> int | None:
    """The context window of a model in tokens: what it tells itself, else what the tables of prices know.

    Returns:
        None where it is unknown.
    """
    engine = getattr(lm, "_engine_spec", None)
    for source in (lm, getattr(lm, "kwargs", None), engine):
        told = [
            source.get(name) if isinstance(source, Mapping) else getattr(source, name, None) for name in WINDOW_NAMES
        ]
        found = [value for value in told if isinstance(value, int) and not isinstance(value, bool) and value > 0]
        if found:
            return min(found)
    if not isinstance(engine, str):
        return None  # a custom engine is in no table, whatever its name
    try:
        value = _listed(lm).get("max_input_tokens")
    except Exception as error:  # noqa: BLE001 - a table is advice: it must never end a run
        logger.debug("no window is known of %s: %s", getattr(lm, "model", lm), error)
        return None
    return int(value) if isinstance(value, (int, float)) and value > 0 else None


def _listed(lm: Any) -> Mapping[str, Any]:
    """What the table that DSPy carries says of a model; LiteLLM's, for models that are called through it."""
    from dspy.clients.backend_selection import select_backend
    from dspy.clients.model_metadata import model_info

    route = select_backend(lm).resolution
    if route is not None:
        entry: Mapping[str, Any] = model_info(route.provider, route.model)
        return entry
    from litellm import model_cost  # takes seconds to import, and will be as soon as the model is called

    return dict(model_cost.get(lm.model) or {})


@lru_cache(maxsize=64)
def frame(signature: type[dspy.Signature], adapter: str = "marks") -> int:
    """The tokens of a request whose fields are all empty, put by one of `ADAPTERS`, with the schema that goes along."""
    messages = ADAPTERS[adapter]().format(signature, [], dict.fromkeys(signature.input_fields, ""))
    texts = [str(message["content"]) for message in messages]
    if adapter == "schema":
        texts += [str(TypeAdapter(field.annotation).json_schema()) for field in signature.output_fields.values()]
    return sum(map(tokens, texts))


def clipped(text: str, room: int) -> str:
    """A text that holds about so many tokens at most: a longer one loses its middle."""
    size = len(text)
    while (count := tokens(text)) > room and size > 1:
        size = min(size - 1, int(size * room / count))
        text = f"{text[: size // 2]} [...] {text[-((size + 1) // 2) :]}"
    return text
