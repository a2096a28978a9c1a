"""The reader of a world: follows the rules that stand in its instructions, and does nothing else right."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.simulation.draws import chance
from dspy_dlpo.simulation.reading import WRITING, answer_field
from dspy_dlpo.simulation.request import Ask
from evaluations.worlds.following import Followed, follow, guess
from evaluations.worlds.records import Found
from evaluations.worlds.step import Step, joined, record_text
from evaluations.worlds.task import Task


@dataclass(frozen=True)
class Sitting:
    """A question put to the reader.

    Args:
        step: Whose question it is.
        found: The record.
        instruction: What the prompt says.
        demos: Worked examples, each the text of a question and its answer.
        redraw: Probability that a miss or a guess is drawn anew in this rollout.
        rollout: Which one.
    """

    step: Step
    found: Found
    instruction: str
    demos: tuple[tuple[str, str], ...] = ()
    redraw: float = 0.0
    rollout: str = ""


def seat(task: Task, ask: Ask, temperature: float, rollout: str) -> Sitting | None:
    """The question to be answered; None if the request is not one for the reader."""
    redraw = min(1.0, temperature * task.traits.reading.variability)
    if ask.layout == "plain":
        found = task.finder.read(ask.text)
        return Sitting(_step(task, found), found, ask.instruction, (), redraw, rollout) if found else None
    if not ask.outputs or any(WRITING.search(field.about) for field in ask.outputs):
        return None
    found = next(filter(None, map(task.finder.read, ask.values.values())), None)
    if found is None:
        return None
    target = answer_field(ask.outputs)
    demos = tuple(
        (text, demo[target])
        for demo in ask.demos
        if target in demo
        for name, text in demo.items()
        if name != target and task.finder.read(text)
    )
    return Sitting(_step(task, found), found, ask.instruction, demos, redraw, rollout)


def _step(task: Task, found: Found) -> Step:
    return task.steps[min(found.marks, len(task.steps) - 1)]


def solve(task: Task, sitting: Sitting, noise: float) -> str:
    """The reader's output: the answer, or the record with this step's mark.

    Args:
        task: The world's task.
        sitting: The question.
        noise: Share of replies that are spoiled, 0 to 1.
    """
    step, record = sitting.step, sitting.found.values
    followed = _with_demos(task, sitting)
    given = [_label(task, sitting, followed, slot) for slot in range(len(step.slots))]
    given = _spoiled(task, sitting, given, noise)
    answer = joined(given)
    return answer if step.is_last else record_text({**record, step.mark: answer})


def _label(task: Task, sitting: Sitting, followed: tuple[Followed, ...], slot: int) -> str:
    reading, step, record = task.traits.reading, sitting.step, sitting.found.values
    text = record_text(record)
    prompt = sitting.instruction if reading.jumpy else ""
    for place, rule in step.ranked(((each.place, each.rule) for each in followed), slot, record):
        missed = next(each.missed for each in followed if each.place == place and each.rule == rule)
        again = _again(task, sitting, "miss", text, rule)
        if chance("miss", task.seed, text, rule, prompt, again) >= missed:
            return rule.label
    return guess(task.seed, step, slot, record, reading, _again(task, sitting, "guess", text, slot))


def _again(task: Task, sitting: Sitting, *labels: object) -> str:
    """What a draw of this rollout depends on besides: nothing, or the rollout where it is drawn anew."""
    if not sitting.redraw or chance("again", task.seed, sitting.rollout, *labels) >= sitting.redraw:
        return ""
    return sitting.rollout or "again"


def _with_demos(task: Task, sitting: Sitting) -> tuple[Followed, ...]:
    """What the prompt teaches, and what its worked examples teach besides."""
    step, reading = sitting.step, task.traits.reading
    followed = follow(task.language, step, sitting.instruction, reading)
    known = {each.rule for each in followed}
    found = list(followed)
    for text, answer in sitting.demos:
        shown = task.finder.read(text)
        if shown is None or shown.marks != step.number:
            continue
        for rule in step.deciding(shown.values):
            teaches = chance("demo", task.seed, text, rule) < reading.demo_teaches
            if rule not in known and rule.label in answer.strip().split("=")[-1].split("-") and teaches:
                known.add(rule)
                found.append(Followed(1000 + len(found), rule, reading.slack))
    return tuple(found)


def _spoiled(task: Task, sitting: Sitting, given: list[str], noise: float) -> list[str]:
    """The labels as noise leaves them: one of them another one of its slot."""
    rollout = sitting.rollout if task.traits.reading.fresh else ""
    key = (task.seed, record_text(sitting.found.values), sitting.instruction, sitting.demos, rollout)
    if not noise or chance("noise", *key) >= noise:
        return given
    slot = int(chance("slot", *key) * len(given))
    others = [label for label in sitting.step.slots[slot] if label != given[slot]]
    return [*given[:slot], others[int(chance("slip", *key) * len(others))], *given[slot + 1 :]]
