"""What a request gives the writer to work with: the prompt to improve, the rules it names, the limits it sets."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dspy_dlpo.simulation.diagnosis import Finding, diagnose
from dspy_dlpo.simulation.exhibits import exhibits
from dspy_dlpo.simulation.knowledge import knowledge
from dspy_dlpo.simulation.request import Ask
from dspy_dlpo.simulation.settings import Writer
from dspy_dlpo.simulation.skills import Skill, named_in
from dspy_dlpo.simulation.stage import Stage
from dspy_dlpo.simulation.tasks import STAGES, TASKS
from dspy_dlpo.simulation.words import plain, says, sentences

_PROMPT = re.compile(r"instruction|prompt|sentences|\bvariable\b|system message|\brules\b")
_PAST = re.compile(
    r"previous|attempt|history|tried|past|earlier|refus|reject|dropped|avoid|worse|best|momentum|gradient|critique"
)
_REFUSED = re.compile(
    r"refus|reject|did not help|dropped|do not propose|already tried|tried before|made .* worse|avoid", re.IGNORECASE
)
_REFUSED_LINE = re.compile(r"\W*(?:refused|rejected|tried|dropped)\b", re.IGNORECASE)
_HEADING = re.compile(r"^\s*(?:#+ .*|[^.!?\n]{3,80}:)\s*$")
_NUMBERED = re.compile(r"^\s*\"?(?:\[(\d+)\]|(\d+)[.:)])\s*(?!`)(\S.*?)\"?,?\s*$", re.MULTILINE)
_SCORED = re.compile(
    r"(?:instruction|prompt|candidate|attempt)[^:\n]{0,12}:\s*(?P<text>.+?)\s*(?:prefix.{0,80}?)?(?:\w+ "
    r")?score[^:\n]{0,8}:\s*(?P<score>\d+(?:\.\d+)?)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r"\"[^\"\n]{1,120}\"")
_KEEP = re.compile(
    r"(?:leave|keep|do not (?:change|touch|edit))\s+sentences?\s+(?:number\s+)?(\[?\d[\d\s,\[\]and]*)"
    r"|sentences?\s+"
    r"(\[?\d[\d\s,\[\]and]*)(?:is|are|must not|may not)\b[^.\n]*(?:frozen|locked|fixed|change|touch|stay)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```\w*\n?(.*?)```", re.DOTALL)
_TAG = re.compile(r"<(\w*(?:VARIABLE|PROMPT|INSTRUCTION)\w*)>\s*(.+?)\s*</\1>", re.DOTALL | re.IGNORECASE)
_NUMBERS = {word: n for n, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight"), 1)}
_LIMIT = re.compile(
    r"(?:at most|no more than|not more than|up to|maximum of|limit(?:ed)? to|exactly|only)\s+\**(?P<n>\d+|"
    + "|".join(_NUMBERS)
    + r")\**\s+(?:\w+\s+){0,2}?(?P<unit>edit|change|sentence|operation|rule|item|word)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """One numbered sentence of the prompt to improve; ``frozen`` when the request says not to touch it."""

    number: int
    text: str
    frozen: bool


@dataclass(frozen=True)
class Brief:
    """What the writer works from.

    Args:
        text: The whole request.
        current: The prompt to improve, empty when none is shown.
        lines: Its sentences with the numbers the request gives them; empty when it numbers none.
        stage: What the prompt is for, or None when that cannot be seen.
        known: Skills it already teaches.
        findings: What the writer believes about the cases shown.
        named: Skills that the request names in words outside the prompt, refused ones apart.
        present: Sentences that stand anywhere in the request, as plain words.
        max_edits: Limit stated in words, or None.
        max_words: Limit stated in words, or None.
    """

    text: str
    current: str
    lines: tuple[Line, ...]
    stage: Stage | None
    known: frozenset[str]
    findings: tuple[Finding, ...]
    named: tuple[Skill, ...]
    present: str
    max_edits: int | None
    max_words: int | None

    @property
    def suspects(self) -> tuple[Skill, ...]:
        """Rules that seem to be missing: those named in words first, then those diagnosed, known ones left out."""
        found = {skill.name: skill for skill in self.named}
        for finding in sorted(self.findings, key=lambda f: not f.answer):
            if finding.skill is not None and not finding.vague:
                found.setdefault(finding.skill.name, finding.skill)
        return tuple(skill for name, skill in found.items() if name not in self.known)


def _distance(text: str, name: str, stage: Stage) -> int | None:
    """Characters from a module's name to the end of a stage's fields, at the nearest place; None if nowhere."""
    fields = re.compile(rf".{{0,300}}?\b{stage.source}\b.{{0,200}}?\b{stage.target}\b", re.DOTALL)
    matches = (fields.match(text, place.end()) for place in re.finditer(rf"\b{re.escape(name)}\b", text))
    return min((match.end() - match.start() for match in matches if match), default=None)


def for_module(work: Brief, name: str) -> Brief:
    """The part of a brief that concerns one module of a program, told by the fields named after it in the request."""
    stages = _siblings([finding.exhibit.stage for finding in work.findings])
    near = [(_distance(work.text, name, stage), place, stage) for place, stage in enumerate(stages)]
    found = [(distance, place, stage) for distance, place, stage in near if distance is not None]
    if not found or len(stages) == 1:
        return work
    own = min(found)[2]
    return replace(
        work,
        stage=own,
        findings=tuple(finding for finding in work.findings if finding.exhibit.stage is own),
        named=tuple(skill for skill in work.named if skill in own.skills),
    )


def numbered_lines(ask: Ask) -> tuple[Line, ...]:
    """The sentences of the prompt to improve, where the request numbers them."""
    best: tuple[Line, ...] = ()
    fields = {field.name: field for field in ask.inputs}
    texts = [v for name, v in ask.values.items() if name not in fields or not _PAST.search(fields[name].about)] or [
        ask.text
    ]
    for value in texts:
        text = (
            value.replace("\\n", "\n").replace('", "', '",\n"').removeprefix("[") if value.startswith('["') else value
        )
        found = [(int(m[1] or m[2]), m[3]) for m in _NUMBERED.finditer(text)]
        run = (
            [pair for i, pair in enumerate(found) if pair[0] == found[0][0] + i]
            if found and found[0][0] in (0, 1)
            else []
        )
        if len(run) > len(best):
            best = tuple(_line(n, words, ask.text) for n, words in run)
    return best


def _line(number: int, words: str, text: str) -> Line:
    marker = re.match(
        r"[(\[<*]+\s*(?:frozen|locked|fixed|protected|do not (?:change|touch))[^)\]>*]*[)\]>*]+:?\s*",
        words,
        re.IGNORECASE,
    )
    tail = re.search(r"\s*[(\[<]\s*(?:frozen|locked|fixed|protected)[^)\]>]*[)\]>]\s*$", words, re.IGNORECASE)
    bare = words[marker.end() if marker else 0 : tail.start() if tail else None]
    listed = any(number in map(int, re.findall(r"\d+", m[1] or m[2])) for m in _KEEP.finditer(text))
    return Line(number, bare, bool(marker or tail or listed))


def current_prompt(ask: Ask, lines: Sequence[Line]) -> str:
    """The prompt to improve; empty when none is shown."""
    for field in sorted(ask.inputs, key=lambda field: not _PROMPT.search(field.name.replace("_", " "))):
        value = ask.values.get(field.name, "")
        if value and _PROMPT.search(field.about.split(" that ")[0]) and not _PAST.search(field.name):
            return "\n".join(line.text for line in lines) if lines and lines[0].text in value else value
    tag = next((m[2] for m in _TAG.finditer(ask.text) if not m[2].startswith("{")), None)
    fence = _FENCE.search(ask.text) if ask.layout == "plain" else None
    scored = [(float(m["score"]), number, m["text"]) for number, m in enumerate(_SCORED.finditer(ask.text))]
    if scored and fence is None:  # the scores of examples beside a fenced prompt are not its own
        # DSPy fences each text of a list with angle quotes.
        return re.sub(r"[«»]+(?:\s*\[\d+\])?", "", max(scored)[2]).strip()
    if tag is not None or fence is not None:
        return tag if tag is not None else fence[1].strip()  # type: ignore[index]
    return "\n".join(line.text for line in lines)


def _about(text: str, stages: Sequence[Stage]) -> Stage | None:
    """What an instruction is for: told by its first sentence, the rules it teaches, its subject, in this order."""
    if len(stages) == 1:
        return stages[0]
    first = sentences(text)[:1]
    marks = [
        (bool(first) and says(stage.topic, first[0]), len(knowledge(stage, text).taught), says(stage.topic, text))
        for stage in stages
    ]
    best = max(marks, default=(False, 0, False))
    return stages[marks.index(best)] if any(best) else None


def _most_named(mentions: Sequence[str], stages: Sequence[Stage]) -> Stage | None:
    counts = [len(named_in(stage.skills, mentions)) for stage in stages]
    return stages[counts.index(max(counts))] if any(counts) else None


def _siblings(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """All stages of the tasks that these belong to: a module may be under review whose own cases are not shown."""
    kinds = [[stage for _, stage in kind.stages] for kind in TASKS.values()]
    return tuple(stage for group in kinds if any(one in stages for one in group) for stage in group)


def mentioned(ask: Ask, current: str) -> list[str]:
    """The parts of the request that speak about the prompt: not the prompt itself, not what was refused."""
    own = {plain(sentence) for sentence in sentences(current)}
    refused = {f.name for f in ask.inputs if _REFUSED.search(f.about)}
    texts = [v for name, v in ask.values.items() if name not in refused] if ask.values else [ask.text]
    kept: list[str] = []
    for text in texts:
        skipping = False
        for line in text.replace("\\n", "\n").splitlines():
            if _HEADING.match(line):
                skipping = bool(_REFUSED.search(line))
            if not skipping and not _REFUSED_LINE.match(line):
                kept.extend(sentence for sentence in sentences(line) if plain(sentence) not in own)
    return kept


def stated_limit(text: str, words: bool) -> int | None:
    """The lowest limit on words, or on edits, that a text states; None if it states none."""
    found = [m for m in _LIMIT.finditer(text) if (m["unit"].lower() == "word") is words]
    return min((_NUMBERS.get(m["n"].lower()) or int(m["n"]) for m in found), default=None)


def _without_questions(stages: Sequence[Stage], text: str) -> str:
    """The text without questions and quotations from them: their words are no rules."""
    for stage in stages:
        text = stage.question.sub(" ", text)
    return _QUOTED.sub(" ", text)


def brief(ask: Ask, writer: Writer, rng: random.Random) -> Brief:
    """Read a request as a writer reads it.

    Args:
        ask: The request.
        writer: Its rates of error.
        rng: Its draws.
    """
    shown = exhibits(ask.text)
    stages = _siblings([exhibit.stage for exhibit in shown]) or STAGES
    lines = numbered_lines(ask)
    current = current_prompt(ask, lines)
    mentions = [_without_questions(stages, text) for text in mentioned(ask, current)]
    stage = _about(current, stages)
    if stage is None and not shown:
        stage = _most_named(mentions, stages) or _about(ask.text, stages)
    known = knowledge(stage, current).taught if stage and current else frozenset()
    mine = [exhibit for exhibit in shown if stage is None or exhibit.stage is stage]
    named = tuple(s for one in ([stage] if stage else stages) for s in named_in(one.skills, mentions))
    whole = f"{ask.instruction}\n{ask.text}\n" + "\n".join(f.desc for f in ask.outputs)
    return Brief(
        ask.text,
        current,
        lines,
        stage,
        known,
        diagnose(mine, known, writer, rng),
        named,
        plain(ask.text),
        stated_limit(whole, False),
        stated_limit(whole, True),
    )
