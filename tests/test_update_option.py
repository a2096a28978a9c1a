"""``update=``: how many predictors one step touches."""

import dspy
import pytest

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task


@pytest.mark.parametrize("update", ["all", "most_blamed", "in_turn"])
def test_a_step_updates_as_many_predictors_as_it_is_told(update: str) -> None:
    task = simulated_task("support_desk", n_train=40, n_val=20, n_test=1)
    with dspy.context(lm=simulated_lm()):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=250), update=update)
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    steps = [{edit.predictor for edit in record.edits} for record in better.detailed_results.history.steps()]
    assert set().union(*steps) == {"extract", "decide"}
    most = max(map(len, steps))
    assert most == (2 if update == "all" else 1)


def test_another_update_is_told_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"update='some' must be one of 'all', 'most_blamed', 'in_turn'"):
        DLPOTeleprompter(lambda gold, pred: 1.0, update="some")
