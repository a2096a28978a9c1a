"""The contracts of techniques, acceptances, judges and controllers, for those of this package and for third parties'.

Each check calls its object in many situations (no history and a long one, no critique, one sentence, the empty prompt,
a prompt in another script) and raises ``AssertionError`` with what was violated and in which situation.

Example:
    >>> from dspy_dlpo import Dropout, Greedy
    >>> check_technique(Dropout(0.3))
    >>> check_acceptance(Greedy())
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from dspy_dlpo.core.acceptance import Acceptance, Bar
from dspy_dlpo.core.budget import Account, Budget, BudgetSpent
from dspy_dlpo.core.controller import controlled
from dspy_dlpo.core.edits import Dropped, Edit, Edits, apply, diff, sound
from dspy_dlpo.core.errors import ControllerError
from dspy_dlpo.core.halving import Judged
from dspy_dlpo.core.history import History, LedgerEntry, Prompts, Record, RecordKind, StepContext
from dspy_dlpo.core.judges import Judge, Rules
from dspy_dlpo.core.judging import Incumbent
from dspy_dlpo.core.plan import Controller, Plan
from dspy_dlpo.core.proposal import proposal
from dspy_dlpo.core.reasons import Reason, Why
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.schedule import Schedule
from dspy_dlpo.core.sentences import count_words, split
from dspy_dlpo.core.space import Choice, Dimension, search_space, with_params
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Constraint, Note, TextGradient, Update
from dspy_dlpo.presets import default_settings

__all__ = ["check_acceptance", "check_controller", "check_judge", "check_technique"]

T = TypeVar("T")

PROMPTS = {
    "a few sentences": "Count the objects. Name each group first. Answer with a number.",
    "one sentence": "Answer the question.",
    "the empty prompt": "",
    "white space only": " \n",
    "no final mark": "Answer the question",
    "a non-Latin prompt": "请先数一数物品。然后回答问题！不要解释。",
    "bullets and a hole": "# Task\n\nRead {text}:\n- Count e.g. apples.\n- Skip the rest\n\n```\nx = 1.5\n```\n",
}
INCUMBENTS: dict[str, tuple[float, ...]] = {
    "no scores": (),
    "one score": (0.5,),
    "all right": (1.0,) * 24,
    "all wrong": (0.0,) * 24,
    "mixed scores": (1.0, 0.0, 0.25) * 8,
    "scores beyond 0 to 1": (-3.0, 7.5, 100.0),
}
_REWRITE = "Look at every object. Count the objects. Say only the number, e.g. 3.\n- No units\n"


def check_technique(technique: Technique) -> None:
    """Check that a technique keeps the contract of all techniques.

    It is a frozen dataclass whose plain fields survive JSON and whose tunable ranges are legal at both ends and in the
    middle. Its ``apply`` gives the same output for the same input, changes nothing that it is given, keeps the prompt
    and the constraints set before it, and uses no randomness but ``ctx.rng``. The constraints it adds drop nothing when
    nothing is edited, return a subset of the edits in the same order, and say why they drop the others. Where it names
    a ``word_limit``, no proposal that they admit is longer than that and than the prompt that it edits.

    Args:
        technique: An object of the class to check, with any legal values.

    Raises:
        AssertionError: If the contract is broken; the message says where.
    """
    for variant in _variants(technique, Technique):
        for where, update, context in _situations():
            _check_apply(variant, update, context, f"{variant!r}.apply on {where}")


def check_acceptance(acceptance: Acceptance) -> None:
    """Check that an acceptance keeps the contract of all acceptances.

    It is a frozen dataclass whose plain fields survive JSON and whose tunable ranges are legal at both ends and in the
    middle. Its ``bar`` gives the same `Bar` for the same input, changes nothing that it is given, works for any number
    of scores, and uses no randomness but ``ctx.rng``. The bar is a number or minus infinity.

    Args:
        acceptance: An object of the class to check, with any legal values.

    Raises:
        AssertionError: If the contract is broken; the message says where.
    """
    for variant in _variants(acceptance, Acceptance):
        for name, scores in INCUMBENTS.items():
            for when, context in _contexts(PROMPTS["a few sentences"]):
                where = f"{variant!r}.bar on {name}, {when}"
                bar = _called_twice(variant.bar, list(scores), context, variant, where)
                _require(isinstance(bar, Bar), f"{where}: returns {bar!r}, which is no Bar")
                _require(bar.lowest < math.inf, f"{where}: no score can reach {bar!r}")


def check_judge(judge: Judge) -> None:
    """Check that a judge keeps the contract of all judges.

    It is a frozen dataclass whose plain fields survive JSON and whose tunable ranges are legal at both ends and in the
    middle. Its ``judge`` gives the same for the same runs, tells of each edit whether it is kept, keeps none that the
    rules do not admit together, and returns the prompts that the kept edits lead to; what passes has run on the whole
    judging set, and has the mean score of its runs. Where the budget ends, it lets ``BudgetSpent`` through. It begins
    with at least one example, and no more than there are.

    Args:
        judge: An object of the class to check, with any legal values.

    Raises:
        AssertionError: If the contract is broken; the message says where.
    """
    for variant in _variants(judge, Judge):
        for count in (1, 5, 500):
            first = variant.first_examples(count)
            _require(first in range(1, count + 1), f"{variant!r}.first_examples({count}) is {first!r}")
        for edits in _PROPOSALS:
            for lowest in (-math.inf, 0.25, 0.5):
                where = f"{variant!r}.judge on {len(edits)} edits with a bar of {lowest:g}"
                _check_judging(variant, edits, Bar(lowest), where)


def check_controller(controller: Controller) -> None:
    """Check that a controller keeps the contract of all controllers.

    It is a frozen dataclass whose plain fields survive JSON and whose tunable ranges are legal at both ends and in the
    middle. Its ``choose`` gives the same choice for the same input, changes nothing that it is given, works without a
    history and on one of its own choices, and uses no randomness but ``ctx.rng``. What it chooses is legal in every
    plan: one without techniques, the default one, and the default one with each number at both ends of its range.

    Args:
        controller: An object of the class to check, with any legal values.

    Raises:
        AssertionError: If the contract is broken; the message says where.
    """
    for variant in _variants(controller, Controller):
        for name, plan in _plans():
            for when, context in _contexts(PROMPTS["a few sentences"]):
                _check_choice(variant, plan, context, f"{variant!r}.choose for {name}, {when}")
            _check_own_choices(variant, plan, f"{variant!r}.choose for {name}, after its own choices")


def _require(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


# --- fields ----------------------------------------------------------------------------------------------------------


def _variants(node: T, kind: type) -> Iterator[T]:
    """The object, its fields checked, and then as each of its tunable ranges allows."""
    _check_fields(node, kind)
    yield node
    yield from _tuned(node)


def _check_fields(node: Any, kind: type) -> None:
    name = type(node).__name__
    _require(isinstance(node, kind), f"{name} is no subclass of {kind.__name__}")
    _require(getattr(getattr(node, "__dataclass_params__", None), "frozen", False), f"{name} is no frozen dataclass")
    _require(dataclasses.replace(node) == node, f"{name} differs from its own copy: its fields do not say all it knows")
    for field, value in dataclasses.asdict(node).items():
        if isinstance(getattr(node, field), (int, float, str, Schedule)):
            _require(_through_json(value) == value, f"{name}.{field}={value!r} does not survive JSON")


def _through_json(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return NotImplemented


def _tuned(node: T) -> Iterator[T]:
    """The object with each tunable field at both ends of its range and in the middle."""
    for path, dimension in search_space(node).items():
        where = f"{type(node).__name__}: tunable {path!r}"
        for value in _values(dimension, where):
            try:
                yield with_params(node, {path: value})
            except (TypeError, ValueError) as error:
                raise AssertionError(f"{where} is illegal at {value!r}, which its range allows: {error}") from error


def _values(dimension: Dimension, where: str) -> tuple[Any, ...]:
    if isinstance(dimension, Choice):
        return dimension.options
    low, high = dimension.low, dimension.high
    _require(low < high, f"{where}: the range from {low!r} to {high!r} is empty")
    _require(low > 0 or not dimension.log, f"{where}: a logarithmic range cannot begin at {low!r}")
    middle = math.sqrt(low * high) if dimension.log else (low + high) / 2
    return low, round(middle) if dimension.integer else middle, high


# --- judgements ------------------------------------------------------------------------------------------------------

_EXAMPLES = 8
_START = {"solve": "Count the objects. Answer with a number."}
_RULES = tuple(Edit("add", 1, f"Rule {number}. ", predictor="solve") for number in range(_EXAMPLES))
_PROPOSALS = (_RULES[:1], (_RULES[0], _RULES[7]), _RULES[2:6], (*_RULES[6:], Edit("delete", 0, predictor="solve")))


def _score(prompts: Prompts, example: int) -> float:
    """Each rule repairs the example of its number; what was right at first needs the first sentence, and no Rule 7."""
    text = prompts["solve"]
    is_right = example % 4 == 1 and "objects" in text and "Rule 7." not in text
    return float(is_right or f"Rule {example}." in text)


def _judged(judge: Judge, edits: Edits, bar: Bar, limit: int) -> tuple[Judged, Incumbent]:
    def forward(requests: Sequence[RunRequest]) -> list[Row]:
        return [Row(each.example, _score(each.prompts, each.example)) for each in requests]

    runs = RunCache(forward, Account(Budget(metric_calls=limit)), judge.wave)
    runs.ensure([(_START, x) for x in range(_EXAMPLES)])
    incumbent = Incumbent(runs, _START, tuple(range(_EXAMPLES)))
    return judge.judge(incumbent, edits, bar, Rules(legal=lambda part: _short_enough(part, edits))), incumbent


def _short_enough(part: Edits, whole: Edits) -> Edits:
    """The first edits of a part that leave a prompt no longer than the whole proposal does."""
    limit = count_words(proposal(_START, whole)["solve"])
    kept = part
    while count_words(proposal(_START, kept)["solve"]) > limit:
        kept = kept[:-1]
    return kept


def _check_judging(judge: Judge, edits: Edits, bar: Bar, where: str) -> None:
    result, incumbent = _judged(judge, edits, bar, 10**6)
    prompts, judgement, ledger = result
    _require(_judged(judge, edits, bar, 10**6)[0] == result, f"{where}: the same runs give something else")
    _require([entry.edit for entry in ledger] == list(edits), f"{where}: the ledger does not tell of each edit once")
    for reason in (judgement.reason, *(entry.reason for entry in ledger)):
        _require(isinstance(reason, Reason), f"{where}: {reason!r} is no Reason; return Why.OTHER.because(...)")
    if judgement.passed:
        kept = tuple(entry.edit for entry in ledger if entry.kept)
        _require(_short_enough(kept, edits) == kept, f"{where}: keeps edits that the rules do not admit together")
        _require(prompts == proposal(_START, kept), f"{where}: the prompts are not what the kept edits lead to")
        means, score = incumbent.runs.means(prompts, incumbent.examples), judgement.score
        _require(len(means) == _EXAMPLES and judgement.complete, f"{where}: passes what has not run on all examples")
        mean = math.fsum(means.values()) / _EXAMPLES
        _require(score is not None and abs(score - mean) < 1e-9, f"{where}: its score is {score}, not {mean}")
    try:
        _judged(judge, edits, bar, _EXAMPLES)  # nothing is left to judge with
    except BudgetSpent:
        return
    raise AssertionError(f"{where}: it does not end where the budget does; let BudgetSpent through")


# --- situations ------------------------------------------------------------------------------------------------------


def _situations() -> Iterator[tuple[str, Update, StepContext]]:
    for name, prompt in PROMPTS.items():
        critique = TextGradient("solve", "It forgets the units. It must count each object separately.", (0, 2))
        for gradients, said in (((), "no critique"), ((critique,), "a critique")):
            update = Update("solve", prompt, gradients, (Note("Before", "Said before."),), (_Silent(),))
            for when, context in _contexts(prompt):
                yield f"{name}, {said}, {when}", update, context


def _contexts(prompt: str) -> Iterator[tuple[str, StepContext]]:
    examples = tuple(f"How many are {i} apples and a pear? -> {i + 1}" for i in range(6))
    yield "no history", StepContext(0, 0.0, History(), seed=7)
    yield "the start only", StepContext(1, 0.1, History(_records(prompt)[:1]), seed=7, examples=examples)
    yield "some history", StepContext(7, 0.5, History(_records(prompt)), seed=7, examples=examples)
    yield "the end of the run", StepContext(7, 1.0, History(_records(prompt)), seed=7)
    refused = History([*_records(prompt), *_refused(prompt)])
    yield "steps refused one after the other", StepContext(9, 0.9, refused, seed=7, examples=examples)


def _records(prompt: str) -> list[Record]:
    """What a run leaves behind: a start, steps kept, refused, cut short and unusable, a growth and a trial."""
    now, before = {"solve": prompt, "check": "Check it."}, {"solve": _REWRITE, "check": "Check it."}
    gradient = TextGradient("solve", "It must count each object separately. It answers too early.", (1, 3))
    edit = Edit("add", 0, "Look at every object.", "it answers too early", predictor="solve")
    ledger = (LedgerEntry(edit, gained=(1,), lost=(0,), kept=False, reason=Why.LOSES_MORE.because()),)
    seen: dict[str, Any] = {"batch": (1, 3), "gradients": (gradient,), "edits": (edit,)}
    judged: dict[str, Any] = {"complete": True, "scores": _runs(0, 1, 0, 0), "score": 0.25}
    better: dict[str, Any] = {**judged, "scores": _runs(1, 1, 0, 0), "base": 0.25, "score": 0.5, "accepted": True}
    grown: dict[str, Any] = {**judged, "scores": _runs(1, 1, 0, 0, 1, 1), "score": 0.66}
    poor: dict[str, Any] = {**judged, "scores": _runs(0, 0, 0, 0), "score": 0.0}
    cut: dict[str, Any] = {
        "base": 0.5,
        "scores": {3: (0.0,)},
        "ledger": ledger,
        "reason": Why.CANNOT_REACH_BAR.because("0.500"),
    }
    dropped: dict[str, Any] = {
        "dropped": (Dropped(edit, "empty text"),),
        "reason": Why.NONE_ADMITTED.because("empty text"),
    }
    return [
        Record(RecordKind.START, 0, 0.0, before, before, (0, 1, 2, 3), **judged),
        Record(RecordKind.STEP, 1, 0.1, before, now, **better, **seen),
        Record(RecordKind.STEP, 2, 0.2, now, before, **cut, **seen),
        Record(RecordKind.STEP, 3, 0.3, now, now, **dropped),
        Record(RecordKind.GROWTH, 4, 0.4, now, now, (4, 5), **grown),
        Record(RecordKind.TRIAL, 5, 0.4, now, {**now, "solve": "Count."}, **poor),
        Record(RecordKind.STEP, 6, 0.5, now, now, batch=(2,), reason=Why.NO_CRITIQUE.because()),
    ]


def _refused(prompt: str) -> list[Record]:
    """Two steps of a run that were judged and refused."""
    cut = _records(prompt)[2]
    return [dataclasses.replace(cut, index=i, progress=0.1 * i) for i in (7, 8)]


def _runs(*scores: float) -> dict[int, tuple[float, ...]]:
    return {x: (float(score),) for x, score in enumerate(scores)}


# --- behaviour -------------------------------------------------------------------------------------------------------


def _plans() -> Iterator[tuple[str, Plan]]:
    settings = default_settings()
    default = Plan(tuple(settings["techniques"]), settings["acceptance"], settings["judging"])
    yield "a plan without techniques", Plan()
    yield "the default plan", default
    yield "a plan whose best score is unknown", dataclasses.replace(default, high=None)
    for path, dimension in search_space(default).items():
        for value in _values(dimension, path):
            yield f"the default plan with {path}={value!r}", with_params(default, {path: value})


def _check_own_choices(controller: Controller, plan: Plan, where: str) -> None:
    """Let it choose for a short run, in which steps gain, lose, and come to nothing."""
    records = _records(PROMPTS["a few sentences"])[:1]
    for step in range(1, 9):
        context = StepContext(step, step / 9, History(records), seed=7)
        chosen = _check_choice(controller, plan, context, where)
        score = None if step % 3 == 0 else 0.5 + 0.1 * (-1) ** step
        outcome: dict[str, Any] = {"score": score, "base": 0.5, "accepted": step % 2 == 0, "cost": 8 * step}
        now = records[0].prompts
        records.append(Record(RecordKind.STEP, step, context.progress, now, now, (0,), chosen=chosen, **outcome))


def _check_choice(controller: Controller, plan: Plan, context: StepContext, where: str) -> dict[str, float]:
    _called_twice(controller.choose, plan, context, controller, where)
    try:
        return controlled(dataclasses.replace(plan, controller=controller), context)[1]
    except ControllerError as error:
        raise AssertionError(f"{where}: {error}") from error


@dataclasses.dataclass(frozen=True)
class _Silent(Constraint):
    """A constraint that admits everything, to see that it is passed on."""

    @property
    def text(self) -> str:
        return ""

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        return edits, ()


def _check_apply(technique: Technique, update: Update, context: StepContext, where: str) -> None:
    result = _called_twice(technique.apply, update, context, technique, where)
    _require(isinstance(result, Update), f"{where}: returns {result!r}, which is no Update")
    _require(result.predictor == update.predictor, f"{where}: changes the predictor")
    _require(result.prompt == update.prompt, f"{where}: changes the prompt; only edits may")
    _require(
        not Counter(map(id, update.constraints)) - Counter(map(id, result.constraints)),
        f"{where}: lifts a constraint that was set before",
    )
    for note in result.notes:
        said = isinstance(note.title, str) and isinstance(note.body, str) and note.title.strip() and note.body.strip()
        _require(bool(said), f"{where}: {note!r} says nothing")
    for constraint in result.constraints:
        _check_constraint(constraint, update.prompt, f"{where}: {constraint!r}")
    _check_word_limit(technique.word_limit(), result.constraints, update.prompt, where)


def _check_word_limit(limit: int | None, constraints: Sequence[Constraint], prompt: str, where: str) -> None:
    if limit is None:
        return
    _require(isinstance(limit, int) and limit > 0, f"{where}: word_limit() is {limit!r}; return words, or None")
    for edits in _replies(prompt):
        for constraint in constraints:
            edits, _ = constraint.admit(edits, prompt)
        words = count_words(apply(edits, prompt))
        _require(
            words <= max(limit, count_words(prompt)),
            f"{where}: word_limit() is {limit}, and its constraints admit a proposal of {words} words",
        )


def _called_twice(
    call: Callable[[Any, StepContext], Any], first: Any, context: StepContext, owner: object, where: str
) -> Any:
    """Call with equal inputs twice, and see that nothing but the result comes of it."""
    owner_before, first_before, records_before = map(copy.deepcopy, (owner, first, list(context.history)))
    chance = random.getstate()
    result = call(first, context)
    again = call(
        copy.deepcopy(first_before), dataclasses.replace(context, history=History(copy.deepcopy(records_before)))
    )
    _require(result == again, f"{where}: the same input gives {result!r}, then {again!r}")
    _require(first == first_before, f"{where}: changes its input")
    _require(list(context.history) == records_before, f"{where}: changes the history")
    _require(owner == owner_before, f"{where}: changes its own fields")
    _require(random.getstate() == chance, f"{where}: draws from the global random; use ctx.rng")
    return result


def _check_constraint(constraint: Constraint, prompt: str, where: str) -> None:
    _require(isinstance(constraint, Constraint), f"{where} is no Constraint")
    _require(isinstance(constraint.text, str), f"{where}: its text is {constraint.text!r}, which is no string")
    _require(constraint.admit((), prompt) == ((), ()), f"{where}: doing nothing violates it")
    for edits in _replies(prompt):
        kept, dropped = constraint.admit(edits, prompt)
        _require((kept, dropped) == constraint.admit(edits, prompt), f"{where}: the same edits are admitted or not")
        _require(_is_part(kept, edits), f"{where}: keeps {kept!r}, which is no part of {edits!r} in order")
        _require(
            Counter((*kept, *(each.edit for each in dropped))) == Counter(edits),
            f"{where}: of {edits!r} some are neither kept nor dropped, or both",
        )
        _require(all(each.reason for each in dropped), f"{where}: drops an edit without a reason")


def _replies(prompt: str) -> Iterator[Edits]:
    """What a writer may answer: many edits of one kind, some of each, a whole new text."""
    count = len(split(prompt))
    deletions = tuple(Edit("delete", i) for i in range(count))
    replacements = tuple(Edit("replace", i, f"Do thing {i} with care. ") for i in range(count))
    additions = tuple(Edit("add", i % (count + 1), f"Also mind point {i}. Then go on. ") for i in range(12))
    moves = tuple(Edit("move", i, to=0) for i in range(1, count))
    mixed = (*additions[:2], *replacements[:1], *deletions[1:2], *moves[1:])
    for edits in (deletions, replacements, additions, moves, mixed, diff(prompt, _REWRITE), diff(prompt, "")):
        yield sound(edits, prompt)[0]


def _is_part(part: Sequence[Edit], whole: Sequence[Edit]) -> bool:
    rest = iter(whole)
    return all(any(edit == other for other in rest) for edit in part)
