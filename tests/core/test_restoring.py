"""The user's own sentences that a proposal taken whole took away are tried back, once, at their place."""

import pytest
from world import Script, World, incumbent_of, run_of

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.freezing import FreezeText
from dspy_dlpo.core.history import History, LedgerEntry, Record
from dspy_dlpo.core.judges import EditJudge
from dspy_dlpo.core.parts import proposal
from dspy_dlpo.core.plan import Stopping
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.restoring import next_restorations, try_restorations
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.techniques import Regularization

START = "Sort the mail. Be kind. Answer briefly."
EDITS = (
    Edit("replace", 0, "Name the queue. ", predictor="solve"),
    Edit("delete", 1, predictor="solve"),
    Edit("add", 3, "Refunds go to billing.", predictor="solve"),
)
FREE = {"solve": ()}


def after(edits=EDITS, *, start=START, reason=Why.TAKEN_WHOLE, accepted=True) -> History:
    """A run whose first step was `edits`, taken whole."""
    before = {"solve": start}
    ledger = tuple(LedgerEntry(edit, kept=True, reason=reason.because()) for edit in edits)
    opening = Record("start", 0, 0.0, before, before, batch=tuple(range(24)), accepted=True)
    step = Record("step", 1, 0.1, before, proposal(before, edits), ledger=ledger, accepted=accepted)
    return History([opening, step])


def restored(history: History, constraints=FREE) -> str:
    prompts = history.current({"solve": START})
    return proposal(prompts, next_restorations(prompts, history, constraints))["solve"]


def test_what_was_replaced_and_deleted_comes_back_at_its_place() -> None:
    history = after()
    assert history[-1].proposal["solve"] == "Name the queue. Answer briefly. Refunds go to billing."
    assert restored(history) == "Sort the mail. Be kind. Answer briefly. Refunds go to billing."


@pytest.mark.parametrize(
    ("edits", "now", "then"),
    [
        ([Edit("delete", 0)], "Be kind. Answer briefly.", START),
        ([Edit("delete", 2)], "Sort the mail. Be kind.", START),
        ([Edit("delete", 0), Edit("delete", 1)], "Answer briefly.", START),
        ([Edit("replace", 2, "Say why. Be fast.")], "Sort the mail. Be kind. Say why. Be fast.", f"{START} Be fast."),
        ([Edit("replace", i, f"New {i}. ") for i in range(3)], "New 0. New 1. New 2.", START),
    ],
)
def test_every_place_is_found(edits, now, then) -> None:
    history = after([Edit(e.op, e.at, e.text, predictor="solve") for e in edits])
    assert history[-1].proposal["solve"] == now
    assert restored(history) == then


def test_a_sentence_whose_successor_has_gone_is_added_at_its_place() -> None:
    history = after()
    now = {"solve": "Answer briefly. Refunds go to billing."}
    again = proposal(now, next_restorations(now, history, FREE))
    assert again["solve"] == "Sort the mail. Be kind. Answer briefly. Refunds go to billing."


@pytest.mark.parametrize("fields", [{"reason": Why.PAYS}, {"accepted": False}])
def test_only_what_came_into_force_as_a_whole_is_tried_back(fields) -> None:
    history = after(**fields)
    assert next_restorations(history[-1].proposal, history, FREE) == ()


def test_each_is_tried_once_until_it_is_taken_away_again() -> None:
    history = after()
    prompts = history[-1].proposal
    edits = next_restorations(prompts, history, FREE)
    entries = tuple(LedgerEntry(edit) for edit in edits)
    tried = History([*history, Record("trial", 2, 0.2, prompts, prompts, ledger=entries)])
    assert next_restorations(prompts, tried, FREE) == ()
    again = Record("step", 3, 0.3, {"solve": START}, prompts, ledger=history[-1].ledger, accepted=True)
    assert next_restorations(prompts, History([*tried, again]), FREE) == edits


def test_what_the_constraints_do_not_admit_is_not_tried() -> None:
    history = after()
    assert (
        next_restorations(history[-1].proposal, history, {"solve": (FreezeText(("Name the queue.",)),)})[0].op == "add"
    )


def test_what_is_no_worse_stays_and_what_matters_does_not() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float("Name the queue." in text or x >= 6)

    incumbent = incumbent_of(score, 24, prompt=after()[-1].proposal["solve"])
    edits = next_restorations(incumbent.prompts, after(), FREE)
    prompts, judgement, ledger = try_restorations(incumbent, edits, {"solve": START})
    assert judgement.passed
    assert [(entry.kept, entry.reason.why is Why.RESTORED) for entry in ledger] == [(False, False), (True, True)]
    assert ledger[0].lost
    assert prompts["solve"] == "Name the queue. Be kind. Answer briefly. Refunds go to billing."


def test_one_sentence_that_matters_is_given_up_after_a_wave() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float("Name the queue." in text or x < 12)

    edits = (EDITS[0], EDITS[2])
    incumbent = incumbent_of(score, 24, prompt=after(edits)[-1].proposal["solve"])
    incumbent.runs.ensure([({"solve": START}, x) for x in range(24)])
    spent = incumbent.runs.account.spent
    back = next_restorations(incumbent.prompts, after(edits), FREE)
    _, judgement, ledger = try_restorations(incumbent, back, {"solve": START})
    assert not judgement.passed
    assert ledger[0].lost
    assert incumbent.runs.account.spent == spent + 8


def mail(text: str, x: int, rollout: int) -> float:
    """A third each is right by itself, hangs on the rule, and stays wrong."""
    return float(x % 3 == 0 or (x % 3 == 1 and "Refunds go to billing." in text))


def run_on(*, matters: bool, **plan):
    """A run whose first step gains clearly and takes two of the user's sentences away; no other proposes anything."""

    def score(text: str, x: int, rollout: int) -> float:
        return 0.0 if matters and "Sort the mail." in text and x % 3 == 1 else mail(text, x, rollout)

    script = Script(lambda step, prompt: Reply(EDITS if step == 1 else ()))
    judging = EditJudge(first=24, confirm=False)
    run = run_of(World(score), script, start=START, examples=24, limit=400, judging=judging, **plan)
    run.go()
    return run


@pytest.mark.parametrize("matters", [False, True])
def test_the_run_tries_them_back_before_its_next_step(matters: bool) -> None:
    run = run_on(matters=matters, stopping=Stopping(max_steps=3))
    kinds = [record.kind for record in run.history]
    assert kinds[:4] == ["start", "step", "trial", "step"]
    assert all(entry.reason.why is Why.TAKEN_WHOLE for entry in run.history[1].ledger)
    assert ("Sort the mail." in run.prompts["solve"]) is not matters
    assert "Be kind." in run.prompts["solve"]
    assert run.history[2].bar == Bar(run.history[2].base).lowest


def test_sentences_added_by_a_whole_proposal_come_to_their_trial() -> None:
    idle = Edit("add", 3, "Smile at all times.", predictor="solve")
    script = Script(lambda step, prompt: Reply((EDITS[2], idle) if step == 1 else ()))
    judging = EditJudge(first=24, confirm=False)
    run = run_of(World(mail), script, start=START, examples=24, limit=400, judging=judging)
    run.go()
    assert all(entry.reason.why is Why.TAKEN_WHOLE for entry in run.history[1].ledger)
    assert "Smile" in run.history[1].proposal["solve"]
    trial = next(record for record in run.history if record.kind == "trial" and record.ledger[0].edit.op == "delete")
    assert trial.accepted
    assert "Smile" not in run.prompts["solve"]
    assert "Refunds" in run.prompts["solve"]


def test_a_limit_of_words_holds_in_restorations_too() -> None:
    run = run_on(matters=False, stopping=Stopping(max_steps=4), techniques=(Regularization(max_words=9, prune=False),))
    assert "Be kind." not in run.prompts["solve"]
    assert max(len(record.proposal["solve"].split()) for record in run.history) <= 9


def test_without_trials_nothing_is_tried_back() -> None:
    run = run_of(
        World(mail),
        Script(lambda step, prompt: Reply(EDITS if step == 1 else ())),
        start=START,
        examples=24,
        judging=EditJudge(first=24, confirm=False, trials=False),
    )
    run.go()
    assert all(record.kind != "trial" for record in run.history)
