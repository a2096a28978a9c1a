"""What a request gives the writer to work with, read from its text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dspy_dlpo.simulation.brief import Line, current_prompt, mentioned, numbered_lines, stated_limit
from dspy_dlpo.simulation.request import Ask
from dspy_dlpo.simulation.words import plain
from evaluations.worlds.exhibits import Exhibit, exhibits
from evaluations.worlds.rules import Rule, read, read_all
from evaluations.worlds.step import Step
from evaluations.worlds.task import Task

# Fields that say what a program is, or was once told: what they hold is no advice.
_NO_ADVICE = re.compile(r"\bprogram\b|\bmodule\b|\bpurpose\b|first told|original|\blimits\b|must obey|\bexamples?\b")
_HARM = re.compile(r"\bharm|\bmislead|\bshould go\b|\bremove\b|\bis wrong\b|\bdelete\b", re.IGNORECASE)
_HEADED = re.compile(
    r"^[^\n:]*\b(?:present|current) (?:instructions?|prompt)\b[^\n:]*:\n(?P<text>(?!```).*?)(?=\n\n[A-Z][^\n]*:\n|\Z)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_TAGGED = re.compile(r"<(\w*(?:VARIABLE|PROMPT|INSTRUCTION)\w*)>\s*(.+?)\s*</\1>", re.DOTALL | re.IGNORECASE)
_SHORTENED = "(...)"


@dataclass(frozen=True)
class Brief:
    """What the writer works from.

    Args:
        current: The prompt to improve; empty when none is shown.
        lines: Its sentences with the numbers that the request gives them; empty when it numbers none.
        step: What it is for.
        failures: Examples shown with a wrong answer.
        others: Examples shown that went right, or whose right answer alone is shown.
        named: Rules that the request names outside the prompt, each once.
        blamed: Sentences of the prompt that the request calls harmful, as plain words.
        most: Limit on edits that the request states, or None.
    """

    current: str
    lines: tuple[Line, ...]
    step: Step
    failures: tuple[Exhibit, ...]
    others: tuple[Exhibit, ...]
    named: tuple[Rule, ...]
    blamed: frozenset[str]
    most: int | None


def brief(task: Task, ask: Ask) -> Brief:
    """Read a request."""
    lines = numbered_lines(ask)
    current = _current(ask, lines)
    return _about(task, ask, _step(task, ask, current), current, lines)


def brief_for(task: Task, ask: Ask, step: Step) -> Brief:
    """Read a request for what it says about one step, where it asks for several."""
    return _about(task, ask, step, "", ())


def _about(task: Task, ask: Ask, step: Step, current: str, lines: tuple[Line, ...]) -> Brief:
    shown = exhibits(task, step, ask.text)
    failures = tuple(each for each in shown if each.wrong)
    others = tuple(each for each in shown if not each.wrong and (each.given or each.told))
    taught = {rule for _, rule in read_all(task.language, current)}
    named, blamed = [], set()
    for sentence in _advice(task, ask, current):
        rule = read(task.language, sentence)
        if rule is None:
            continue
        if _HARM.search(sentence):
            blamed.update(plain(own) for own, other in read_all(task.language, current) if other == rule)
        elif step.slot(rule) is not None and rule not in taught and rule not in named:
            named.append(rule)
    whole = f"{ask.instruction}\n{ask.text}\n" + "\n".join(f.desc for f in ask.outputs)
    return Brief(
        current, lines, step, failures, others, tuple(named), frozenset(blamed), stated_limit(whole, words=False)
    )


def _current(ask: Ask, lines: tuple[Line, ...]) -> str:
    """The prompt to improve, whole: some requests show it under a heading, or shortened and once more in full."""
    headed = _HEADED.search(ask.text) if ask.layout == "plain" else None
    if headed and not (lines and lines[0].text in headed["text"]):
        return headed["text"].strip()
    if headed:
        return "\n".join(line.text for line in lines)
    found = current_prompt(ask, lines)
    if _SHORTENED in found:
        head = found.split(_SHORTENED)[0].strip()
        whole = [text for _, text in _TAGGED.findall(ask.text) if text.startswith(head) and _SHORTENED not in text]
        found = max(whole, key=len, default=found)
    return found


def _advice(task: Task, ask: Ask, current: str) -> Iterator[str]:
    """Sentences about the prompt that are not the prompt, nor refused, nor part of an example."""
    about = {field.name: f"{field.about} {field.name}" for field in ask.inputs}
    values = {name: value for name, value in ask.values.items() if not _NO_ADVICE.search(about.get(name, ""))}
    if ask.values and not values:
        return
    given = replace(ask, values={n: task.finder.without(v) for n, v in values.items()})
    given = replace(given, text=task.finder.without(ask.text))
    yield from mentioned(given, current)


def _mentions(step: Step, text: str) -> bool:
    pair = rf"\b{step.source}\b.{{0,60}}?\b{step.target}\b"
    return bool(re.search(rf"\b{step.name}\b|{pair}", text, re.DOTALL))


def _only(steps: Sequence[Step], text: str) -> Step | None:
    found = [step for step in steps if _mentions(step, text)]
    return found[0] if len(found) == 1 else None


def _step(task: Task, ask: Ask, current: str) -> Step:
    """Which step's prompt is asked for: told by the module's name, the prompt's labels, its fields, the examples."""
    steps = task.steps
    if len(steps) == 1:
        return steps[0]
    for name, value in ask.values.items():
        if "module" in name and (step := _only(steps, value)):
            return step
    quoted = re.findall(r"'(step\d)'", ask.text) if ask.layout == "plain" else []
    named = next((step for step in steps if quoted and step.name == quoted[0]), None)
    if named is not None:
        return named
    rules = [rule for _, rule in read_all(task.language, current) if rule]
    counts = [sum(step.slot(rule) is not None for rule in rules) for step in steps]
    if any(counts):
        return steps[counts.index(max(counts))]
    if step := _only(steps, current) or _only(steps, ask.instruction):
        return step
    marks = [found.marks for found in task.finder.find(ask.text)]
    return steps[min(marks)] if marks else steps[-1]
