"""Other optimizers, each with its best settings that end at or under the cap.

How many runs of the program each spends was counted at the engine; the formulas stand beside the settings. Of those in
`CANDIDATES` the ones were chosen that scored best on six simulated tasks, of which four have gone since; ``python -m
evaluations.peer_settings`` tries them on worlds for development.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import dspy

from evaluations.arms.ours import optimize
from evaluations.arms.ours import settings as our_settings
from evaluations.arms.setup import Arm, Setup


def start(setup: Setup) -> dspy.Module:
    """The user's own prompts."""
    return setup.task.program


def mipro_with_demos(setup: Setup, **options: int) -> dspy.Module:
    """MIPROv2 as it is shipped: it chooses instructions and demos."""
    return _mipro(setup, demos=4, **options)


def mipro_zero_shot(setup: Setup, **options: int) -> dspy.Module:
    """MIPROv2 without demos."""
    return _mipro(setup, demos=0, **options)


def _mipro(setup: Setup, demos: int, n_val: int = 30, batch: int = 15, candidates: int = 8) -> dspy.Module:
    # V + T mb + F V + bootstrap, F = T / 5 + 1 full evaluations, bootstrap <= (candidates - 1) examples each.
    val = setup.task.valset[:n_val]
    shown = setup.task.trainset[: max(6, setup.runs // 5 // (candidates - 1))]
    left = setup.runs - (candidates - 1) * len(shown) - 2 * len(val)
    trials = max(2, int(left / (batch + len(val) / 5)))
    optimizer = dspy.MIPROv2(
        metric=setup.task.metric,
        prompt_model=setup.prompt_lm,
        task_model=setup.task_lm,
        auto=None,
        num_candidates=candidates,
        max_bootstrapped_demos=demos,
        max_labeled_demos=demos,
        seed=setup.seed + 1,  # 0 is taken for none
        num_threads=setup.num_threads,
        verbose=False,
    )
    return optimizer.compile(
        setup.task.program,
        trainset=shown,
        valset=val,
        num_trials=trials,
        minibatch=batch < len(val),
        minibatch_size=batch,
        minibatch_full_eval_steps=5,
    )


def copro(setup: Setup, breadth: int = 10, depth: int = 3) -> dspy.Module:
    """COPRO."""
    # One predictor: N breadth depth. Several: in every round each predictor's earlier candidates run again.
    predictors = len(setup.task.program.predictors())

    def count(depth: int) -> int:
        rounds = depth if predictors == 1 else predictors * depth * (depth + 1) // 2 + depth
        return setup.runs // (breadth * rounds)

    # Its signatures grow with every candidate of a second predictor, past Python's usual depth of copying.
    sys.setrecursionlimit(max(20_000, sys.getrecursionlimit()))
    while depth > 1 and count(depth) < 8:  # on fewer examples a score says nothing
        depth -= 1
    optimizer = dspy.COPRO(prompt_model=setup.prompt_lm, metric=setup.task.metric, breadth=breadth, depth=depth)
    options = {"num_threads": setup.num_threads, "display_progress": False}
    return optimizer.compile(setup.task.program, trainset=setup.examples[: max(1, count(depth))], eval_kwargs=options)


def gepa(setup: Setup, n_val: int = 20, minibatch: int = 3) -> dspy.Module:
    """GEPA, with its feedback metric."""
    # max_metric_calls, exceeded by up to 2 minibatches and V.
    val = setup.task.valset[:n_val]
    optimizer = dspy.GEPA(
        metric=setup.task.feedback_metric,
        max_metric_calls=max(n_val + 1, setup.runs - n_val - 2 * minibatch),
        reflection_minibatch_size=minibatch,
        reflection_lm=setup.prompt_lm,
        seed=setup.seed,
        num_threads=setup.num_threads,
    )
    rest = [*setup.task.trainset, *setup.task.valset[n_val:]]
    return optimizer.compile(setup.task.program, trainset=rest, valset=val)


def simba(setup: Setup, size: int = 8, candidates: int = 4, count: int = 20) -> dspy.Module:
    """SIMBA; it chooses demos and rules."""
    # steps bsize (C + C + 1) + N (C + 1)
    steps = max(1, (setup.runs - count * (candidates + 1)) // (size * (2 * candidates + 1)))
    optimizer = dspy.SIMBA(
        metric=setup.task.metric,
        bsize=size,
        num_candidates=candidates,
        max_steps=steps,
        prompt_model=setup.prompt_lm,
        num_threads=setup.num_threads,
    )
    return optimizer.compile(setup.task.program, trainset=setup.examples[:count], seed=setup.seed)


def infer_rules(setup: Setup, n_val: int = 30) -> dspy.Module:
    """InferRules; the rules are written by the prompt model, demos are kept."""
    # bootstrap <= |train| + C V
    val = setup.task.valset[:n_val]
    shown = setup.task.trainset[: max(1, setup.runs - 3 * len(val))]  # of hundreds, no more than the cap allows
    candidates = max(1, (setup.runs - len(shown)) // len(val))
    optimizer = dspy.InferRules(
        metric=setup.task.metric, num_candidates=candidates, num_rules=10, num_threads=setup.num_threads
    )
    optimizer.rules_induction_program.teacher_settings = {"lm": setup.prompt_lm}
    return optimizer.compile(setup.task.program, trainset=shown, valset=val)


def bootstrap(setup: Setup) -> dspy.Module:
    """BootstrapFewShot; it chooses demos only."""
    optimizer = dspy.BootstrapFewShot(metric=setup.task.metric, max_bootstrapped_demos=4, max_labeled_demos=8)
    return optimizer.compile(setup.task.program, trainset=setup.task.trainset[: max(1, setup.runs)])


def bootstrap_then_ours(setup: Setup) -> dspy.Module:
    """BootstrapFewShot, and our optimizer on its result with what it leaves of the runs."""
    with_demos = bootstrap(setup)
    left = setup.runs - min(len(setup.task.trainset), setup.runs)
    after = replace(setup, task=replace(setup.task, program=with_demos))
    with_demos._compiled = False
    return optimize(after, our_settings()["default"], max(1, left))


# Budgets in program runs up to which the first, and the second, of the settings chosen below are used.
SMALL, MEDIUM = 800, 1500
Options = Mapping[str, int]
CANDIDATES: Mapping[str, tuple[Callable[..., dspy.Module], list[Options]]] = {
    "MIPROv2 (with demos)": (
        mipro_with_demos,
        [
            {"n_val": 30, "batch": 15, "candidates": 8},
            {"n_val": 50, "batch": 25, "candidates": 8},
            {"n_val": 20, "batch": 20, "candidates": 12},
            {"n_val": 50, "batch": 25, "candidates": 16},
        ],
    ),
    "MIPROv2 (zero-shot)": (
        mipro_zero_shot,
        [
            {"n_val": 30, "batch": 15, "candidates": 8},
            {"n_val": 50, "batch": 25, "candidates": 8},
            {"n_val": 20, "batch": 20, "candidates": 12},
            {"n_val": 50, "batch": 25, "candidates": 16},
        ],
    ),
    "COPRO": (
        copro,
        [
            {"breadth": 10, "depth": 3},
            {"breadth": 6, "depth": 5},
            {"breadth": 16, "depth": 3},
            {"breadth": 10, "depth": 8},
        ],
    ),
    "GEPA": (
        gepa,
        [
            {"n_val": 12},
            {"n_val": 20},
            {"n_val": 30},
            {"n_val": 50},
            {"n_val": 12, "minibatch": 5},
            {"n_val": 20, "minibatch": 5},
        ],
    ),
    "SIMBA": (
        simba,
        [
            {"size": 8, "candidates": 4, "count": 20},
            {"size": 16, "candidates": 5, "count": 40},
            {"size": 8, "candidates": 6, "count": 20},
            {"size": 32, "candidates": 6, "count": 40},
        ],
    ),
    "InferRules": (infer_rules, [{"n_val": 20}, {"n_val": 30}, {"n_val": 50}]),
}
# The best of them up to `SMALL`, up to `MEDIUM` (tried for those whose curves are shown), and above.
CHOSEN: Mapping[str, tuple[Options, Options, Options]] = {
    "MIPROv2 (with demos)": (
        {"n_val": 30, "batch": 15, "candidates": 8},
        {"n_val": 50, "batch": 25, "candidates": 16},
        {"n_val": 50, "batch": 25, "candidates": 16},
    ),
    "MIPROv2 (zero-shot)": (
        {"n_val": 20, "batch": 20, "candidates": 12},
        {"n_val": 30, "batch": 15, "candidates": 8},
        {"n_val": 50, "batch": 25, "candidates": 16},
    ),
    "COPRO": ({"breadth": 6, "depth": 5},) * 3,
    "GEPA": ({"n_val": 20, "minibatch": 5}, {"n_val": 20, "minibatch": 5}, {"n_val": 50}),
    "SIMBA": (
        {"size": 8, "candidates": 6, "count": 20},
        {"size": 16, "candidates": 5, "count": 40},
        {"size": 16, "candidates": 5, "count": 40},
    ),
    "InferRules": ({"n_val": 30},) * 3,
}


def _chosen(name: str) -> Arm:
    arm = CANDIDATES[name][0]
    return lambda setup: arm(setup, **CHOSEN[name][(setup.runs > SMALL) + (setup.runs > MEDIUM)])


def arms() -> dict[str, Arm]:
    """Every peer, by name."""
    fixed: dict[str, Any] = {
        "start prompt": start,
        "BootstrapFewShot": bootstrap,
        "BootstrapFewShot, then DLPO": bootstrap_then_ours,
    }
    return {**{name: _chosen(name) for name in CANDIDATES}, **fixed}
