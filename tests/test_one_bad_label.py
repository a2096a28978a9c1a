"""One bad value costs an example: None, NaN, out of range and raising are alike once the metric has worked."""

import logging

import dspy
import pytest
from event_logs import keep, lines

from dspy_dlpo import Budget, DLPOTeleprompter, MetricError
from dspy_dlpo.simulation import engine_of, simulated_lm, simulated_task

TASK = simulated_task("object_counting", n_train=40, n_val=40)
BAD = {"train": TASK.trainset[13].question, "val": TASK.valset[5].question}


def right(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


def spoiled(what, where):
    def metric(gold, pred, trace=None):
        if gold.question == BAD[where]:
            if what == "raises":
                raise ValueError("no label")
            return what
        return right(gold, pred)

    return metric


def compiled(metric, calls=300, lm=None, **settings):
    with dspy.context(lm=lm or simulated_lm(0)):
        optimizer = DLPOTeleprompter(metric, budget=Budget(calls), num_threads=4, **settings)
        return optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset).detailed_results


@pytest.mark.few(4)
@pytest.mark.parametrize("what", ["raises", None, float("nan"), 7.0, "n/a"])
@pytest.mark.parametrize("where", ["train", "val"])
def test_one_bad_value_costs_one_example_and_is_told_once(what, where, caplog):
    with caplog.at_level(logging.WARNING, logger="dspy_dlpo"):
        result = compiled(spoiled(what, where))
    assert result.best_prompts != result.start_prompts
    assert result.comparison.examples == (36 if where == "val" else 37)
    assert result.spent["unscored"] > 1
    warnings = [each.message for each in caplog.records if "gave no score" in each.message]
    assert len(warnings) == 2
    assert f"the metric gave no score in {result.spent['unscored']} of" in warnings[1]


@pytest.mark.slow
def test_the_same_prompts_come_of_each_kind_of_bad_value():
    found = {str(compiled(spoiled(what, "train")).best_prompts) for what in ("raises", None, float("nan"), -1.0)}
    assert len(found) == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_metric_of_0_to_100_is_told_within_the_first_steps(seed):
    lm = simulated_lm(seed)
    with pytest.raises(MetricError, match=r"outside score_range=\(0, 1\).* of \d+ examples were out of range"):
        compiled(lambda gold, pred, trace=None: 100 * right(gold, pred), calls=2000, lm=lm)
    assert engine_of(lm).counts.reader_calls <= 80
    assert engine_of(lm).counts.writer_calls <= 4


def test_a_bad_value_and_a_kill_lead_to_the_same_end(tmp_path):
    metric = spoiled(None, "train")
    whole = compiled(metric, log_dir=tmp_path / "run")
    keep(tmp_path / "run", len(lines(tmp_path / "run")) // 2)
    again = compiled(metric, log_dir=tmp_path / "run")
    assert again.best_prompts == whole.best_prompts
    assert again.spent["unscored"] == whole.spent["unscored"]
