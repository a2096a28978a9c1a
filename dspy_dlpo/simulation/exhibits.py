"""Questions of a task that a request shows, with the answers that stand near them."""

import re
from dataclasses import dataclass

from dspy_dlpo.simulation.stage import Case, Stage
from dspy_dlpo.simulation.tasks import STAGES

_EXPECTED = re.compile(
    r"\b(?:expect\w*|correct|gold(?! plan|;)|target|reference|ideal|desired|should (?:be|have "
    r"been|say|return)|truth|label|right)\b",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    r"answer|output|response|predict|given|\bgot\b|produced|returned|repl(?:y|ied)|\bwas\b|incorrect|wrong|result|said",
    re.IGNORECASE,
)
_OTHER = re.compile(r"score|reward|example|step \d*$|rating|#\s*$", re.IGNORECASE)
_REACH = 70


@dataclass(frozen=True)
class Exhibit:
    """A case shown in a request.

    Args:
        stage: Whose case it is.
        case: The question.
        given: Answers shown for it that are not marked as the right one, in order, each once.
        told: Whether the right answer is shown and marked as such.
    """

    stage: Stage
    case: Case
    given: tuple[str, ...]
    told: bool

    @property
    def wrong(self) -> tuple[str, ...]:
        """The given answers that are wrong."""
        truth = self.stage.truth(self.case)
        return tuple(answer for answer in self.given if answer != truth)


def label_before(target: str, before: str) -> str:
    """What the words before an answer say it is: ``expected``, ``given``, or nothing.

    Args:
        target: Name of the field that takes answers.
        before: The words.
    """
    if _EXPECTED.search(before):
        return "expected"
    if _OTHER.search(before[-16:]):
        return ""
    return "given" if _GIVEN.search(before) or re.search(rf"\b{target}\b", before) else ""


def _answers(stage: Stage, case: Case, segment: str) -> tuple[list[str], bool]:
    given, told, end = [], False, 0
    for match in stage.answers(case, segment):
        label = label_before(stage.target, segment[max(end, match.start() - _REACH) : match.start()])
        end = match.end()
        if label == "given":
            given.append(match.group())
        told = told or label == "expected"
    return given, told


def exhibits(text: str) -> tuple[Exhibit, ...]:
    """All cases shown in a text, each once, with the answers that follow it before the next one.

    Args:
        text: A request, in any rendering: fields, headings, JSON, Python's repr or prose.
    """
    shown: dict[tuple[str, str], Exhibit] = {}
    for stage in STAGES:
        found = stage.find(text)
        for here, after in zip(found, (*found[1:], None), strict=False):
            given, told = _answers(stage, here.case, text[here.end : after.start if after else here.end + 3000])
            key = (stage.name, here.case.text)
            old = shown.get(key, Exhibit(stage, here.case, (), False))
            shown[key] = Exhibit(stage, here.case, tuple(dict.fromkeys((*old.given, *given))), old.told or told)
    return tuple(shown.values())
