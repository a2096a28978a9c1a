"""The space that is searched: read from the settings, conditional where a choice makes others idle."""

from dataclasses import replace

import optuna
import pytest

from dspy_dlpo import (
    Annealing,
    CosineDecay,
    Dropout,
    Greedy,
    LearningRate,
    LinearDecay,
    default_settings,
    seven_techniques,
)
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.tuning.job import search_parameters
from dspy_dlpo.tuning.space import Space

SHIPPED = Plan(batch_size=8, **default_settings())
SEVEN = {"beside": seven_techniques()["techniques"], "annealing": seven_techniques()["acceptance"]}


def drawn(space: Space, n: int = 150):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(n):
        trial = study.ask()
        yield trial, space.suggest(trial)


def test_the_shipped_parameters_are_the_shipped_settings() -> None:
    for space in (Space(SHIPPED), Space(SHIPPED, **SEVEN)):
        assert space.settings(space.shipped) == SHIPPED


def test_every_draw_is_legal_and_its_parameters_give_it_back() -> None:
    space, counts = Space(SHIPPED, **SEVEN), set()
    for trial, plan in drawn(space):
        assert space.settings(trial.params) == plan
        counts.add(len(plan.techniques))
        on = [
            name
            for name in ("LearningRate", "Dropout", "Momentum", "Contrastive", "Regularization")
            if trial.params[name]
        ]
        assert [type(each).__name__ for each in plan.techniques] == on
        assert isinstance(plan.acceptance, Annealing if trial.params["Annealing"] else Greedy)
    assert len(counts) > 3


def test_both_ends_of_a_schedule_are_drawn() -> None:
    rates = [
        each.max_edits for _, plan in drawn(Space(SHIPPED)) for each in plan.techniques if type(each) is LearningRate
    ]
    assert {type(each) for each in rates} == {LinearDecay}
    assert len({each.init_value for each in rates}) > 3 < len({each.end_value for each in rates})


def test_what_was_left_out_has_no_parameters() -> None:
    for trial, _ in drawn(Space(SHIPPED, **SEVEN), 30):
        if not trial.params["Dropout"]:
            assert "Dropout.p" not in trial.params


def test_a_shipped_value_outside_its_range_can_still_be_drawn() -> None:
    wide = replace(SHIPPED, techniques=(LearningRate(LinearDecay(20, 15)), Dropout(0.9)))
    space = Space(wide)
    assert space.settings(space.shipped) == wide
    known = {each.name: each.dimension for each in space.parameters}
    assert known["LearningRate.max_edits.init_value"].high == 20
    assert known["Dropout.p"].high == 0.9


def test_few_examples_make_small_batches() -> None:
    for _, plan in drawn(Space(SHIPPED, largest_batch=5), 30):
        assert 2 <= plan.batch_size <= 5


def test_what_the_user_chose_is_not_added_to() -> None:
    own = {each.name for each in search_parameters(techniques=[Dropout(0.3)], acceptance=Greedy())}
    assert "Dropout.p" in own
    assert not own & {"Momentum", "Annealing", "Regularization"}
    assert {"Dropout", "Momentum", "Annealing", "Regularization"} <= {each.name for each in search_parameters()}


@pytest.mark.parametrize(
    "changed", [{"techniques": ()}, {"batch_size": 4}, {"acceptance": Annealing(CosineDecay(1, 0))}]
)
def test_another_base_is_another_space(changed) -> None:
    assert Space(SHIPPED).digest == Space(replace(SHIPPED)).digest
    assert Space(replace(SHIPPED, **changed)).digest != Space(SHIPPED).digest
