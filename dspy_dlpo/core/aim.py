"""What the user wants, in words of their own: critic and writer are given it as it stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dspy_dlpo.core.sentences import words_of

# Both texts together. They stand whole in every request to critic and writer, which holds 4,000 tokens at most: 300
# words of English are 400 tokens, a tenth of it. Characters are limited for what has few words and is long all the
# same, such as a table of numbers.
MOST_WORDS, MOST_CHARACTERS = 300, 3000


@dataclass(frozen=True)
class Aim:
    """What you want of the program, in your own words; critic and writer are given it as it stands.

    It is part of every request to them, whatever else has to go for want of room, so it may have 300 words and 3,000
    characters in all. It is advice: what must not change belongs in ``frozen=``, what counts as right in the metric.

    Args:
        objective: What is wanted, such as what the metric does not tell.
        background: What is to be known of the task, of those who ask and of the place where answers go.

    Raises:
        TypeError: If one is no string.
        ValueError: If both are empty, or together longer than they may be.

    Example:
        >>> Aim("Short answers: they go on a label.", background="Clerks in a warehouse read them.").texts
        {'objective': 'Short answers: they go on a label.', 'background': 'Clerks in a warehouse read them.'}
    """

    objective: str = ""
    background: str = ""

    def __post_init__(self) -> None:
        for name, text in asdict(self).items():
            if not isinstance(text, str):
                raise TypeError(f"Aim({name}={text!r}) is no text. Pass a string.")
        said = self.texts.values()
        if not said:
            raise ValueError("The aim says nothing. Pass some words, or aim=None.")
        words, characters = words_of(said), sum(map(len, said))
        if words > MOST_WORDS or characters > MOST_CHARACTERS:
            raise ValueError(
                f"The aim has {words:,} words and {characters:,} characters; objective and background together may "
                f"have {MOST_WORDS} words and {MOST_CHARACTERS:,} characters, as they stand in every request to critic "
                "and writer. Shorten it."
            )

    @property
    def texts(self) -> dict[str, str]:
        """What is said, by the name of the field in which requests have it."""
        return {name: text for name, text in asdict(self).items() if text.strip()}


def as_aim(given: Any) -> Aim | None:
    """An aim; a string is its objective.

    Raises:
        TypeError: If it is neither.
        ValueError: If it says nothing, or too much.
    """
    if given is None or isinstance(given, Aim):
        return given
    if isinstance(given, str):
        return Aim(given)
    raise TypeError(f"aim={given!r} is neither a string nor an Aim. Pass one of them, or None.")
