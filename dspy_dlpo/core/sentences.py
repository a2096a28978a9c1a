"""Split a prompt into sentences without losing a byte.

Bullets, headings, fenced code and tables are whole units, and a template hole or a piece of inline code is never cut.
Inside running text the boundaries are those of the ``sentencex`` library, by the rules of the languages in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import lru_cache
from itertools import accumulate

import sentencex

# The languages in force, sorted: those of all start prompts of a run (see `languages.written_in`).
ENGLISH = ("en",)
LANGUAGES: ContextVar[tuple[str, ...]] = ContextVar("languages", default=ENGLISH)
# Kana and Chinese characters, as the inside of a regular expression's brackets: they are written without spaces.
UNSPACED = r"\u3040-\u30ff\u3400-\u9fff"
# What stands between words where no space does.
_CJK_MARKS = r"\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
# Thai, Lao, Burmese and Khmer.
_UNSPACED_ALPHABETS = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_COUNTED = re.compile(rf"([{UNSPACED}]+)|([{_UNSPACED_ALPHABETS}]+)|[^\s{UNSPACED}{_UNSPACED_ALPHABETS}{_CJK_MARKS}]+")
_FENCE = re.compile(r"\s*(```|~~~)")
_TABLE = re.compile(r"\s*\|")
_BULLET = re.compile(r"\s*(?:[-*+•]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_HEADING = re.compile(r"\s{0,3}(?:#{1,6}\s|={3,}\s*$|-{3,}\s*$)")
_WHOLE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{[^{}\n]*\}|`[^`\n]+`", re.DOTALL)
# Half of a pair, which a model's JSON may hold and sentencex cannot take.
_LONE = re.compile("[\ud800-\udfff]")
_ENDS = re.compile(r"[.!?:;。！？：；…।॥۔؟։።፧។៕။][\"'”’)\]]*\s*$")
# After these marks a sentence ends even where no white space follows.
CLOSING_MARKS = "。！？…」』”"
_CLOSING = CLOSING_MARKS + "।॥۔។៕။።"
# Full stops that sentencex does not know in every language that has them.
_FULL_STOP = re.compile(r"[।॥۔។៕။።]+\s*")
# Quotations of many languages; inside one no sentence ends. (English has its own rule, in sentencex.)
_QUOTED = re.compile(
    r"„[^“”\"„]+[“”\"]|“[^”“]+”|«[^»«]+»|(?<!\w)»[^«»]+«|「[^」]+」|『[^』]+』|《[^》]+》|(?<!\w)\"[^\"]+\""
)
# What ends a piece and no sentence: a letter or number with a dot, or a short word with one.
_ONE_LETTER = re.compile(r"(?<!\w)[^\W\d_]\.\s*$")
_ABBREVIATED = re.compile(r"(?<!\w)(?:\w{1,4}\.)+\s*$")
_CLOSED = re.compile(r"[”“»«」』\"]\s*$")
# A line shorter than this that is followed by a capital is a line of its own, not a wrapped one.
_SHORT_LINE = 60


def split(text: str) -> tuple[str, ...]:
    """Split a text into sentences, each with the white space that follows it.

    Args:
        text: Any text in any script.

    Returns:
        The sentences in order; joining them gives the text back byte for byte. Empty for the empty text.
    """
    return _split(text, LANGUAGES.get())


@lru_cache(maxsize=512)
def _split(text: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    sentences: list[str] = []
    for unit, is_prose in _units(text.splitlines(keepends=True)):
        sentences.extend(_prose(unit, languages) if is_prose else (unit,))
    return tuple(_with_leading_space(sentences))


def is_block(sentence: str) -> bool:
    """Whether a sentence must stand on a line of its own: a bullet, heading, fence or table."""
    return any(pattern.match(sentence) for pattern in (_FENCE, _TABLE, _BULLET, _HEADING))


def is_item(sentence: str) -> bool:
    """Whether a sentence is an item of a list, with a bullet, a number or a letter."""
    return bool(_BULLET.match(sentence))


def bullet_marker(sentence: str) -> str:
    """The marker of an unnumbered bullet with its indentation, such as ``"- "``; empty for anything else."""
    match = re.match(r"\s*[-*+•]\s+", sentence)
    return match.group() if match else ""


def fence_around(text: str) -> str:
    """A mark of backticks that nothing in a text can close."""
    return "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])


def words_of(texts: Iterable[str]) -> int:
    """Words of several texts together."""
    return sum(map(count_words, texts))


def count_words(text: str) -> int:
    """Words of a text: runs of non-space characters, and parts of them in scripts that write no spaces.

    Two Chinese or Japanese characters are a word, and four of Thai, Lao, Khmer or Burmese; Korean, like all others, is
    counted by its spaces. So an English prompt and its translation have about as many.

    Source: translators' figures. 1,000 English words make 1,300 to 1,800 Chinese characters (AnyCount, "Word count in
        oriental languages") and some 2,000 Japanese ones; a Thai character is charged as a quarter of a word
        (GoTranscript).
    """
    return sum(-(-len(run[0]) // 2) or -(-len(run[1]) // 4) or 1 for run in _COUNTED.findall(text))


def _units(lines: list[str]) -> list[tuple[str, bool]]:
    """Group lines into units, each a text and whether it is running text."""
    units: list[tuple[str, bool]] = []
    position = 0
    while position < len(lines):
        end, is_prose = _unit_end(lines, position)
        while end < len(lines) and not lines[end].strip():  # blank lines belong to what they follow
            end += 1
        units.append(("".join(lines[position:end]), is_prose))
        position = end
    return units


def _unit_end(lines: list[str], start: int) -> tuple[int, bool]:
    line = lines[start]
    if fence := _FENCE.match(line):
        for position in range(start + 1, len(lines)):
            if lines[position].strip().startswith(fence.group(1)):
                return position + 1, False
        return len(lines), False
    if _TABLE.match(line):
        return _while(lines, start, lambda following: bool(_TABLE.match(following))), False
    if _HEADING.match(line):
        return start + 1, False
    if _BULLET.match(line):
        return _while(lines, start, _continues_bullet), False
    return _while(lines, start, lambda following: bool(following.strip()) and not is_block(following)), True


def _while(lines: list[str], start: int, belongs: Callable[[str], bool]) -> int:
    end = start + 1
    while end < len(lines) and belongs(lines[end]):
        end += 1
    return end


def _continues_bullet(line: str) -> bool:
    return bool(line.strip()) and line[0] in " \t" and not is_block(line)


def _prose(text: str, languages: tuple[str, ...]) -> list[str]:
    """Split running text into sentences, holes and inline code kept whole."""
    masked = _LONE.sub("x", _WHOLE.sub(lambda match: "x" * len(match.group()), text))
    lengths = [len(piece) for line in _logical_lines(masked, languages) for piece in _segment(line, languages)]
    pieces, position = [], 0
    for length in lengths:
        pieces.append(text[position : position + length])
        position += length
    return pieces


def _logical_lines(text: str, languages: tuple[str, ...]) -> list[str]:
    """Undo hard wrapping: a line break ends a sentence only after a closing mark or a short line before a capital."""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        previous = lines[-1] if lines else ""
        last = previous.splitlines()[-1] if previous else ""
        begins = _may_begin(line.lstrip()[:1], languages)
        starts_new = bool(_ENDS.search(previous)) or (len(last) < _SHORT_LINE and begins)
        if not lines or not line.strip() or (starts_new and previous.strip()):
            if lines and not line.strip():
                lines[-1] += line
            else:
                lines.append(line)
        else:
            lines[-1] += line
    return lines


def _may_begin(character: str, languages: tuple[str, ...]) -> bool:
    """Whether a character may begin a sentence: a capital, or a letter of a script that has none."""
    has_no_case = character.isalpha() and character.lower() == character.upper()
    return character.isupper() or (has_no_case and languages != ENGLISH)


def _segment(line: str, languages: tuple[str, ...]) -> list[str]:
    pieces = list(sentencex.segment("en", line)) if languages == ENGLISH else _pieces(line, languages)
    if "".join(pieces) != line:
        return [line]
    joined = pieces[:1]
    for piece in pieces[1:]:
        if joined[-1][-1].isspace() or joined[-1][-1] in _CLOSING:
            joined.append(piece)
        else:  # "item.The" is more often a name or a number than two sentences
            joined[-1] += piece
    return joined


def _pieces(line: str, languages: tuple[str, ...]) -> list[str]:
    """The pieces of a line that end where a sentence may end in each of some languages."""
    each = [set(accumulate(map(len, sentencex.segment(code, line)))) for code in languages]
    stops = {match.end() for match in _FULL_STOP.finditer(line)}
    quoted = [match.span() for match in _QUOTED.finditer(line)]
    ends = sorted(
        end
        for end in set.intersection(*each) | stops
        if not any(start < end < stop for start, stop in quoted) and not _goes_on(line[:end], line[end:])
    )
    return [line[start:end] for start, end in zip([0, *ends], [*ends, len(line)], strict=True) if start < end]


def _goes_on(before: str, after: str) -> bool:
    """Whether a sentence goes on where it might have ended: after an abbreviation, an ordinal or a quotation."""
    following = after[:1]
    if _ONE_LETTER.search(before):  # z. B. Köln
        return bool(following)
    if _ABBREVIATED.search(before):  # т. е. список, 3. május, str. 3
        return following.islower() or (following.isdigit() and not before.rstrip(" .")[-1:].isdigit())
    if _CLOSED.search(before):  # « Oui. Non. » à la question, 「はい。」と
        return following.islower() or (following.isalpha() and not before[-1].isspace())
    return False


def _with_leading_space(sentences: list[str]) -> list[str]:
    """Hang pieces of pure white space on their neighbour, so that every sentence says something."""
    merged: list[str] = []
    for sentence in sentences:
        if merged and (not sentence.strip() or not merged[-1].strip()):
            merged[-1] += sentence
        else:
            merged.append(sentence)
    return merged
