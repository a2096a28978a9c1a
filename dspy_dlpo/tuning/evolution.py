"""How a prompt evolved, as one picture: every accepted change word by word, every other record in a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dspy_dlpo.core.history import Record, RecordKind
from dspy_dlpo.tuning.svg_text import CELL, LINE, MARGIN, Run, document, draw_line, draw_text, shorten
from dspy_dlpo.tuning.word_diff import lines_of, word_diff

COLUMNS = 104
# Bytes of the whole picture, and of one text in it.
LARGEST, LARGEST_TEXT = 400_000, 60_000
# Unchanged lines that are shown around a change; more are folded.
AROUND = 2
_WIDE = MARGIN * 2 + CELL * COLUMNS


@dataclass(frozen=True)
class Part:
    """A drawn part of the picture: its body from the top, and its height in pixels."""

    body: str
    high: float


def evolution_svg(history: Sequence[Record], title: str) -> str:
    """Draw how the prompts of a run evolved.

    Every accepted record has a bar with its score and, for each predictor that it changed, the text with added words
    in green and deleted words in red, struck. Every other record is one line with its reason. Unchanged lines far from
    a change are folded; where the picture would grow above 400 kB its middle is left out, and says so.

    Args:
        history: The records of a run, in order.
        title: What the picture is of.

    Returns:
        An SVG on a background of its own, well-formed whatever the prompts hold.
    """
    head = draw_text(shorten(title, COLUMNS - 10), MARGIN, 26, extra='font-size="16" font-weight="bold"')
    parts = _bounded([part for record in history for part in _record_parts(record)])
    body, high = [head], 36.0
    for part in parts:
        body.append(f'<g transform="translate(0,{high:g})">{part.body}</g>')
        high += part.high
    return document("".join(body), wide=_WIDE, high=high + MARGIN, title=title)


def _record_parts(record: Record) -> list[Part]:
    """The parts of one record: a bar and what changed, or a line."""
    several = len(record.proposal) > 1
    texts = [
        (record.prompts.get(name, ""), text, name if several else "")
        for name, text in record.proposal.items()
        if record.kind == RecordKind.START or text != record.prompts.get(name, "")
    ]
    if record.kind == RecordKind.START:
        return [_bar(record, "start"), *_text_parts(texts, changed=False)]
    if not record.accepted or not texts:
        return [_thin(record)]
    return [_bar(record, f"{record.kind} {record.index}  kept"), *_text_parts(texts, changed=True)]


def _text_parts(texts: Sequence[tuple[str, str, str]], *, changed: bool) -> list[Part]:
    """The parts of texts before and after, each under the name of its predictor if there are several."""
    parts = []
    for before, after, name in texts:
        lines = list(lines_of(word_diff(before if changed else after, after), COLUMNS))
        if name:
            label = draw_text(shorten(name, 60), MARGIN, 15, extra='font-weight="bold" fill="#57606a"')
            parts.append(Part(label, LINE))
        parts.append(_block(_folded(lines) if changed else lines))
    return parts


def _folded(lines: Sequence[list[Run]]) -> list[list[Run] | int]:
    """Lines, and in the place of unchanged ones far from any change their number."""
    changed = [n for n, line in enumerate(lines) if any(run.kind != " " for run in line)]
    near = {n + offset for n in changed for offset in range(-AROUND, AROUND + 1)}
    folded: list[list[Run] | int] = []
    for is_near, group in groupby(range(len(lines)), lambda n: n in near):
        members = list(group)
        folded += [lines[n] for n in members] if is_near or len(members) < 2 else [len(members)]
    return folded


def _block(lines: Sequence[list[Run] | int]) -> Part:
    """The lines of one text, as far as they go."""
    drawn = [] if lines else [_note("(empty)", 0)]
    size, high = 0, 2.0 if lines else float(LINE)
    for n, line in enumerate(lines):
        text = draw_line(line, high) if isinstance(line, list) else _note(f"⋯ {line} lines unchanged", high)
        size += len(text.encode())
        if size > LARGEST_TEXT:
            drawn.append(_note(f"⋯ {len(lines) - n} more lines are not shown", high))
            high += LINE
            break
        drawn.append(text)
        high += LINE
    return Part("".join(drawn), high + 6)


def _bar(record: Record, label: str) -> Part:
    texts = [label, _score(record), f"{record.cost:,} runs"]
    text = draw_text("  ".join(each for each in texts if each), MARGIN, 22, extra='font-weight="bold" fill="#0b3d91"')
    return Part(f'<rect x="8" y="6" width="{_WIDE - 16:g}" height="22" rx="3" fill="#e4ecfb"/>{text}', 32)


def _score(record: Record) -> str:
    if record.score is None:
        return ""
    gain = "" if record.base is None or record.kind == RecordKind.START else f" ({record.score - record.base:+.2f})"
    return f"score {record.score:.2f}{gain}"


def _thin(record: Record) -> Part:
    outcome = "judging set" if record.kind == RecordKind.GROWTH else "kept" if record.accepted else "not kept"
    line = f"{record.kind} {record.index}  {outcome}: {str(record.reason) or 'no reason given'}"
    return Part(_note(shorten(line, COLUMNS + 14), 0), LINE)


def _note(text: str, y: float) -> str:
    return draw_text(text, MARGIN, y + 14, extra='font-size="12.5" fill="#57606a"')


def _bounded(parts: Sequence[Part]) -> list[Part]:
    """The parts, without their middle where they would be too large together."""
    sizes = [len(part.body.encode()) + 60 for part in parts]
    if sum(sizes) <= LARGEST - 4000:
        return list(parts)
    first = _fitting(sizes, LARGEST // 2 - 2000)
    last = _fitting(sizes[::-1], LARGEST // 2 - 2000)
    hidden = len(parts) - first - last
    gap = Part(_note(f"⋯ {hidden} parts in the middle are left out: the picture would be too large", 0), LINE + 8)
    return [*parts[:first], gap, *parts[len(parts) - last :]]


def _fitting(sizes: Sequence[int], limit: int) -> int:
    """How many of the first parts fit together."""
    total = 0
    for n, size in enumerate(sizes):
        total += size
        if total > limit:
            return n
    return len(sizes)
