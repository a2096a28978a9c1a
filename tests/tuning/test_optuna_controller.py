"""Optuna's choices within a run: legal, near the plan, learned from what steps gain, the same in every process."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from test_resume import compiled, cut, lines, story

from dspy_dlpo import (
    Annealing,
    Budget,
    DLPOTeleprompter,
    Dropout,
    LearningRate,
    LinearDecay,
    Momentum,
    Regularization,
    ResumeError,
    Stopping,
    step_numbers,
)
from dspy_dlpo.core.controller import controlled
from dspy_dlpo.core.history import History, Record, StepContext
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.simulation import engine_of, simulated_lm, simulated_task
from dspy_dlpo.testing import check_controller
from dspy_dlpo.tuning import OptunaController

TECHNIQUES = (LearningRate(LinearDecay(8, 2)), Dropout(0.1), Momentum(), Regularization(200))
PLAN = Plan(TECHNIQUES, Annealing(LinearDecay(1.0, 0.0)), batch_size=8)
PROMPTS = {"solve": "Count."}
START = Record("start", 0, 0.0, PROMPTS, PROMPTS, tuple(range(10)), score=0.2, accepted=True, cost=10)


def a_run(controller, plan=PLAN, *, steps=12, seed=0, gain=lambda chosen: 0.0, runs=lambda chosen: 10):
    """The choices of a run whose steps gain, and cost, what they are told to."""
    records = [START]
    for step in range(1, steps + 1):
        ctx = StepContext(step, step / (steps + 1), History(records), seed=seed)
        _, chosen = controlled(Plan(**{**vars(plan), "controller": controller}), ctx)
        won = gain(chosen)
        judged = {"base": 0.2, "score": 0.2 + won, "accepted": won != 0, "cost": records[-1].cost + runs(chosen)}
        records.append(Record("step", step, ctx.progress, PROMPTS, PROMPTS, chosen=chosen, **judged))
    return [record.chosen for record in records[1:]]


# --- what is chosen --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "controller",
    [
        pytest.param(OptunaController(), marks=pytest.mark.slow),
        pytest.param(OptunaController(reach=1.0, n_startup=1, n_candidates=1), marks=pytest.mark.slow),
        pytest.param(
            OptunaController(numbers=("batch_size", "Regularization.max_words", "Momentum.window"), reach=0.5),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["default", "far", "others"],
)
def test_the_contract_of_controllers_is_kept(controller):
    check_controller(controller)


def test_the_first_step_takes_the_plan_as_it_is():
    ctx = StepContext(1, 0.3, History([START]))
    planned = {"LearningRate.max_edits": 6, "batch_size": 8, "Dropout.p": 0.1, "Annealing.temperature": 0.7}
    assert OptunaController().choose(PLAN, ctx) == planned
    assert list(OptunaController().choose(PLAN, ctx)) == list(OptunaController().numbers)


@pytest.mark.slow
def test_later_steps_depart_from_the_plan_within_reach_on_both_sides():
    numbers = step_numbers(PLAN)
    for name in OptunaController().numbers:
        within, field = [], numbers[name]
        reach = 0.25 * (field.range.high - field.range.low) + (0.5 if field.range.integer else 0.0)
        for seed in range(10):
            chosen = a_run(OptunaController(), seed=seed)
            within += [choice[name] - field.at((i + 1) / 13) for i, choice in enumerate(chosen)]
            assert all(field.range.low <= choice[name] <= field.range.high for choice in chosen)
        assert max(map(abs, within)) <= reach + 1e-9
        assert min(within) < 0 < max(within)


def test_with_full_reach_the_whole_range_is_open():
    chosen = [choice for seed in range(20) for choice in a_run(OptunaController(reach=1.0), seed=seed)]
    assert {choice["batch_size"] for choice in chosen} == set(range(2, 17))
    assert max(choice["Dropout.p"] for choice in chosen) > 0.45


def test_whole_numbers_are_whole_and_the_others_are_not():
    for choice in a_run(OptunaController(numbers=(*OptunaController().numbers, "Regularization.max_words"))):
        whole = {name for name, value in choice.items() if isinstance(value, int)}
        assert whole == {"LearningRate.max_edits", "batch_size", "Regularization.max_words"}


def test_a_number_of_the_plan_outside_its_usual_range_stays_within_what_the_plan_allows():
    plan = Plan((LearningRate(LinearDecay(20, 0)), Dropout(0.9)), Annealing(5.0), batch_size=1)
    first, *later = a_run(OptunaController(reach=1.0), plan, steps=20)
    assert first == {"LearningRate.max_edits": 19, "Dropout.p": 0.9, "Annealing.temperature": 5.0, "batch_size": 1}
    assert all(choice["LearningRate.max_edits"] >= 1 for choice in later)


def test_numbers_of_techniques_that_the_plan_does_not_have_are_left_out():
    choices = a_run(OptunaController(), Plan((Dropout(0.2),)))
    assert {tuple(choice) for choice in choices} == {("batch_size", "Dropout.p")}
    assert len({choice["Dropout.p"] for choice in choices}) > 3


# --- what is learned -------------------------------------------------------------------------------------------------


CONSTANT = Plan((LearningRate(5), Dropout(0.25)), Annealing(1.5), batch_size=9)


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_whose_steps_gain_are_chosen_more_often(sign):
    controller = OptunaController(numbers=("Dropout.p",), reach=1.0)
    shares = []
    for seed in range(5):
        choices = a_run(
            controller,
            CONSTANT,
            steps=30,
            seed=seed,
            gain=lambda chosen: 0.1 * (sign * (chosen["Dropout.p"] - 0.25) > 0.1),
        )
        shares.append(statistics.fmean(sign * (choice["Dropout.p"] - 0.25) > 0.1 for choice in choices[-10:]))
    assert statistics.fmean(shares) > 0.6, "by chance it would be 0.3"


def test_of_steps_that_gain_nothing_the_cheap_ones_are_chosen_more_often():
    controller = OptunaController(numbers=("batch_size",), reach=1.0)
    sizes = []
    for seed in range(5):
        gain = iter([0.1] + [0.0] * 30)
        choices = a_run(
            controller,
            CONSTANT,
            steps=30,
            seed=seed,
            gain=lambda chosen, gain=gain: next(gain),
            runs=lambda chosen: 4 * chosen["batch_size"],
        )
        sizes.append(statistics.fmean(choice["batch_size"] for choice in choices[-10:]))
    assert statistics.fmean(sizes) < 7, "by chance it would be 9"


def choice_after(*records):
    return OptunaController(n_startup=1).choose(CONSTANT, StepContext(9, 0.5, History([START, *records]), seed=3))


def step(number=1, *, cost=30, **fields):
    chosen = {"LearningRate.max_edits": 3, "batch_size": 4 + number, "Dropout.p": 0.1 * number}
    return Record("step", number, 0.1, PROMPTS, PROMPTS, base=0.2, cost=cost, chosen=chosen, **fields)


def test_a_score_that_was_not_accepted_is_no_gain():
    first = step(1, score=0.3, accepted=True)
    gained = choice_after(first, step(2, score=0.9, accepted=True, cost=60))
    refused = choice_after(first, step(2, score=0.9, cost=60))
    unknown = choice_after(first, step(2, cost=60))
    assert refused == unknown != gained


def test_a_step_that_the_budget_cut_short_teaches_nothing():
    cut_short = step(2, cost=60, reason=Why.BUDGET_ENDED.because())
    whole = step(2, cost=60, reason=Why.CANNOT_REACH_BAR.because("0.5"))
    before = step(1, score=0.5, accepted=True)
    assert choice_after(before, cut_short) == choice_after(before) != choice_after(before, whole)


def test_a_step_that_cost_no_run_is_no_division_by_nothing():
    nothing = step(1, cost=10, reason=Why.NOTHING_PROPOSED.because())
    assert set(choice_after(nothing, step(2, cost=10))) == set(OptunaController().numbers)


def test_runs_of_trials_and_growths_are_not_charged_to_steps():
    trial = Record("trial", 2, 0.1, PROMPTS, PROMPTS, cost=1000)
    first, last = step(1, score=0.5, accepted=True), step(3, score=0.3, accepted=True, cost=1020)
    without = step(3, score=0.3, accepted=True, cost=50)
    assert choice_after(first, trial, last) == choice_after(first, without)


def test_the_scale_of_the_metric_changes_nothing():
    def scaled(factor):
        judged = [step(1, score=0.5, accepted=True), step(2, score=0.3, accepted=True, cost=60)]
        records = [Record(**{**vars(each), "score": each.score * factor, "base": 0.2 * factor}) for each in judged]
        plan = Plan(**{**vars(CONSTANT), "high": factor})
        return OptunaController(n_startup=1).choose(plan, StepContext(9, 0.5, History([START, *records]), seed=3))

    assert scaled(1.0) == scaled(64.0)


# --- nothing but the seed and the history decides ---------------------------------------------------------------------


def test_equal_seeds_choose_alike_and_others_do_not():
    assert a_run(OptunaController(), seed=1) == a_run(OptunaController(), seed=1)
    assert a_run(OptunaController(), seed=1) != a_run(OptunaController(), seed=2)


PROCESS = """
import sys
sys.path[:0] = sys.argv[1:]
from test_optuna_controller import OptunaController, a_run
print(a_run(OptunaController(), gain=lambda chosen: 0.1 * chosen["Dropout.p"]))
"""


@pytest.mark.slow
def test_every_process_chooses_alike():
    here = a_run(OptunaController(), gain=lambda chosen: 0.1 * chosen["Dropout.p"])
    tests = Path(__file__).parent.parent
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROCESS, str(tests), str(tests / "tuning"), str(tests / "host"), str(tests.parent)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.stdout.strip() == str(here), done.stderr


def test_optuna_says_nothing_and_keeps_its_verbosity(capfd):
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        a_run(OptunaController(), steps=3)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr() == ("", "")


# --- in a real run ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    return compiled(folder, controller=OptunaController()), folder


@pytest.mark.slow
def test_a_run_with_a_controller_that_is_cut_anywhere_ends_as_the_undisturbed_one(whole, tmp_path):
    (result, *_), folder = whole
    assert len({tuple(step.chosen.values()) for step in result.history.steps()}) >= 3
    count = len(lines(folder))
    for at in range(3, count, count // 12):
        again, *_ = compiled(cut(folder, tmp_path / str(at), at), controller=OptunaController())
        assert story(again) == story(result), at
        assert again.best_prompts == result.best_prompts


def test_a_finished_run_with_a_controller_made_again_asks_nothing(whole):
    (result, *_), folder = whole
    again, *asked = compiled(folder, controller=OptunaController())
    assert asked == [0, 0]
    assert again.best_prompts == result.best_prompts


@pytest.mark.parametrize("controller", [None, OptunaController(reach=0.3)])
def test_another_controller_is_another_run(whole, controller):
    _, folder = whole
    with pytest.raises(ResumeError, match=r"settings\.controller was .*OptunaController\(numbers"):
        compiled(folder, controller=controller)


def run(**settings):
    task = simulated_task("object_counting", n_train=40, n_val=24)
    optimizer = DLPOTeleprompter(
        task.metric,
        **{
            "task_model": simulated_lm(0),
            "prompt_model": simulated_lm(1),
            "budget": Budget(metric_calls=260),
            **settings,
        },
    )
    return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results


@pytest.mark.slow
def test_the_thread_count_does_not_change_what_is_chosen():
    one, eight = (run(controller=OptunaController(), num_threads=count) for count in (1, 8))
    assert story(one) == story(eight)


def test_what_the_record_shows_is_what_the_step_worked_with():
    result = run(controller=OptunaController(reach=1.0))
    for record in result.history.steps():
        per_predictor = [edit.predictor for edit in record.edits]
        assert max(map(per_predictor.count, per_predictor), default=0) <= record.chosen["LearningRate.max_edits"]
        assert len(record.batch) <= record.chosen["batch_size"]
    assert any(len(record.batch) == record.chosen["batch_size"] for record in result.history.steps())


def test_a_run_with_few_techniques_is_controlled_too():
    result = run(controller=OptunaController(), techniques=[Dropout(0.2)], stopping=Stopping(max_steps=8))
    assert {name for record in result.history for name in record.chosen} == {
        "batch_size",
        "Dropout.p",
    }


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"numbers": "batch_size"}, TypeError, "is no tuple of names"),
        ({"numbers": ["batch_size"]}, TypeError, "is no tuple of names"),
        ({"numbers": (1,)}, TypeError, "is no tuple of names"),
        ({"numbers": ()}, ValueError, "at least one"),
        ({"numbers": ("batch_size", "batch_size")}, ValueError, "each number once"),
        ({"reach": 0.0}, ValueError, "reach=0.0"),
        ({"reach": 1.5}, ValueError, "reach=1.5"),
        ({"n_startup": 0}, ValueError, "n_startup=0"),
        ({"n_candidates": 2.5}, ValueError, "n_candidates=2.5"),
    ],
)
def test_illegal_settings_are_refused(fields, error, said):
    with pytest.raises(error, match=said):
        OptunaController(**fields)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (("batchsize", "LearningRate.max_edits"), "names 'batchsize', which the settings do not have. Pass some of "),
        (("LearningRate.share", "batch_size"), r"names 'LearningRate\.share', which the settings do not have"),
        (("LearningRat.max_edits",), "names nothing that the settings have"),
    ],
)
def test_a_name_that_is_wrong_is_told_before_anything_is_paid_for(numbers, said, tmp_path):
    lm = simulated_lm(0)
    with pytest.raises(ValueError, match=said):
        run(controller=OptunaController(numbers), task_model=lm, log_dir=tmp_path / "run")
    assert engine_of(lm).counts.calls == 0
    assert not (tmp_path / "run").exists()


def test_optuna_that_is_missing_is_told_with_the_way_out():
    code = "import sys; sys.modules['optuna'] = None; import dspy_dlpo; print('fine'); import dspy_dlpo.tuning"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "fine\n"
    assert done.stderr.splitlines()[-1] == (
        'ImportError: dspy_dlpo.tuning needs Optuna. Install it with: pip install "dspy-dlpo[tune]"'
    )


def test_the_package_does_not_import_optuna():
    code = "import sys, dspy_dlpo, dspy_dlpo.testing; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "False\n", done.stderr
