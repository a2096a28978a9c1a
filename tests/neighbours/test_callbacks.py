"""DSPy's callbacks hear of compiles and of the evaluations on the valset."""

import dspy
import pytest
from dspy.utils.callback import BaseCallback

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task


class Heard(BaseCallback):
    """Keeps what it hears."""

    def __init__(self):
        self.compiles, self.compiled, self.evaluates, self.evaluated = [], [], [], []

    def on_compile_start(self, call_id, instance, inputs):
        self.compiles.append((call_id, instance, inputs))

    def on_compile_end(self, call_id, outputs, exception=None):
        self.compiled.append((call_id, outputs, exception))

    def on_evaluate_start(self, call_id, instance, inputs):
        self.evaluates.append((call_id, instance, inputs))

    def on_evaluate_end(self, call_id, outputs, exception=None):
        self.evaluated.append((call_id, outputs, exception))


def compiled(metric=None, **options):
    task = simulated_task("object_counting", n_train=30, n_val=30, n_test=2)
    heard = Heard()
    optimizer = DLPOTeleprompter(metric or task.metric, budget=Budget(metric_calls=300), num_threads=4, **options)
    with dspy.context(lm=simulated_lm(), callbacks=[heard]):
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    return task, optimizer, better, heard


def test_a_compile_is_told_once_with_its_arguments_and_its_result():
    task, optimizer, better, heard = compiled()
    [(started, instance, inputs)] = heard.compiles
    [(ended, outputs, exception)] = heard.compiled
    assert started == ended
    assert instance is optimizer
    assert inputs["student"] is task.program
    assert inputs["trainset"] is task.trainset
    assert inputs["valset"] is task.valset
    assert outputs is better
    assert exception is None


def test_a_compile_that_fails_is_told_once_with_its_exception():
    heard = Heard()
    task = simulated_task("object_counting", n_train=10)
    optimizer = DLPOTeleprompter(task.metric)
    with dspy.context(lm=simulated_lm(), callbacks=[heard]), pytest.raises(ValueError, match="trainset is empty"):
        optimizer.compile(task.program, trainset=[])
    [(_, outputs, exception)] = heard.compiled
    assert outputs is None
    assert isinstance(exception, ValueError)


def test_callbacks_of_the_optimizer_itself_hear_it_too():
    heard = Heard()
    task = simulated_task("object_counting", n_train=10)
    optimizer = DLPOTeleprompter(task.metric)
    optimizer.callbacks = [heard]
    with pytest.raises(ValueError, match="trainset is empty"):
        optimizer.compile(task.program, trainset=[])
    assert len(heard.compiles) == len(heard.compiled) == 1


def test_each_evaluation_on_the_valset_is_told_once():
    _, _, better, heard = compiled()
    comparison = better.detailed_results.comparison
    assert len(heard.evaluates) == len(heard.evaluated) == len(comparison.scores)
    assert [call_id for call_id, *_ in heard.evaluates] == [call_id for call_id, *_ in heard.evaluated]
    for (_, instance, inputs), (_, outputs, exception), scores in zip(
        heard.evaluates, heard.evaluated, comparison.scores, strict=True
    ):
        assert isinstance(instance, dspy.Evaluate)
        assert isinstance(inputs["program"], dspy.Module)
        assert inputs["callback_metadata"] == {"metric_key": "eval_full"}
        assert exception is None
        assert outputs.score == pytest.approx(100 * sum(scores.values()) / len(scores), abs=0.01)
        assert [score for *_, score in outputs.results] == list(scores.values())


def test_what_is_told_holds_the_program_with_the_prompts_that_ran():
    task, _, better, heard = compiled()
    shown = [inputs["program"].solve.signature.instructions for _, _, inputs in heard.evaluates]
    assert shown[0] == task.program.solve.signature.instructions
    assert better.solve.signature.instructions in shown
    for _, outputs, _ in heard.evaluated:
        example, prediction, _ = outputs.results[0]
        assert example in task.valset
        assert prediction.answer


def test_judging_on_the_trainset_tells_no_evaluation():
    _, _, better, heard = compiled()
    assert len(heard.evaluates) < 5
    assert better.detailed_results.spent["metric_calls"] > 100
