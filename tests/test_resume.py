"""A run that was killed, raised or refused goes on as if nothing had happened, and pays for nothing twice."""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dspy
import pytest
from dspy.lm15 import AuthError, ServerError
from event_logs import cut, events, lines, places
from scripted import result_of
from waiting import PATIENCE

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge, ResumeError, RunDirectoryError, WholeJudge
from dspy_dlpo.core.events import event_from_json
from dspy_dlpo.core.opening import open_log
from dspy_dlpo.core.storage import RunDirectory, read_history, read_state
from dspy_dlpo.simulation import Noise, engine_of, simulated_lm, simulated_task

ROOT = Path(__file__).parent.parent
CALLS = 260
MODELS = [simulated_lm(seed).model for seed in (0, 1)]


def compiled(log_dir, *, name="object_counting", calls=CALLS, noise=0.0, metric=None, limits=None, **settings):
    """The result, and what the two engines were asked for it."""
    task = simulated_task(name, n_train=40, n_val=24)
    task_lm = simulated_lm(0, noise=Noise(fresh=noise))
    prompt_lm = simulated_lm(1).copy(temperature=1.0)
    optimizer = DLPOTeleprompter(
        metric or task.metric,
        task_model=task_lm,
        prompt_model=prompt_lm,
        budget=Budget(**(limits or {"metric_calls": calls}), prices=dict.fromkeys(MODELS, (1.0, 4.0))),
        log_dir=log_dir,
        num_threads=1,
        **settings,
    )
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    return result, engine_of(task_lm).counts.calls, engine_of(prompt_lm).counts.calls


def story(result):
    """Every record as plain data, less the seconds it took and the running totals of the bill."""
    return [{**record, "seconds": 0, "spent": 0} for record in result.to_dict()["history"]]


SETTINGS = {
    "quiet": {},
    "noisy": {"noise": 0.1},
    "support_desk": {"name": "support_desk"},
    "critics": {"name": "support_desk", "critic": True},
    "wide": {"noise": 0.1, "judging": EditJudge(width=32)},
    "cheapest": {"judging": EditJudge(prefer="cheapest")},
}


@pytest.fixture(
    scope="module", params=[pytest.param(kind, marks=() if kind == "noisy" else pytest.mark.slow) for kind in SETTINGS]
)
def whole(request, tmp_path_factory):
    """An undisturbed run, its directory, and the settings that made it."""
    settings = SETTINGS[request.param]
    folder = tmp_path_factory.mktemp("whole") / "run"
    return *compiled(folder, **settings), folder, settings


def test_a_run_cut_anywhere_ends_as_the_undisturbed_one_and_asks_for_nothing_twice(whole, tmp_path):
    result, task_calls, prompt_calls, folder, settings = whole
    log = events(folder)
    marks = [i + 1 for i in places(folder, "Recorded", "StepsEnded")]
    for count in sorted({*range(0, len(log), max(1, len(log) // 8)), *marks}):
        torn = lines(folder)[count][: 1 + count % 40] if count < len(log) else ""
        again, new_task, new_prompt = compiled(cut(folder, tmp_path / str(count), count, torn), **settings)
        assert again.best_prompts == result.best_prompts, count
        assert story(again) == story(result), count
        done = [event["event"] for event in log[:count]]
        per_run = round(task_calls / result.spent["metric_calls"])
        assert new_task == task_calls - per_run * done.count("RunDone"), count
        assert new_prompt == prompt_calls - done.count("ReplyDone"), count


def test_a_log_cut_at_any_byte_is_gone_on_with_to_the_same_program(tmp_path):
    result, *_ = compiled(tmp_path / "whole", calls=100, noise=0.1)
    content, draw = (tmp_path / "whole" / "events.jsonl").read_bytes(), random.Random(0)
    for i in range(12):
        folder = cut(tmp_path / "whole", tmp_path / str(i), 0)
        end = draw.randrange(len(content))
        (folder / "events.jsonl").write_bytes(content[:end])
        again, *_ = compiled(folder, calls=100, noise=0.1)
        assert again.best_prompts == result.best_prompts, end
        if again.spent.get("lost", {}).get("metric_calls", 0) <= 8:  # what the budget keeps for a crash
            assert story(again) == story(result), end
        assert again.spent["metric_calls"] <= 100


def test_what_is_written_is_what_the_live_run_knew(tmp_path, monkeypatch):
    opened = []

    def kept(*arguments):
        opened.append(open_log(*arguments))
        return opened[-1]

    monkeypatch.setattr("dspy_dlpo.run.wiring.open_log", kept)
    compiled(tmp_path / "run", calls=100)
    assert read_state(tmp_path / "run") == opened[0].state
    compiled(cut(tmp_path / "run", tmp_path / "cut", 80), calls=120)
    assert read_state(tmp_path / "cut") == opened[1].state


def test_what_was_in_flight_counts_as_spent(whole, tmp_path):
    result, _, _, folder, settings = whole
    log = events(folder)
    sent = [i for i, event in enumerate(log) if event.get("what") == "run"][5]
    again, *_ = compiled(cut(folder, tmp_path / "run", sent + 1), **settings)
    assert again.spent["lost"]["metric_calls"] == log[sent]["number"]
    assert again.spent["metric_calls"] == result.spent["metric_calls"] + log[sent]["number"] <= CALLS
    assert again.best_prompts == result.best_prompts


def test_a_finished_run_made_again_asks_nothing_and_gives_the_same(whole):
    result, _, _, folder, settings = whole
    again, *asked = compiled(folder, **settings)
    assert asked == [0, 0]
    assert (again.best_prompts, again.verdict, again.comparison) == (
        result.best_prompts,
        result.verdict,
        result.comparison,
    )
    for role in ("task", "writer"):
        assert again.spent[role] == pytest.approx(result.spent[role])
    assert again.spent["metric_calls"] == result.spent["metric_calls"]
    assert story(again) == story(result)


def test_a_raised_budget_goes_on_from_there_and_is_recorded(tmp_path):
    first, *asked = compiled(tmp_path / "run", calls=150)
    again, *more = compiled(tmp_path / "run", calls=400)
    assert [record.kind for record in again.history if record.kind != "prune"][: len(first.history)]
    steps = [record for record in story(first) if record["kind"] != "prune"]
    assert story(again)[: len(steps)] == steps, "what was done stays as it was"
    assert len(again.history) > len(first.history)
    assert asked[0] + more[0] == again.spent["metric_calls"] <= 400
    budgets = read_state(tmp_path / "run").budgets
    assert [budget["metric_calls"] for budget in budgets] == [150, 400]
    keys = [event_from_json(json.dumps(event)).key for event in events(tmp_path / "run", "RunDone")]
    assert len(keys) == len(set(keys)), "no run is paid for twice"
    third, *none = compiled(tmp_path / "run", calls=400)
    assert none == [0, 0]
    assert third.best_prompts == again.best_prompts


@pytest.mark.slow
def test_a_raised_run_that_is_cut_goes_on_within_its_budget(tmp_path):
    compiled(tmp_path / "run", calls=150)
    compiled(tmp_path / "run", calls=400)
    for i, share in enumerate((0.5, 0.7, 0.9)):
        count = int(len(lines(tmp_path / "run")) * share)
        folder = cut(tmp_path / "run", tmp_path / str(i), count)
        paid = len(places(folder, "RunDone"))
        result, new, _ = compiled(folder, calls=400)
        assert paid + new <= result.spent["metric_calls"] <= 400


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_a_raised_run_that_dies_in_its_first_step_goes_on(tmp_path, share):
    compiled(tmp_path / "run", calls=120)
    old = len(lines(tmp_path / "run"))
    whole, *_ = compiled(tmp_path / "run", calls=320)
    first = next(i for i in places(tmp_path / "run", "Recorded") if i >= old)
    folder = cut(tmp_path / "run", tmp_path / "cut", old + 1 + int(share * (first - old - 1)))
    again, *_ = compiled(folder, calls=320)
    assert story(again) == story(whole)
    assert again.best_prompts == whole.best_prompts


LIMITS = {"lm_calls": {"lm_calls": 300}, "tokens": {"tokens": 90_000}, "usd": {"usd": 0.1}}
LIMITS["both"] = {"metric_calls": 200, "lm_calls": 190}


@pytest.mark.slow
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_other_budgets_are_gone_on_with_alike(tmp_path, limits):
    result, *_ = compiled(tmp_path / "run", limits=limits)
    again, *asked = compiled(tmp_path / "run", limits=limits)
    assert asked == [0, 0], "a finished run made again asks nothing"
    assert again.best_prompts == result.best_prompts
    end = places(tmp_path / "run", "SelectionPlanned")[0] + 20
    for i, count in enumerate(range(5, end, end // 9)):
        again, *_ = compiled(cut(tmp_path / "run", tmp_path / str(i), count), limits=limits)
        assert again.best_prompts == result.best_prompts, count
        assert story(again) == story(result), count


def test_a_dead_model_that_is_tried_again_and_again_costs_nothing(tmp_path):
    key = {"good": True}

    def metric(gold, pred, trace=None):
        return float(gold.answer == pred.answer)

    task, helper = simulated_task("object_counting", n_train=40, n_val=24), simulated_lm(0)

    class Mortal(type(helper.engine)):
        asked = 0

        def complete(self, request):
            Mortal.asked += 1
            if not key["good"] or (Mortal.asked > 100 and "mended" not in key):
                raise AuthError("no key")
            return super().complete(request)

    lm = dspy.LM("mortal/reader", engine=Mortal(helper.engine.settings), cache=False, callbacks=helper.callbacks)

    def run():
        optimizer = DLPOTeleprompter(
            metric,
            task_model=lm,
            prompt_model=simulated_lm(1),
            budget=Budget(metric_calls=CALLS),
            log_dir=tmp_path / "run",
            num_threads=8,
        )
        return result_of(lambda: optimizer.compile(task.program, trainset=task.trainset, valset=task.valset))

    paid = [run().spent["metric_calls"] for _ in range(4)]
    assert max(paid[1:]) - paid[0] <= 8
    key["mended"] = True
    result = run()
    assert result.ended in ("the budget is spent", "every training example is right")
    assert result.spent["metric_calls"] <= CALLS


@pytest.mark.slow
def test_an_outage_of_the_prompt_model_does_not_end_the_run_for_good(tmp_path):
    task, helper, up = simulated_task("object_counting", n_train=40, n_val=24), simulated_lm(1), []

    class Moody(type(helper.engine)):
        asked = 0

        def complete(self, request):
            Moody.asked += 1
            if not up and Moody.asked > 4:
                raise ServerError("down")
            return super().complete(request)

    lm = dspy.LM(
        "moody/writer", engine=Moody(helper.engine.settings), cache=False, callbacks=helper.callbacks, num_retries=0
    )

    def run():
        optimizer = DLPOTeleprompter(
            task.metric,
            task_model=simulated_lm(0),
            prompt_model=lm,
            budget=Budget(metric_calls=2000),
            judging=EditJudge(trials=False),
            log_dir=tmp_path / "run",
        )
        return result_of(lambda: optimizer.compile(task.program, trainset=task.trainset, valset=task.valset))

    result = run()
    assert result.ended.startswith("No call of the prompt model was answered: LMServerError")
    assert Moody.asked in (4 + 8, 4 + 9), "eight in a row end it, and a second request was on its way"
    up.append(True)
    again = run()
    assert again.ended == "the budget is spent" or again.ended.startswith("every training")
    assert len(again.history) > len(result.history)


def test_another_program_is_another_run(tmp_path):
    class Seven(dspy.Module):
        def __init__(self):
            super().__init__()
            self.solve = dspy.Predict(dspy.Signature("question -> answer", "Answer the question about what I have."))

        def forward(self, question):
            return dspy.Prediction(answer="7")

    class Typed(Seven):
        def __init__(self):
            super().__init__()
            self.solve = dspy.Predict(dspy.Signature("question -> answer: int", self.solve.signature.instructions))

    task, lm = simulated_task("object_counting", n_train=20, n_val=20), simulated_lm(0)

    def run(program):
        with dspy.context(lm=lm):
            optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=60), log_dir=tmp_path / "run")
            return optimizer.compile(program, trainset=task.trainset, valset=task.valset)

    run(task.program)
    with pytest.raises(ResumeError, match=r"program\.sources"):
        run(Seven())
    with pytest.raises(ResumeError, match=r"program\.fields"):
        run(Typed())


def test_a_lambda_is_known_by_what_it_does(tmp_path):
    task, lm = simulated_task("object_counting", n_train=20, n_val=20), simulated_lm(0)

    def run(optimizer):
        with dspy.context(lm=lm):
            return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)

    folder = tmp_path / "run"
    run(DLPOTeleprompter(lambda g, p, trace=None: g.answer == p.answer, budget=Budget(60), log_dir=folder))
    run(DLPOTeleprompter(lambda g, p, trace=None: g.answer == p.answer, budget=Budget(80), log_dir=folder))
    with pytest.raises(ResumeError, match="metric was"):
        run(DLPOTeleprompter(lambda g, p, trace=None: g.answer != p.answer, budget=Budget(90), log_dir=folder))


@dataclass(frozen=True)
class OtherJudge(WholeJudge):
    """Judges in another way, with the same arguments."""


def test_another_judge_with_the_same_arguments_is_another_setting(tmp_path):
    compiled(tmp_path, judging=WholeJudge(), calls=150)
    with pytest.raises(ResumeError, match=r"judging was .*WholeJudge.*OtherJudge"):
        compiled(tmp_path, judging=OtherJudge(), calls=150)


SETS = """
import sys
sys.path[:0] = sys.argv[2:]
import dspy
from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task
task, lm = simulated_task("object_counting", n_train=20, n_val=20), simulated_lm(0)
for example in task.trainset:
    example.titles = {"one", "two", "three", "four"}
optimizer = DLPOTeleprompter(task.metric, task_model=lm, prompt_model=lm, budget=Budget(60), log_dir=sys.argv[1])
optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
print(lm.engine.calls)
"""


@pytest.mark.slow
def test_sets_in_examples_are_the_same_in_every_process(tmp_path):
    asked = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SETS, str(tmp_path / "run")]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        asked.append(int(done.stdout))
    assert asked[0] > 0
    assert asked[1] == 0


def test_files_of_something_else_are_not_emptied(tmp_path):
    (tmp_path / "events.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(RunDirectoryError, match=r"is no event"):
        compiled(tmp_path)
    assert (tmp_path / "events.jsonl").read_text() == '{"mine": 1}\n'


def test_events_of_a_run_that_nothing_names_are_not_emptied(tmp_path):
    compiled(tmp_path / "run", calls=60)
    before = lines(tmp_path / "run")
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(RunDirectoryError, match=r"no run\.json.*another directory"):
        compiled(tmp_path / "run", calls=60)
    assert lines(tmp_path / "run") == before


@pytest.mark.parametrize("name", ["calls.jsonl", "history.jsonl"])
def test_what_an_earlier_version_wrote_is_refused_with_the_way_out(name, tmp_path):
    (tmp_path / name).write_text('{"role": "task"}\n')
    with pytest.raises(ResumeError, match=r"earlier version .*Pass another directory"):
        compiled(tmp_path)
    assert (tmp_path / name).read_text() == '{"role": "task"}\n'


def test_a_disk_that_is_full_at_the_very_end_does_not_cost_the_program(tmp_path, monkeypatch, caplog):
    write = RunDirectory.write_json

    def full(self, name, content):
        if name == "result.json":
            raise RunDirectoryError("No space left on device")
        write(self, name, content)

    monkeypatch.setattr(RunDirectory, "write_json", full)
    result, *_ = compiled(tmp_path / "run", calls=60)
    assert result.best_prompts
    assert "No space left" in caplog.text


def test_on_record_is_told_only_of_what_is_new(tmp_path):
    told, later = [], []
    result, *_ = compiled(tmp_path / "run", calls=150, on_record=told.append)
    compiled(tmp_path / "run", calls=300, on_record=later.append)
    assert told == list(result.history)
    assert later
    assert min(record.index for record in later) == len([record for record in told if record.kind != "prune"])


def test_a_range_of_scores_that_is_unknown_is_gone_on_with_too(tmp_path):
    def distance(gold, pred, trace=None):
        return -abs(float(gold.answer) - float(pred.answer or "0"))

    settings = {"metric": distance, "score_range": None, "calls": 150}
    result, *_ = compiled(tmp_path / "run", **settings)
    again, *_ = compiled(cut(tmp_path / "run", tmp_path / "cut", 120), **settings)
    assert story(again) == story(result)


def test_whole_proposals_are_gone_on_with_too(tmp_path):
    settings = {"judging": WholeJudge()}
    result, *_ = compiled(tmp_path / "run", **settings)
    again, *_ = compiled(cut(tmp_path / "run", tmp_path / "cut", 150), **settings)
    assert story(again) == story(result)


def test_a_directory_that_is_in_use_is_refused_before_anything_is_paid_for(tmp_path):
    held = RunDirectory(tmp_path / "run")
    lm = simulated_lm(0)
    task = simulated_task("object_counting", n_train=8, n_val=8)
    with dspy.context(lm=lm), pytest.raises(RunDirectoryError, match="in use by another run"):
        DLPOTeleprompter(task.metric, log_dir=tmp_path / "run").compile(task.program, trainset=task.trainset)
    assert engine_of(lm).counts.calls == 0
    held.close()


def test_a_broken_line_in_the_middle_of_the_log_is_named(tmp_path):
    compiled(tmp_path / "run", calls=60)
    broken = lines(tmp_path / "run")
    broken[4] = broken[4][:10]
    (tmp_path / "run" / "events.jsonl").write_text("\n".join(broken) + "\n")
    with pytest.raises(RunDirectoryError, match=r"line 5 of .*events\.jsonl"):
        compiled(tmp_path / "run", calls=60)


def test_settings_that_are_no_json_are_named(tmp_path):
    compiled(tmp_path / "run", calls=60)
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(RunDirectoryError, match=r"run\.json cannot be read.*another directory"):
        compiled(tmp_path / "run", calls=60)


def test_another_metric_is_another_run(tmp_path):
    compiled(tmp_path / "run", calls=60)
    with pytest.raises(ResumeError, match="metric was"):
        compiled(tmp_path / "run", calls=60, metric=lambda gold, pred, trace=None: float(gold.answer == pred.answer))


def test_a_directory_that_cannot_be_written_is_told_before_anything_is_paid_for(tmp_path):
    folder = Path("/sys/kernel") if os.geteuid() == 0 else tmp_path
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
    if not folder.is_dir():
        pytest.skip("no directory here that root may not write")
    lm = simulated_lm(0)
    task = simulated_task("object_counting", n_train=8, n_val=8)
    with dspy.context(lm=lm), pytest.raises(RunDirectoryError, match="cannot be written"):
        DLPOTeleprompter(task.metric, log_dir=folder).compile(task.program, trainset=task.trainset)
    assert engine_of(lm).counts.calls == 0


# The file size is limited, as a full disk limits it.
FULL_DISK = """
import resource, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/host"]
from test_resume import compiled
from dspy_dlpo import RunDirectoryError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    compiled(sys.argv[2])
except RunDirectoryError as error:
    print("told:", error)
"""


@pytest.mark.parametrize("size", [3_000, *(pytest.param(size, marks=pytest.mark.slow) for size in (40_000, 90_000))])
def test_a_full_disk_is_told_and_loses_nothing(size, tmp_path, request):
    pytest.importorskip("resource")
    folder = tmp_path / "run"
    command = [sys.executable, "-c", FULL_DISK, str(request.path.parent), str(folder), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout, done.stderr
    assert "it goes on from there" in done.stdout
    recorded = len(places(folder, "RunDone"))
    result, task_calls, _ = compiled(tmp_path / "undisturbed")
    again, new, _ = compiled(folder)
    assert story(again) == story(result)
    assert new == task_calls - recorded, "nothing that was recorded is asked for again"


@pytest.mark.slow
def test_runs_killed_at_random_moments_go_on(tmp_path):
    """A few kills of `scripts/chaos`, which makes fifty."""
    command = [sys.executable, str(ROOT / "scripts" / "chaos"), "--kills", "6", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["trials"] == 6
    assert summary["failed"] == 0
    assert summary["kills"] >= 6


def test_what_a_directory_holds_can_be_read_while_it_is_in_use(tmp_path):
    result, *_ = compiled(tmp_path / "run", calls=60)
    held = RunDirectory(tmp_path / "run")
    assert list(read_history(tmp_path / "run")) == list(result.history)
    held.close()
