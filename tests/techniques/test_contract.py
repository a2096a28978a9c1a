"""Every technique and acceptance passes the contract, and the contract catches those that break it."""

import dataclasses
import random

import pytest

from dspy_dlpo import (
    AcceptAll,
    Acceptance,
    Annealing,
    Bar,
    Constraint,
    Contrastive,
    Controller,
    CosineDecay,
    Dropout,
    ExponentialDecay,
    Greedy,
    LearningRate,
    LinearDecay,
    Momentum,
    Regularization,
    StepDecay,
    Technique,
    default_settings,
    paper_settings,
    step_numbers,
    tgd_settings,
    tunable,
)
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.testing import check_acceptance, check_controller, check_technique

# One of each first: of the others, those of `make test-all`.
TECHNIQUES = [
    LearningRate(),
    Dropout(),
    Momentum(),
    Contrastive(),
    Regularization(),
    LearningRate(1),
    LearningRate(LinearDecay(4, 1, warmup=0.2)),
    LearningRate(CosineDecay(8, 2)),
    LearningRate(ExponentialDecay(8, 0.9)),
    LearningRate(StepDecay(8.0, 0.5, 3)),
    Dropout(0.0),
    Dropout(1.0),
    Dropout(LinearDecay(0.5, 0.0)),
    Momentum(window=1, decay=1.0, max_words=1),
    Contrastive(margin=0.02, max_pairs=5),
    Regularization(max_words=1, prune=False),
    *default_settings()["techniques"],
    *paper_settings()["techniques"],
]
ACCEPTANCES = [
    Greedy(),
    AcceptAll(),
    Annealing(),
    Annealing(0.0),
    Annealing(ExponentialDecay(1.0, 0.7)),
    Annealing(StepDecay(2.0)),
    *(preset()["acceptance"] for preset in (default_settings, paper_settings, tgd_settings)),
]


@pytest.mark.few(8)
@pytest.mark.parametrize("technique", dict.fromkeys(TECHNIQUES), ids=repr)
def test_technique_keeps_the_contract(technique: Technique) -> None:
    check_technique(technique)


@pytest.mark.parametrize("acceptance", ACCEPTANCES, ids=repr)
def test_acceptance_keeps_the_contract(acceptance: Acceptance) -> None:
    check_acceptance(acceptance)


# --- objects that break it -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Limit(Constraint):
    """Breaks the contract in the way that `how` names."""

    how: str

    @property
    def text(self):
        return None if self.how == "mute" else "Be careful."

    def admit(self, edits, prompt):
        if self.how == "reorders":
            return edits[::-1], ()
        if self.how == "invents":
            return (*edits, Edit("add", 0, "More.")), ()
        if self.how == "forgets":
            return edits[:1], ()
        return edits, ()


@dataclasses.dataclass(frozen=True)
class Odd(Technique):
    """Breaks the contract in the way that `how` names."""

    how: str

    def apply(self, update, ctx):
        match self.how:
            case "global chance":
                return update.with_note("Draw", str(random.random()))
            case "empty note":
                return update.with_note("Nothing", "")
            case "own prompt":
                return dataclasses.replace(update, prompt="Mine.")
            case "other predictor":
                return dataclasses.replace(update, predictor="mine")
            case "lifts":
                return dataclasses.replace(update, constraints=())
            case "nothing":
                return None
            case "longer than it says":
                return update
        return update.with_constraint(Limit(self.how))

    def word_limit(self):
        return 5 if self.how == "longer than it says" else None


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("global chance", "the same input gives"),
        ("empty note", "says nothing"),
        ("own prompt", "changes the prompt"),
        ("other predictor", "changes the predictor"),
        ("lifts", "lifts a constraint"),
        ("nothing", "no Update"),
        ("mute", "no string"),
        ("reorders", "in order"),
        ("invents", "doing nothing violates it"),
        ("forgets", "neither kept nor dropped"),
        ("longer than it says", r"word_limit\(\) is 5, and its constraints admit a proposal of"),
    ],
)
def test_contract_names_what_a_technique_breaks(how: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_technique(Odd(how))


def test_contract_reaches_what_waits_for_steps_that_were_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Patient(Technique):
        def apply(self, update, ctx):
            last = ctx.history.steps()[-2:]
            stalled = len(last) == 2 and all(step.base is not None and not step.accepted for step in last)
            return None if stalled else update

    with pytest.raises(AssertionError, match=r"steps refused one after the other: returns None"):
        check_technique(Patient())


def test_contract_refuses_a_range_that_is_illegal_at_an_end() -> None:
    @dataclasses.dataclass(frozen=True)
    class Picky(Technique):
        p: float = tunable(0.5, low=0.0, high=1.0)

        def __post_init__(self):
            if self.p == 1.0:
                raise ValueError("too high")

        def apply(self, update, ctx):
            return update

    with pytest.raises(AssertionError, match=r"'p' is illegal at 1\.0"):
        check_technique(Picky())


def test_contract_refuses_what_is_not_frozen() -> None:
    @dataclasses.dataclass
    class Loose(Technique):
        def apply(self, update, ctx):
            return update

    with pytest.raises(AssertionError, match="no frozen dataclass"):
        check_technique(Loose())


def test_contract_refuses_another_kind() -> None:
    with pytest.raises(AssertionError, match="no subclass of Technique"):
        check_technique(Greedy())  # type: ignore[arg-type]


def test_contract_refuses_state() -> None:
    calls = []

    @dataclasses.dataclass(frozen=True)
    class Counting(Technique):
        def apply(self, update, ctx):
            calls.append(1)
            return update.with_note("Calls", str(len(calls)))

    with pytest.raises(AssertionError, match="the same input gives"):
        check_technique(Counting())


def test_contract_refuses_numbers_that_json_cannot_hold() -> None:
    @dataclasses.dataclass(frozen=True)
    class Endless(Technique):
        size: float = float("inf")

        def apply(self, update, ctx):
            return update

    with pytest.raises(AssertionError, match="does not survive JSON"):
        check_technique(Endless())


@pytest.mark.parametrize("lowest", [float("inf"), float("nan")])
def test_contract_refuses_a_bar_that_nothing_reaches(lowest: float) -> None:
    @dataclasses.dataclass(frozen=True)
    class Closed(Acceptance):
        def bar(self, incumbent, ctx):
            return Bar(lowest)

    with pytest.raises(AssertionError, match="Bar"):
        check_acceptance(Closed())


def test_contract_refuses_an_acceptance_that_needs_scores() -> None:
    @dataclasses.dataclass(frozen=True)
    class Hungry(Acceptance):
        def bar(self, incumbent, ctx):
            return Bar(sum(incumbent) / len(incumbent))

    with pytest.raises((AssertionError, ZeroDivisionError)):
        check_acceptance(Hungry())


# --- controllers -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Steering(Controller):
    """Keeps the contract, or breaks it in the way that `how` names."""

    how: str = ""
    share: float = tunable(0.5, low=0.0, high=1.0)

    def choose(self, plan, ctx):
        now = step_numbers(plan)
        match self.how:
            case "global chance":
                return {"batch_size": 1 + int(random.random() * 1000)}
            case "unknown":
                return {"LearningRate.max_edits": 3}
            case "illegal at an end":
                return {"batch_size": now["batch_size"].range.low - 2 + len(ctx.history)}
            case "illegal in time":
                return {"batch_size": 3 - len(ctx.history.steps())}
            case "needs a history":
                return {"batch_size": ctx.history[-1].chosen.get("batch_size", 4)}
            case "nothing":
                return None
            case "changes the plan":
                plan.constraints["solve"] = ()
        return {name: each.range.low for name, each in now.items() if ctx.rng(name).random() < self.share}


def test_a_controller_that_keeps_the_contract_passes() -> None:
    check_controller(Steering())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("global chance", "the same input gives"),
        ("unknown", "a plan without techniques.*does not have"),
        ("illegal at an end", "batch_size=0, which the plan refuses"),
        ("illegal in time", "some history: .*batch_size=-1, which the plan refuses"),
        ("nothing", "Return numbers by name"),
        ("changes the plan", "changes its input"),
    ],
)
def test_contract_names_what_a_controller_breaks(how: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_controller(Steering(how))


def test_contract_refuses_a_controller_that_needs_a_history() -> None:
    with pytest.raises(IndexError):
        check_controller(Steering("needs a history"))


def test_contract_lets_a_controller_see_its_own_choices() -> None:
    @dataclasses.dataclass(frozen=True)
    class Halving(Controller):
        def choose(self, plan, ctx):
            steps = ctx.history.steps()
            return {"batch_size": steps[-1].chosen.get("batch_size", 8) // 2 if steps else 8}

    with pytest.raises(AssertionError, match=r"after its own choices.*batch_size=0"):
        check_controller(Halving())


def test_contract_refuses_an_acceptance_as_controller() -> None:
    with pytest.raises(AssertionError, match="no subclass of Controller"):
        check_controller(Greedy())  # type: ignore[arg-type]
