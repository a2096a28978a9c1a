"""Chance that is a function of its labels: the same on every thread, process and machine."""

import hashlib
import random

_SCALE = float(2**64)


def chance(*labels: object) -> float:
    """A number in [0, 1) that depends on the labels alone.

    Args:
        labels: Anything with a stable ``str``. The order matters.
    """
    text = "\x1f".join(map(str, labels))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") / _SCALE


def stream(*labels: object) -> random.Random:
    """A private random generator that depends on the labels alone."""
    return random.Random("\x1f".join(map(str, labels)))


def digest(text: str) -> str:
    """A short, stable name for a text: 16 hexadecimal characters."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
