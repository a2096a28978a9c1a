"""What DSPy asks of every optimizer: the student is untouched, and the result is a program like any other."""

import copy
import json
import subprocess
import sys

import dspy
import pytest
from compiling import TRAIN, VAL, compiled, learned, right, scores, untouched
from engine import asked, copied, program_lm
from test_modules import AGENT, Pair, react

from dspy_dlpo import Budget, DLPOTeleprompter, ProgramError
from dspy_dlpo.host.evidence import FIELDS
from dspy_dlpo.host.program import TAG
from dspy_dlpo.simulation import simulated_lm, simulated_task


class Pipeline(dspy.Module):
    """Predictors as attribute, in a list, in a sub-module; one with a model of its own, one with demos."""

    def __init__(self):
        super().__init__()
        self.find = dspy.ChainOfThought("question -> facts")
        self.steps = [dspy.Predict(dspy.Signature("facts -> answer", "Copy."))]

    def forward(self, question):
        return self.steps[0](facts=self.find(question=question).facts)


def pipeline():
    student = Pipeline()
    student.steps[0].lm = program_lm("programs/own", answer=copied)
    student.find.predict.demos = [dspy.Example(question="What is number 3?", reasoning="So.", facts="found 3")]
    return student


PROGRAMS = {
    "predict": (lambda: dspy.Predict("question -> answer"), {}),
    "pair": (Pair, {}),
    "pipeline": (pipeline, {}),
    "agent": (react, AGENT),
}


@pytest.fixture(params=PROGRAMS)
def case(request):
    """A student, the model that runs it, and what became of it."""
    make, replies = PROGRAMS[request.param]
    lm = program_lm(**replies)
    return make, lm, compiled(make(), lm, calls=120)


def answers(program, lm):
    with dspy.context(lm=lm):
        return [program(**example.inputs()).answer for example in VAL]


@pytest.mark.few(2)
def test_saved_and_loaded_into_a_fresh_program_it_answers_the_same(case, tmp_path):
    make, lm, better = case
    better.save(tmp_path / "better.json")
    fresh = make()
    fresh.load(tmp_path / "better.json", allow_unsafe_lm_state=True)
    assert fresh.dump_state() == better.dump_state()
    for (_, new), (_, old) in zip(fresh.named_predictors(), make().named_predictors(), strict=True):
        new.lm = old.lm  # an engine is no part of what is saved
    assert answers(fresh, lm) == answers(better, lm)
    assert scores(fresh, lm) == scores(better, lm) == 1.0


@pytest.mark.few(2)
def test_it_runs_under_parallel_and_in_a_batch(case):
    _, lm, better = case
    with dspy.context(lm=lm):
        parallel = dspy.Parallel(num_threads=4, disable_progress_bar=True)
        several = parallel([(better, example) for example in VAL])
        batch = better.batch(VAL, num_threads=4, disable_progress_bar=True)
        evaluated = dspy.Evaluate(devset=VAL, metric=right, num_threads=4, display_progress=False)(better)
    assert [each.answer for each in several] == [each.answer for each in batch] == answers(better, lm)
    assert evaluated.score == 100.0


@pytest.mark.few(2)
def test_it_can_be_copied_and_compiled_again(case):
    _, lm, better = case
    for again in (copy.deepcopy(better), better.deepcopy()):
        assert answers(again, lm) == answers(better, lm)
    first = better.detailed_results
    again = compiled(better, lm, calls=120)
    assert again.detailed_results is not first
    assert better.detailed_results is first
    assert again.detailed_results.start_prompts == first.best_prompts
    assert scores(again, lm) == 1.0


def test_no_mark_of_the_run_is_left_in_it(case):
    _, _, better = case
    for _, predictor in better.named_predictors():
        assert not hasattr(predictor, TAG)
        assert "rollout_id" not in predictor.config


def test_a_program_whole_can_be_saved_and_loaded(tmp_path):
    lm = program_lm()
    better = compiled(dspy.Predict("question -> answer"), lm)
    better.save(tmp_path / "whole", save_program=True)
    loaded = dspy.load(tmp_path / "whole", allow_pickle=True)
    assert answers(loaded, lm) == answers(better, lm)
    assert loaded.detailed_results.verdict == better.detailed_results.verdict


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import dspy
from engine import program_lm
program = dspy.ChainOfThought("question -> answer")
program.load(sys.argv[2])
with dspy.context(lm=program_lm()):
    print(json.dumps([program(question=question).answer for question in json.loads(sys.argv[3])]))
"""


def test_a_fresh_process_that_loads_it_answers_the_same(tmp_path, request):
    better = compiled(dspy.ChainOfThought("question -> answer"))
    better.save(tmp_path / "better.json")
    questions = json.dumps([example.question for example in VAL])
    command = [sys.executable, "-c", SCRIPT, str(request.path.parent), str(tmp_path / "better.json"), questions]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == answers(better, program_lm()) == [example.answer for example in VAL]


@pytest.mark.parametrize("compiled_before", [False, True])
def test_whether_it_counts_as_compiled_stays_as_it_was(compiled_before):
    student = dspy.ChainOfThought("question -> answer")
    student._compiled = compiled_before
    better = compiled(student)
    assert (student._compiled, better._compiled) == (compiled_before, compiled_before)
    assert scores(better) == 1.0


def test_frozen_sub_modules_stay_as_they_are():
    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.done = dspy.ChainOfThought(dspy.Signature("question -> facts", "Find."))
            self.done._compiled = True
            self.answer = dspy.Predict("question, facts -> answer")

        def forward(self, question):
            return self.answer(question=question, facts=self.done(question=question).facts)

    student, own = Outer(), program_lm("programs/frozen")
    student.done.predict.lm = own
    student.done.predict.demos = [dspy.Example(question="q", reasoning="r", facts="f")]
    better = compiled(student)
    assert learned(better) == ["answer"]
    assert better.done.predict.signature is student.done.predict.signature
    assert better.done.predict.lm is own
    assert better.done.predict.demos == student.done.predict.demos
    assert better.done._compiled
    assert not hasattr(better.done.predict, TAG)
    assert asked(own)


def test_a_program_whose_only_module_is_frozen_is_refused_with_the_way_out():
    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.done = dspy.ChainOfThought("question -> answer")
            self.done._compiled = True

    with pytest.raises(ProgramError, match="_compiled=True"):
        compiled(Outer())


def test_a_student_stays_untouched_when_the_run_fails():
    student = pipeline()

    def broken(gold, pred, trace=None):
        raise KeyError("label")

    with untouched(student), pytest.raises(Exception, match="label"), dspy.context(lm=program_lm()):
        DLPOTeleprompter(broken, budget=Budget(40)).compile(student, trainset=TRAIN, valset=VAL)


def test_what_a_program_keeps_for_itself_is_not_written_by_runs():
    class Counting(Pair):
        def __init__(self):
            super().__init__()
            self.seen = []

        def forward(self, question):
            self.seen.append(question)
            return super().forward(question)

    student = Counting()
    better = compiled(student)
    assert (student.seen, better.seen) == ([], [])


def test_the_global_trace_and_history_of_the_user_stay():
    with dspy.context(trace=[]):
        compiled(Pair())
        assert dspy.settings.trace == []


@pytest.mark.parametrize("name", ["object_counting", "support_desk"])
def test_a_program_on_the_simulated_model_keeps_the_contracts(name, tmp_path):
    task, lm = simulated_task(name, n_train=24, n_val=10), simulated_lm(0)
    better = compiled(task.program, lm, metric=task.metric, train=task.trainset, val=task.valset)
    better.save(tmp_path / "better.json")
    fresh = simulated_task(name).program
    fresh.load(tmp_path / "better.json")
    data, metric = task.valset, task.metric
    kept = scores(task.program, lm, data=data, metric=metric)
    assert scores(fresh, lm, data=data, metric=metric) == scores(better, lm, data=data, metric=metric) >= kept


# --- what critic and writer are shown ---------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("critic", [True, False])


def shown(lm, critic: bool = True) -> str:
    """The first request to the critic, or to a writer without one."""
    assert critic or not any("critique" in call.outputs for call in asked(lm))
    return next(call.user for call in asked(lm) if call.outputs == ("critique" if critic else "edits",))


def test_a_writer_that_no_critic_tells_whose_fault_it_is_sees_the_program_around():
    lm = program_lm()
    compiled(Pipeline(), lm)
    told = f"{FIELDS['around'].capitalize()}:"
    requests = [call.user for call in asked(lm) if call.outputs == ("edits",)]
    assert requests
    assert all(told in request for request in requests)
    assert any("Around steps[0]: it ran after find.predict." in request for request in requests)
    alone = program_lm()
    compiled(dspy.Predict("question -> answer"), alone)
    assert not any(told in call.user for call in asked(alone))


@BOTH
def test_every_call_of_a_predictor_that_is_called_many_times_is_seen(critic):
    class Loop(dspy.Module):
        def __init__(self):
            super().__init__()
            self.step = dspy.Predict("question, attempt -> answer")

        def forward(self, question):
            for attempt in ("attempt-a", "attempt-b"):
                prediction = self.step(question=question, attempt=attempt)
            return prediction

    lm = program_lm()
    compiled(Loop(), lm, critic=critic)
    assert "attempt-a" in shown(lm, critic)


@BOTH
def test_what_the_only_predictor_answered_is_seen_where_the_program_returns_less(critic):
    class Short(dspy.Module):
        def __init__(self):
            super().__init__()
            self.think = dspy.ChainOfThought("question -> answer")

        def forward(self, question):
            return dspy.Prediction(answer=self.think(question=question).answer)

    lm = program_lm(reasoning=lambda call: "a-chain-of-thought")
    compiled(Short(), lm, critic=critic)
    assert "a-chain-of-thought" in shown(lm, critic)


def test_the_critic_sees_the_demos_of_the_predictor_under_review():
    student, lm = dspy.Predict("question -> answer"), program_lm()
    student.demos = [dspy.Example(question="a-demo", answer="1")]
    compiled(student, lm, critic=True)
    assert "a-demo" in shown(lm)


@BOTH
def test_a_trajectory_is_seen_once(critic):
    lm = program_lm(
        **{
            **AGENT,
            "next_tool_name": lambda call: "finish" if "observation_2" in call.user else "look_up",
            "next_tool_args": lambda call: json.dumps({} if "observation_2" in call.user else {"number": 7}),
            "answer": lambda call: "?",
        }
    )
    compiled(react(), lm, calls=40, critic=critic)
    first = shown(lm, critic).split("Example 2")[0]
    assert first.count("observation_0") <= 1


def test_a_program_that_is_only_async_can_be_probed_for_an_estimate():
    from test_modules import Async

    with dspy.context(lm=program_lm()):
        optimizer = DLPOTeleprompter(right, budget=Budget(40))
        assert optimizer.estimate(Async(), trainset=TRAIN, valset=VAL, probe=1).probed == 1
