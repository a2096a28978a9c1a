"""The reader: the simulated task model, which solves a question as well as its prompt taught it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dspy_dlpo.simulation.draws import chance
from dspy_dlpo.simulation.knowledge import Knowledge, knowledge
from dspy_dlpo.simulation.request import Ask, Field
from dspy_dlpo.simulation.settings import Noise, Reader
from dspy_dlpo.simulation.stage import Case, Knows, Stage
from dspy_dlpo.simulation.tasks import STAGES

WRITING = re.compile(
    r"instruction|prompt|rule|critique|critic|feedback|advice|edit|proposal|improve|rewrite|gradient|observation|summar|"
    r"describe|descript|induc|discuss",
    re.IGNORECASE,
)
_THINKING = frozenset(("reasoning", "rationale", "thought", "thoughts", "explanation", "work", "steps"))


@dataclass(frozen=True)
class Sitting:
    """One question put to the reader: its stage, the instruction, worked examples, and what its draws depend on."""

    stage: Stage
    case: Case
    instruction: str
    demos: tuple[tuple[str, str], ...]
    seed: int
    temperature: float
    rollout: str


def _stage_case(values: Mapping[str, str]) -> tuple[Stage, Case] | None:
    for stage in STAGES:
        for value in values.values():
            case = stage.parse(value)
            if case is not None:
                return stage, case
    return None


def _plain(ask: Ask) -> tuple[Stage, Case, str] | None:
    whole = _stage_case({"text": ask.text})
    if whole:
        return (*whole, ask.instruction)
    for stage in STAGES:
        found = stage.find(ask.text)
        if len(found) != 1:
            continue
        rest = ask.text[: found[0].start] + ask.text[found[0].end :]
        if not WRITING.search(rest) and "```" not in rest:
            return stage, found[0].case, f"{ask.instruction}\n{rest}".strip()
    return None


def seat(ask: Ask, seed: int, temperature: float, rollout: str) -> Sitting | None:
    """The question to be solved, or None when the request is not one for the reader."""
    if ask.layout == "plain":
        plain = _plain(ask)
        return Sitting(*plain, (), seed, temperature, rollout) if plain else None
    if any(WRITING.search(field.about) for field in ask.outputs):
        return None
    found = _stage_case(ask.values)
    if found is None:
        return None
    stage, case = found
    target = answer_field(ask.outputs)
    demos = tuple(
        (text, demo[target]) for demo in ask.demos if target in demo for text in demo.values() if stage.parse(text)
    )
    return Sitting(stage, case, ask.instruction, demos, seed, temperature, rollout)


def answer_field(outputs: tuple[Field, ...]) -> str:
    """The name of the output field that takes the answer: the last that is not for thinking aloud."""
    names = [field.name for field in outputs if field.name not in _THINKING]
    return names[-1] if names else outputs[-1].name


def _shown(sitting: Sitting, reader: Reader) -> frozenset[str]:
    stage = sitting.stage
    names: set[str] = set()
    for text, answer in sitting.demos:
        case = stage.parse(text)
        if case is None or stage.truth(case) != answer.strip():
            continue
        names.update(
            name for name in stage.relevant(case) if chance(sitting.seed, "demo", text, name) < reader.demo_teaches
        )
    return frozenset(names)


def _knows(sitting: Sitting, known: Knowledge, reader: Reader) -> Knows:
    shown = _shown(sitting, reader) if sitting.demos else frozenset()
    redraw = min(1.0, sitting.temperature * reader.variability)
    drawn: dict[str, bool] = {}

    def knows(name: str) -> bool:
        if name not in drawn:
            luck = chance(sitting.seed, "skill", sitting.case.text, name)
            if redraw and chance(sitting.seed, "redraw", sitting.case.text, sitting.rollout, name) < redraw:
                luck = chance(sitting.seed, "again", sitting.case.text, sitting.rollout, name)
            drawn[name] = luck < known.probability(sitting.stage, name, reader, shown)
        return drawn[name]

    return knows


def _believed(sitting: Sitting, known: Knowledge, reader: Reader) -> str | None:
    copied = known.copied_answer(sitting.case.text, reader)
    if copied is not None:
        return copied
    for number, claim in enumerate(known.claims):
        if chance(sitting.seed, "claim", sitting.case.text, number, claim) < reader.overfit_pull:
            return claim
    return None


def _noisy(sitting: Sitting, answer: str, rate: float, *labels: object) -> str:
    key = (sitting.seed, sitting.case.text, sitting.instruction, sitting.demos, *labels)
    if not rate or chance("noise", *key) >= rate:
        return answer
    wrong = sitting.stage.slips(answer)
    return wrong[int(chance("slip", *key) * len(wrong))]


def solve(sitting: Sitting, reader: Reader, noise: Noise) -> str:
    """The reader's answer to the question."""
    known = knowledge(sitting.stage, sitting.instruction, reader.interactions)
    answer = _believed(sitting, known, reader)
    if answer is None:
        answer = sitting.stage.solve(sitting.case.data, _knows(sitting, known, reader))
    answer = _noisy(sitting, answer, noise.fixed, "fixed")
    return _noisy(sitting, answer, noise.fresh, "fresh", sitting.rollout)
