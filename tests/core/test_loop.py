"""The run in a scripted world: no DSPy, no language model."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import Script, World, has, rule, run_of

from dspy_dlpo.core.acceptance import AcceptAll, Bar
from dspy_dlpo.core.edits import Dropped, Edit, distance
from dspy_dlpo.core.errors import ModelError
from dspy_dlpo.core.freezing import FreezeText
from dspy_dlpo.core.halving import judge_by_halves
from dspy_dlpo.core.judges import EditJudge, Judge, WholeJudge
from dspy_dlpo.core.plan import Stopping
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.techniques import LearningRate

QUIET = EditJudge(first=8, wave=4)
NO_TRIALS = EditJudge(first=8, wave=4, trials=False)


def judge_of(whole: bool, **settings) -> Judge:
    """A judge of whole proposals, or of edits on few examples at first."""
    settings = {"wave": 4, "trials": True, **settings}
    return WholeJudge(**settings) if whole else EditJudge(first=8, **settings)


def rewards(text: str, x: int, rollout: int) -> float:
    """Example x needs rule x % 4; rules from 4 on do nothing; rule 9 breaks everything."""
    return float(has(text, x % 4) and not has(text, 9))


def proposes(*numbers: int):
    """A writer that proposes the rules in turn, those that the prompt does not have."""

    def reply(step: int, prompt: str) -> Reply:
        number = numbers[step % len(numbers)]
        return Reply() if has(prompt, number) else Reply((rule(number),))

    return reply


def accounted(run) -> None:
    """What every run must satisfy, however it went."""
    assert run.runs.account.spent <= run.runs.account.limit - run.runs.account.reserved
    assert len(run.runs._forward.requests) == run.runs.account.spent
    assert [record.index for record in run.history] == list(range(len(run.history)))
    progress = [record.progress for record in run.history]
    assert progress == sorted(progress)
    assert all(0 <= each <= 1 for each in progress)
    for before, after in zip(run.history, run.history[1:], strict=False):
        assert after.prompts == (before.proposal if before.accepted else before.prompts)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 160), st.integers(0, 40), st.integers(1, 9))
def test_the_budget_is_never_exceeded_and_the_records_fit_together(numbers, limit, reserved, wave: int) -> None:
    run = run_of(
        World(rewards),
        Script(proposes(*numbers), most=10**6),
        limit=limit,
        reserved=min(reserved, limit),
        judging=EditJudge(first=8, wave=wave),
        stopping=Stopping(max_steps=30),
    )
    list(run.records())
    accounted(run)
    assert run.ended


def test_good_rules_are_learned_and_the_run_ends_when_nothing_fails() -> None:
    run = run_of(World(rewards), Script(proposes(0, 1, 2, 3)), limit=2000, judging=QUIET)
    list(run.records())
    assert all(has(run.prompts["solve"], number) for number in range(4))
    assert str(run.ended) == "every training example is right"
    accounted(run)


def test_a_run_that_begins_perfect_asks_no_critic() -> None:
    script = Script(proposes(0))
    run = run_of(World(lambda text, x, rollout: 1.0), script, judging=QUIET)
    list(run.records())
    assert script.critiques == 0
    assert str(run.ended) == "every training example is right"


def test_a_refused_proposal_is_remembered_with_its_reason() -> None:
    script = Script(proposes(9))
    run = run_of(World(rewards), script, judging=NO_TRIALS, stopping=Stopping(max_steps=3))
    list(run.records())
    step = run.history.steps()[0]
    assert not step.accepted
    assert step.edits
    assert str(step.reason)
    assert [(entry.edit, entry.kept) for entry in step.ledger] == [(rule(9), False)]
    assert run.prompts == run.start
    told = [note.body for note in script.updates[1].notes if note.title == "Tried before and refused"]
    assert told
    assert "Rule 09." in told[0]


def test_a_refused_proposal_is_kept_in_the_record_and_not_in_force() -> None:
    run = run_of(
        World(rewards),
        Script(lambda step, prompt: Reply((rule(9),))),
        start="Start. Rule 00.",
        judging=WholeJudge(),
        stopping=Stopping(max_steps=1),
    )
    list(run.records())
    assert has(run.history[1].proposal["solve"], 9)
    assert not run.history[1].accepted
    assert run.prompts == run.start


@given(st.integers(0, 30), st.booleans(), st.booleans())
def test_where_runs_do_not_differ_the_prompts_in_force_never_get_worse(seed: int, whole: bool, trials: bool) -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float((sum(map(ord, text)) * (x + 3) + seed) % 7 > 2)

    run = run_of(
        World(score),
        Script(lambda step, prompt: Reply((rule(step % 10), rule((step + 4) % 10))), most=10**6),
        start="Start. More words. And more.",
        judging=judge_of(whole, trials=trials),
        seed=seed,
        limit=800,
        stopping=Stopping(max_steps=25),
    )
    list(run.records())
    judging_set = run.judging_set

    def mean(prompts, examples) -> float:
        return sum(score(prompts["solve"], x, 0) for x in examples) / len(examples)

    count = 0
    for record in run.history:
        count += len(record.batch) if record.kind in ("start", "growth") else 0
        examples = judging_set[:count]
        if record.kind == "step" and record.accepted:
            assert mean(record.proposal, examples) >= mean(record.prompts, examples)
            assert record.score == pytest.approx(mean(record.proposal, examples))
        if record.kind == "trial" and record.accepted:
            assert mean(record.proposal, examples) >= mean(record.prompts, examples)


def test_every_record_is_told_as_it_is_made() -> None:
    told = []
    run = run_of(World(rewards), Script(proposes(0, 1)), judging=QUIET, stopping=Stopping(max_steps=6))
    run.on_record = lambda record: told.append((record.index, len(run.history)))
    list(run.records())
    assert told == [(i, i + 1) for i in range(len(run.history))]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(error="no JSON"), "the writer's reply is unusable: no JSON"),
        (Reply(), "the writer proposed nothing"),
        (Reply((Edit("delete", 99),)), "no edit is admitted: the prompt has no sentence 100"),
        (Reply((Edit("shuffle", 0),)), "no edit is admitted: unknown operation 'shuffle'"),
        (Reply(dropped=(Dropped(Edit("add", 0), "empty text"),)), "no edit is admitted: empty text"),
    ],
)
def test_an_unusable_reply_is_a_recorded_refused_step(reply: Reply, said: str) -> None:
    script = Script(lambda step, prompt: reply)
    run = run_of(World(rewards), script, judging=NO_TRIALS, stopping=Stopping(max_steps=2))
    list(run.records())
    step = run.history.steps()[0]
    assert (step.accepted, str(step.reason), step.proposal) == (False, said, run.start)
    assert step.gradients


def test_a_critic_that_says_nothing_is_a_recorded_refused_step() -> None:
    script = Script(proposes(0), gradients=lambda step: ())
    run = run_of(World(rewards), script, judging=NO_TRIALS, stopping=Stopping(max_steps=2))
    list(run.records())
    assert run.history.steps()[0].reason.why is Why.NO_CRITIQUE


@pytest.mark.parametrize("reply", [Reply(error="no JSON"), Reply(), Reply((rule(7),))], ids=["broken", "none", "same"])
@pytest.mark.parametrize("trials", [True, False])
def test_a_run_whose_writer_is_stuck_ends(reply: Reply, trials: bool) -> None:
    """No step costs a run of the program any more, so the budget alone would never end it."""
    judging = EditJudge(first=8, wave=4, trials=trials)
    run = run_of(World(rewards), Script(lambda step, prompt: reply), limit=500, judging=judging)
    list(run.records())
    assert run.ended


def test_a_run_whose_critic_is_stuck_ends() -> None:
    run = run_of(World(rewards), Script(proposes(0), gradients=lambda step: ()), limit=500, judging=QUIET)
    list(run.records())
    assert run.ended


@pytest.mark.parametrize("max_steps", [1, 2, 5])
def test_no_more_steps_are_made_than_asked_for(max_steps: int) -> None:
    run = run_of(World(rewards), Script(proposes(4, 5, 6)), judging=QUIET, stopping=Stopping(max_steps=max_steps))
    list(run.records())
    assert len(run.history) == 1 + max_steps
    assert str(run.ended) == f"{max_steps} steps are done"
    accounted(run)


def test_with_a_limit_of_steps_the_clock_is_the_step() -> None:
    run = run_of(World(rewards), Script(proposes(4, 5, 6)), judging=QUIET, stopping=Stopping(max_steps=4))
    list(run.records())
    assert [record.progress for record in run.history] == [0.0, 0.0, 0.25, 0.5, 0.75]


def test_the_clock_of_a_record_is_that_of_its_beginning() -> None:
    run = run_of(World(rewards), Script(proposes(4, 0, 5, 1)), judging=QUIET, limit=200)
    list(run.records())
    costs = [0, *(record.cost for record in run.history)]
    assert len({record.kind for record in run.history}) == 4
    assert [record.progress for record in run.history] == [cost / 200 for cost in costs[:-1]]


@pytest.mark.parametrize("max_steps", [0, -1, 2.5, "3"])
def test_an_illegal_limit_of_steps_is_refused(max_steps) -> None:
    with pytest.raises((ValueError, TypeError), match="max_steps="):
        Stopping(max_steps=max_steps)


# --- the judging set and trials --------------------------------------------------------------------------------------


def test_the_judging_set_grows_when_steps_stall_and_never_past_all_examples() -> None:
    run = run_of(World(rewards), Script(proposes(4, 5, 6, 7)), judging=NO_TRIALS, stopping=Stopping(max_steps=12))
    list(run.records())
    kinds = [record.kind for record in run.history]
    assert kinds[:5] == ["start", "step", "step", "step", "growth"]
    assert kinds.count("growth") == 1
    assert Counter(run.judging_set) == Counter(range(16))
    assert len(run.history[0].batch) == 8
    growth = run.history[4]
    assert growth.complete
    assert set(growth.scores) == set(range(16))


def test_the_judging_set_grows_when_it_is_saturated() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float(x in first or has(text, 0))

    first = run_of(World(rewards), Script(proposes(0)), judging=QUIET)
    first._add(first._opening)
    first = set(first.judging_set)
    run = run_of(World(score), Script(proposes(0)), judging=QUIET)
    list(run.records())
    assert [record.kind for record in run.history][:3] == ["start", "growth", "step"]
    assert str(run.ended) == "every training example is right"


def test_the_judging_set_depends_on_the_seed_only() -> None:
    def drawn(seed: int, number: int):
        run = run_of(World(rewards), Script(proposes(number)), judging=QUIET, seed=seed, stopping=Stopping(max_steps=9))
        list(run.records())
        return run.judging_set

    assert drawn(1, 4)[:8] == drawn(1, 0)[:8]
    assert drawn(1, 4)[:8] != drawn(2, 4)[:8]


def test_superfluous_sentences_are_tried_without_and_go() -> None:
    run = run_of(
        World(rewards),
        Script(proposes(4, 5)),
        start="Start. Superfluous words are here. Rule 00.",
        judging=QUIET,
        examples=32,
        limit=2000,
        stopping=Stopping(max_steps=20),
    )
    list(run.records())
    trials = [record for record in run.history if record.kind == "trial"]
    assert trials
    assert "Superfluous" not in run.prompts["solve"]
    assert has(run.prompts["solve"], 0)
    assert all(record.ledger and not record.gradients for record in trials)


def test_no_trials_are_made_when_they_are_off() -> None:
    run = run_of(World(rewards), Script(proposes(4)), judging=NO_TRIALS, stopping=Stopping(max_steps=15))
    list(run.records())
    assert not [record for record in run.history if record.kind == "trial"]


FROZEN = "One is here. Two is there."


def test_frozen_text_outlives_steps_trials_and_moves() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float(hash_of(text, x) % 3 > 0)

    def hash_of(text: str, x: int) -> int:
        return sum(map(ord, f"{text}{x}"))

    for seed in range(12):
        run = run_of(
            World(score),
            Script(lambda step, prompt: Reply((rule(step % 10), Edit("delete", step % 4)))),
            start=f"Zero. {FROZEN} Three is away. Four.",
            constraints={"solve": (FreezeText((FROZEN,)),)},
            judging=QUIET,
            limit=1500,
            seed=seed,
            stopping=Stopping(max_steps=40),
            acceptance=AcceptAll(),
        )
        list(run.records())
        assert any(record.kind == "trial" for record in run.history)
        for record in run.history:
            assert FROZEN in record.proposal["solve"], (seed, record.kind, record.index, record.ledger)


@given(st.integers(1, 3), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.booleans())
def test_no_step_changes_more_sentences_than_the_learning_rate(max_edits: int, numbers, whole: bool) -> None:
    judging = judge_of(whole, trials=False)
    run = run_of(
        World(rewards),
        Script(lambda step, prompt: Reply(tuple(rule(number) for number in range(10)))),
        start="Start. Rule 04.",
        techniques=(LearningRate(max_edits),),
        judging=judging,
        limit=600,
        stopping=Stopping(max_steps=6),
    )
    list(run.records())
    for record in run.history.steps():
        assert distance(record.prompts["solve"], record.proposal["solve"]) <= max_edits
        assert len(record.edits) <= max_edits


def test_judging_as_a_whole_keeps_or_refuses_all_edits_on_all_examples() -> None:
    judging = WholeJudge(wave=4)
    run = run_of(
        World(rewards),
        Script(lambda step, prompt: Reply((rule(0), rule(7)))),
        judging=judging,
        stopping=Stopping(max_steps=1),
    )
    list(run.records())
    assert len(run.judging_set) == 16
    assert [entry.kept for entry in run.history[1].ledger] == [True, True]
    assert run.history[1].score == 0.25


def test_accepting_all_keeps_what_is_worse() -> None:
    run = run_of(
        World(rewards),
        Script(lambda step, prompt: Reply((rule(9),))),
        start="Start. Rule 00.",
        acceptance=AcceptAll(),
        judging=WholeJudge(),
        stopping=Stopping(max_steps=1),
    )
    list(run.records())
    assert run.history[1].accepted
    assert run.history[1].bar is None
    assert run.history.best().prompts == run.start


# --- ends and failures -----------------------------------------------------------------------------------------------


def test_a_budget_that_ends_while_judging_leaves_a_record() -> None:
    run = run_of(World(rewards), Script(proposes(0)), limit=10, judging=NO_TRIALS)
    list(run.records())
    assert str(run.ended) == "the budget is spent"
    assert run.history[-1].reason.why is Why.BUDGET_ENDED
    assert not run.history[-1].accepted
    assert run.history[-1].gradients
    accounted(run)


@pytest.mark.parametrize("role", ["task", "critic", "writer"])
def test_a_dead_model_in_mid_run_ends_it_with_the_history_kept(role: str) -> None:
    dying = {"after": 20 if role == "task" else 2}

    def die(step: int = 99) -> None:
        dying["after"] -= 1
        if dying["after"] < 0:
            raise ModelError("no quota is left")

    def score(text: str, x: int, rollout: int) -> float:
        if role == "task":
            die()
        return rewards(text, x, rollout)

    def gradients(step: int):
        if role == "critic":
            die()
        return (TextGradient("solve", "more"),)

    def reply(step: int, prompt: str) -> Reply:
        if role == "writer":
            die()
        return proposes(0, 1, 2, 3)(step, prompt)

    run = run_of(World(score), Script(reply, gradients), judging=QUIET)
    list(run.records())
    assert str(run.ended) == "no quota is left"
    assert len(run.history) >= 2
    assert run.history[0].kind == "start"


def test_a_model_that_is_dead_from_the_start_is_an_error() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        raise ModelError("no key")

    with pytest.raises(ModelError, match="no key"):
        list(run_of(World(score), Script(proposes(0))).records())


def test_lost_runs_do_not_stop_a_run() -> None:
    def score(text: str, x: int, rollout: int) -> float | None:
        return None if x == 3 else rewards(text, x, rollout)

    run = run_of(World(score), Script(proposes(0, 1, 2)), judging=QUIET, limit=600, stopping=Stopping(max_steps=12))
    list(run.records())
    assert has(run.prompts["solve"], 0)
    accounted(run)


# --- nothing but the seed decides ------------------------------------------------------------------------------------


def noisy(text: str, x: int, rollout: int) -> float:
    return float((sum(map(ord, text)) + 7 * x + 3 * rollout) % 5 > 1)


@given(st.integers(0, 50), st.integers(0, 5), st.booleans())
def test_the_order_within_a_wave_changes_nothing(shuffled: int, seed: int, whole: bool) -> None:
    def history(order: int | None):
        run = run_of(
            World(noisy, shuffled=order),
            Script(proposes(0, 1, 2, 3, 9), most=10**6),
            judging=judge_of(whole, wave=5),
            seed=seed,
            stopping=Stopping(max_steps=12),
        )
        list(run.records())
        return list(run.history), str(run.ended)

    assert history(None) == history(shuffled)


@given(st.integers(0, 5))
def test_each_new_batch_shows_the_failures_seen_least(seed: int) -> None:
    run = run_of(
        World(rewards), Script(proposes(4, 5, 6)), judging=NO_TRIALS, seed=seed, stopping=Stopping(max_steps=3)
    )
    list(run.records())
    first, second = (record.batch for record in run.history.steps()[:2])
    assert len(first) == len(second) == 4
    assert not set(first) & set(second)


def test_a_sentence_that_the_writer_says_again_elsewhere_is_moved_there():
    from dspy_dlpo.core.request import admit_reply
    from dspy_dlpo.core.update import Update

    prompt = "Update them. Be kind. Use coordinates. "
    update = Update("solve", prompt)
    edits, dropped = admit_reply(update, Reply(edits=(Edit("add", 3, "Update them."),)))
    assert [(edit.op, edit.at, edit.to) for edit in edits] == [("move", 0, 3)]
    assert not dropped
    edits, dropped = admit_reply(update, Reply(edits=(Edit("add", 1, "Update them."),)))
    assert not edits
    assert dropped[0].reason == "the prompt says this already"


@pytest.mark.parametrize("judging", [EditJudge(first=24), WholeJudge(trials=True)], ids=["edit", "whole"])
@pytest.mark.parametrize("lost", [3, 6])
def test_calls_that_were_lost_at_the_start_are_made_later(judging, lost):
    def score(text: str, x: int, rollout: int) -> float | None:
        is_down = text == "Start." and x < lost and rollout < 2
        return None if is_down else rewards(text, x, rollout)

    run = run_of(World(score), Script(proposes(0, 1, 2, 3)), limit=600, examples=24, judging=judging)
    list(run.records())
    assert f"{lost} unanswered" in str(run.history[0].reason)
    assert all(has(run.prompts["solve"], number) for number in range(4))
    accounted(run)


def test_calls_that_are_never_answered_are_not_made_for_ever():
    def score(text: str, x: int, rollout: int) -> float | None:
        return None if x == 0 else rewards(text, x, rollout)

    judging = EditJudge(first=16)
    run = run_of(World(score), Script(proposes(1, 2, 3)), limit=2000, judging=judging, stopping=Stopping(max_steps=40))
    list(run.records())
    tries = Counter(str(each.prompts) for each in run.runs._forward.requests if each.example == 0)
    assert max(tries.values()) <= THRESHOLDS.tries
    assert all(has(run.prompts["solve"], number) for number in (1, 2, 3))


@pytest.mark.parametrize("again", [0, 1])
def test_a_sentence_that_is_deleted_and_said_again_elsewhere_is_moved_there(again):
    edits = [Edit("delete", 1), Edit("add", 0, "Rule 01. ")]
    if again:
        edits.reverse()
    run = run_of(World(rewards), Script(lambda step, prompt: Reply(tuple(edits))), start="Start. Rule 01. Rule 02.")
    run.runs.account.limit = 60
    list(run.records())
    step = run.history.steps()[0]
    assert [(edit.op, edit.at, edit.to) for edit in step.edits] == [("move", 1, 0)]


def test_the_gain_of_a_step_is_measured_on_the_same_runs_as_its_score():
    def score(text: str, x: int, rollout: int) -> float:
        return float(x % 4 < 2 if rollout else x % 4 < 3)  # the first run of everything flatters

    run = run_of(World(score), Script(proposes(5, 6, 7)), examples=24, judging=EditJudge(first=24))
    list(run.records())
    for record in run.history.steps():
        if record.accepted and record.base is not None:
            paired = record.score - record.base
            assert record.gained == (paired > 1e-9)
            assert abs(paired) < 1e-9


def test_a_sentence_whose_deletion_lost_an_example_is_not_tried_again_until_more_are_judged():
    run = run_of(World(rewards), Script(proposes(0, 1, 2, 3)), limit=900, judging=NO_TRIALS)
    list(run.records())
    incumbent = run.incumbent()
    at = next(i for i, sentence in enumerate(split(run.prompts["solve"])) if "Rule 01." in sentence)
    deletion = (Edit("delete", at, predictor="solve"),)
    _, judgement, ledger = judge_by_halves(incumbent, deletion, Bar(incumbent.mean, strict=False))
    assert not judgement.passed
    assert ledger[0].lost
    assert all(x % 4 == 1 for x in ledger[0].lost)
