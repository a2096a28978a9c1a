"""Enumerations that code decides by, each member with the sentence that tells it to people."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

T = TypeVar("T", bound="SentenceEnum")


class SentenceEnum(str, Enum):
    """Members are defined as a value, which stands on the disk, and a sentence, with braces where details go."""

    sentence: str

    def __new__(cls: type[T], value: str, sentence: str = "") -> T:
        """A member with its sentence."""
        member = str.__new__(cls, value)
        member._value_, member.sentence = value, sentence
        return member
