"""Where nothing can be gained, a gain is claimed in at most 5 % of runs: 200 whole runs, with edits without effect.

The scores are drawn at random for every prompt and example, so that every change of a prompt reshuffles them: the run
finds prompts that look better on the judging set, and must not claim that they are.
"""

import random

import pytest
from world import planned, runs_of

from dspy_dlpo import EditJudge, Judge, WholeJudge
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.loop import Run
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.update import TextGradient
from dspy_dlpo.presets import default_settings
from dspy_dlpo.run import selection

RUNS, TRAIN, VAL, CALLS = 200, 50, 50, 400
WHOLE = WholeJudge(trials=True)


def outcome(seed: int, graded: bool, judge: Judge) -> tuple[bool, bool]:
    """Whether the run found prompts that look better, and whether it claims a gain."""

    def score(which):
        def of(text, x, rollout):
            draw = random.Random(f"{seed}/{which}/{text}/{x}").random()
            return draw if graded else float(draw < 0.5)

        return of

    def write(updates, step):
        return [Reply((Edit("add", 0, f"Advice {seed} {step}. "), Edit("add", 1, f" Hint {step}."))) for _ in updates]

    settings = {**default_settings(), "judging": judge}
    plan = Plan(**settings, seed=seed, constraints={"solve": ()}, examples=[str(x) for x in range(TRAIN)])
    runs = runs_of(score("train"), limit=CALLS)
    count, n_val = planned(judge, VAL, CALLS)
    runs.account.reserve((count + 1) * n_val)
    run = Run(plan, {"solve": "Start."}, runs, lambda prompts, rows, step: [TextGradient("solve", "no")], write)
    list(run.records())
    candidates = selection.finalists(run, count)
    scored = selection.compare(run.start, candidates, runs_of(score("val")), range(n_val))
    chosen, comparison = selection.choose(scored, seed)
    said = selection.verdict(comparison, changed=chosen != run.start, score_range=(0.0, 1.0), where="valset")
    return bool(candidates), said.startswith("+")


@pytest.mark.parametrize("graded", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("judge", [EditJudge(), pytest.param(WHOLE, marks=pytest.mark.slow)], ids=["edit", "whole"])
def test_a_gain_is_claimed_in_at_most_five_percent_of_runs(graded, judge):
    outcomes = [outcome(seed, graded, judge) for seed in range(RUNS)]
    assert sum(gain for _, gain in outcomes) <= 0.05 * RUNS
    if judge is WHOLE:
        assert sum(found for found, _ in outcomes) >= RUNS / 2, "too few runs had anything to claim"
