"""A metric written for GEPA works unchanged: what it says of single predictors is recorded, and told their critics."""

import json

import dspy
import pytest

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task


def gepa_metric(task, calls):
    def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
        score = task.metric(gold, pred)
        if pred_name is None:
            return score
        steps = [step for step in trace if step[0] is pred_trace[0][0]]
        calls.append((pred_name, len(pred_trace), len(steps), score))
        return dspy.Prediction(score=score, feedback=f"what {pred_name} should do", subscores={"tone": 0.25})

    return metric


def compiled(metric, task, **options):
    with dspy.context(lm=simulated_lm()):
        optimizer = DLPOTeleprompter(metric, budget=Budget(metric_calls=120), **options)
        return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results


@pytest.fixture
def task():
    return simulated_task("support_desk", n_train=30, n_val=10, n_test=1)


def test_each_predictor_of_an_imperfect_run_is_spoken_of(task, tmp_path):
    calls = []
    result = compiled(gepa_metric(task, calls), task, log_dir=tmp_path / "run")
    assert {name for name, _, _, _ in calls} == {"extract", "decide"}
    assert all(own == same == 1 and score < 1 for _, own, same, score in calls), "only its own steps, only if imperfect"
    lines = [json.loads(line) for line in (tmp_path / "run" / "calls.jsonl").read_text().splitlines()]
    rows = [line for line in lines if line.get("role") == "task" and line.get("score") == 0]
    said = {name: text for row in rows for name, text in row["feedbacks"].items()}
    assert said == {name: f"what {name} should do\nscores: tone 0.25" for name in ("extract", "decide")}
    assert result.spent["metric_calls"] <= 120


def test_the_score_counts_as_if_nothing_were_said(task):
    plain, spoken = compiled(task.metric, task), compiled(gepa_metric(task, []), task)
    assert plain.history[0].scores == spoken.history[0].scores


def test_a_metric_that_fails_on_single_predictors_still_scores(task):
    def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
        if pred_name is not None:
            raise KeyError(pred_name)
        return task.metric(gold, pred)

    assert compiled(metric, task).history[0].score is not None
