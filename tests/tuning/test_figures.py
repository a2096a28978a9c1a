"""The figures of a study: which there are, what they show, and that they are whole."""

import json
import threading

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from dspy_dlpo.tuning.figures import show_study

ON_OFF = optuna.distributions.CategoricalDistribution((True, False))


def figures_of(study) -> dict[str, dict]:
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {name: json.loads(text) for name, text in get_plotly_graph_objects(attributes).items()}


def add(study, n: int, usd: float | None = None) -> None:
    for i in range(n):
        attributes = {"words": 50 + i, **({} if usd is None else {"usd": usd * (i + 1)})}
        study.add_trial(
            create_trial(
                params={"Dropout": i % 2 == 0},
                distributions={"Dropout": ON_OFF},
                values=[0.5 + 0.2 * (i % 2)],
                user_attrs=attributes,
            )
        )


def test_the_best_so_far_never_falls_and_trial_0_is_a_line(study) -> None:
    add(study, 6)
    show_study(study)
    found = figures_of(study)
    curve = next(figure for name, figure in found.items() if "best" in name)
    assert any(list(each["y"]) == sorted(each["y"]) and len(each["y"]) == 6 for each in curve["data"])


def test_money_is_left_out_while_no_trial_has_a_price(study) -> None:
    add(study, 4)
    show_study(study)
    assert not any("money" in name or "usd" in name for name in figures_of(study))
    add(study, 4, usd=0.01)
    show_study(study)
    assert any("money" in name or "usd" in name for name in figures_of(study))


def test_the_effect_of_a_technique_is_on_less_off(study) -> None:
    add(study, 10)
    show_study(study)
    effects = next(figure for name, figure in figures_of(study).items() if "technique" in name or "effect" in name)
    assert effects["data"][0]["x"] == pytest.approx([-0.2]) or effects["data"][0]["y"] == pytest.approx([-0.2])


def test_a_study_of_two_objectives_has_figures_too(store) -> None:
    study = optuna.create_study(storage=store.storage, directions=["maximize", "minimize"])
    study.add_trial(create_trial(values=[0.5, 40], params={"Dropout": True}, distributions={"Dropout": ON_OFF}))
    show_study(study)
    assert figures_of(study)


@pytest.mark.slow
def test_writers_at_the_same_time_leave_whole_figures(study) -> None:
    add(study, 60, usd=0.01)
    writers = [threading.Thread(target=show_study, args=(study,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert figures_of(study), "every figure parses"


def test_a_study_without_trials_or_whose_trials_failed_shows_nothing(study) -> None:
    show_study(study)
    study.add_trial(create_trial(state=TrialState.FAIL))
    show_study(study)
    assert figures_of(study) == {}
