"""What was judged to its end when the budget ended is compared on what is held out, and a cut run goes on to the same."""

import json

import dspy
import pytest
from test_resume import cut, lines, story

from dspy_dlpo import Budget, DLPOTeleprompter, Judging, default_settings
from dspy_dlpo.core.attribution import TOGETHER
from dspy_dlpo.core.history import BUDGET_ENDED, prompts_key
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.techniques import Regularization


def compiled(log_dir, calls, name="word_sorting", **settings):
    """A run without pruning: what was judged is what is compared."""
    task = simulated_task(name, n_train=40, n_val=24)
    techniques = tuple(each for each in default_settings()["techniques"] if not isinstance(each, Regularization))
    optimizer = DLPOTeleprompter(
        task.metric,
        task_model=simulated_lm(0),
        prompt_model=simulated_lm(1),
        techniques=techniques,
        budget=Budget(metric_calls=calls),
        log_dir=log_dir,
        num_threads=1,
        **settings,
    )
    return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results


def compared(folder):
    """The keys of the prompts that ran on validation examples."""
    log = [json.loads(line) for line in lines(folder)]
    return {line["prompts"] for line in log if line["role"] == "task" and line["set"] == "val"}
