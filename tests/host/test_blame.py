"""Which predictor is to blame: what counts as a critique that finds nothing, and where accepted edits go."""

import collections

import dspy
import pytest

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.host.critic import says_right
from dspy_dlpo.simulation import Landscape, simulated_lm, simulated_task


@pytest.mark.parametrize(
    "text",
    [
        "This step looks right.",
        "This module did its part correctly.",
        "The module did its part right; nothing to change.",
        "Nothing needs to change here.",
        "No changes are needed.",
        "The extraction was correct in all examples.",
    ],
)
def test_a_short_sentence_that_finds_nothing_blames_nobody(text: str) -> None:
    assert says_right(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is right only if the unit is given.",
        "The module should say the right unit.",
        "It is not correct.",
        "The instructions lack a rule for refunds.",
        "This step looks right. The next one forgets the unit.",
        "The step is right in most examples that were shown here; in others it counts one fruit twice.",
    ],
)
def test_a_critique_that_finds_something_does(text: str) -> None:
    assert not says_right(text)


@pytest.mark.parametrize("fault", ["extract", "decide"])
def test_accepted_edits_go_to_the_predictor_at_fault(fault: str) -> None:
    """Measured over 20 seeds: all of 221 and of 197 accepted edits; here over 4."""
    counts: collections.Counter[str] = collections.Counter()
    for seed in range(4):
        task = simulated_task("support_desk", n_train=40, n_val=20, n_test=1, seed=seed)
        full = Landscape(task).best_prompts()
        for name, predictor in task.program.named_predictors():
            if name != fault:
                predictor.signature = predictor.signature.with_instructions(full[name])
        with dspy.context(lm=simulated_lm(seed)):
            optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=250), seed=seed)
            better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
        for record in better.detailed_results.history.steps():
            counts.update(entry.edit.predictor for entry in record.ledger if record.accepted and entry.kept)
    assert counts.total() >= 20
    assert counts[fault] >= 0.9 * counts.total()
