"""Reading sentences by the words that carry their meaning."""

import re
from functools import lru_cache

_BULLET = re.compile(r"^\s*(?:[-*\u2022]\s+|#+\s+|\[\d+\]\s*|\d+[.:)]\s+)")
_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(\[A-Z0-9])")
_PLAIN = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=8192)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text in order; a line break ends a sentence, bullets and numbers before it are dropped."""
    found: list[str] = []
    for line in text.splitlines():
        bare = _BULLET.sub("", line).strip()
        found.extend(part.strip() for part in _END.split(bare) if part.strip(" `#*-=_"))
    return tuple(found)


@lru_cache(maxsize=16384)
def plain(text: str) -> str:
    """The text in lower case with every run of other characters than letters and digits made one space."""
    return _PLAIN.sub(" ", text.lower()).strip()


@lru_cache(maxsize=4096)
def _groups(pattern: str) -> tuple[tuple[bool, re.Pattern[str]], ...]:
    compiled = []
    for group in pattern.removeprefix("> ").split():
        wanted = not group.startswith("!")
        stems = (re.escape(stem.replace("_", " ")) for stem in group.lstrip("!").split("|"))
        choices = "|".join(stem.removesuffix(r"\.") + (r"\b" if stem.endswith(r"\.") else "") for stem in stems)
        compiled.append((wanted, re.compile(rf"\b(?:{choices})")))
    return tuple(compiled)


def says(pattern: str, sentence: str) -> bool:
    """Whether one sentence holds a word of every group of the pattern.

    Args:
        pattern: Groups separated by spaces; in a group, alternative word stems separated by ``|``, with ``_`` for a
            space inside a phrase. A stem that ends with ``.`` is a whole word. A group that begins with ``!`` must be
            absent. A pattern that begins with ``> `` wants its groups in this order. ``"two|pair count|worth"`` is said
            by "A pair counts as 2."
        sentence: Any text; case and punctuation do not matter.
    """
    words, place, ordered = plain(sentence), 0, pattern.startswith("> ")
    for wanted, group in _groups(pattern):
        match = group.search(words, place if wanted else 0)
        if (match is not None) is not wanted:
            return False
        place = match.end() if match and ordered else place
    return True
