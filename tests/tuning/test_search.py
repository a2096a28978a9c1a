"""Search over settings: what it finds, what it claims, what it refuses, and that it repeats itself."""

import re
import warnings
from dataclasses import dataclass

import dspy
import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from searcher import PULSE, search, small_task

from dspy_dlpo import Budget, Constraint, DLPOTeleprompter, EditJudge, Task, Technique, tunable
from dspy_dlpo.core.edits import Dropped
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning import price, settings_of, tune
from dspy_dlpo.tuning import search as search_module
from dspy_dlpo.tuning.attempt import Attempt
from dspy_dlpo.tuning.slots import slot_of
from dspy_dlpo.tuning.storage import open_store
from dspy_dlpo.tuning.worker import WorkerError


@pytest.fixture(autouse=True)
def model():
    with dspy.context(lm=simulated_lm()):
        yield


@pytest.fixture
def storage(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def found(storage: str, n_trials: int = 3, **options):
    return tune(small_task(), n_trials=n_trials, budget_per_trial=80, storage=storage, pulse=PULSE, **options)


def trials_of(storage: str) -> list:
    with open_store(storage) as store:
        return store.storage.get_all_trials(store.storage.get_study_id_from_name("dlpo-tuning"))


@pytest.mark.slow
def test_trial_0_is_the_shipped_settings(storage) -> None:
    found(storage, pruning="none")
    first = trials_of(storage)[0]
    settings = DLPOTeleprompter(small_task().metric, batch_size=8).settings
    chosen = settings_of(first.params)
    assert chosen == {name: getattr(settings, name) for name in chosen}


@pytest.mark.slow
def test_the_result_is_a_ready_optimizer_and_the_line_that_makes_it(storage) -> None:
    result = found(storage, pruning="none")
    names: dict = {"metric": small_task().metric}
    exec(result.line.replace("DLPOTeleprompter(metric", "made = DLPOTeleprompter(metric"), names)
    for name in ("techniques", "acceptance", "judging", "batch_size"):
        assert getattr(names["made"].settings, name) == getattr(result.optimizer.settings, name)
    task = small_task()
    better = result.optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    assert better.detailed_results.spent["metric_calls"] <= 80
    assert result.trials == {"complete": 3, "pruned": 0, "given up": 0}


@pytest.mark.slow
def test_a_candidate_that_is_not_reliably_better_leaves_the_shipped_settings(storage) -> None:
    result = found(storage, pruning="none")
    assert result.claim.interval[0] <= result.claim.difference <= result.claim.interval[1]
    if result.claim.is_gain:
        assert result.optimizer.settings.techniques == result.candidate.settings.techniques
    else:
        shipped = DLPOTeleprompter(small_task().metric).settings
        assert result.optimizer.settings.techniques == shipped.techniques
        assert "kept" in result.verdict


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search(tmp_path) -> None:
    runs = []
    for name in ("one", "two"):
        storage = f"sqlite:///{tmp_path}/{name}.db"
        found(storage, n_trials=4, pruning="none", seed=3)
        runs.append([(each.params, each.values) for each in trials_of(storage)])
    assert runs[0] == runs[1]
    assert runs[0][1] != runs[0][2]


@pytest.mark.slow
def test_the_same_call_again_costs_nothing_and_more_trials_go_on(storage) -> None:
    first = found(storage, n_trials=2, pruning="none")
    asked = simulated_lm()
    with dspy.context(lm=asked):
        again = found(storage, n_trials=2, pruning="none")
    assert (again.verdict, again.spent) == (first.verdict, first.spent)
    assert len(asked.history) == 0
    found(storage, n_trials=4, pruning="none")
    assert [each.user_attrs["slot"] for each in trials_of(storage)] == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_study_refuses_another_search_and_says_what_differs(storage) -> None:
    found(storage, n_trials=2, pruning="none")
    with pytest.raises(ValueError, match=r"another budget_per_trial\. Pass the same, or another study_name"):
        tune(small_task(), n_trials=2, budget_per_trial=61, storage=storage, pulse=PULSE, pruning="none")
    with pytest.raises(ValueError, match=r"another program, data, metric or model"):
        tune(small_task("support_desk"), n_trials=2, budget_per_trial=60, storage=storage, pulse=PULSE, pruning="none")


class _Nothing(Constraint):
    text = "Change nothing."

    def admit(self, edits, prompt):
        return (), tuple(Dropped(edit, "nothing may change") for edit in edits)


@dataclass(frozen=True)
class Sulk(Technique):
    """Lets nothing change from a share on: a setting that is clearly worse."""

    share: float = tunable(0.0, low=0.0, high=1.0)

    def apply(self, update, ctx):
        return update.with_constraint(_Nothing()) if self.share > 0.2 else update


@pytest.mark.slow
def test_settings_that_are_worse_pair_by_pair_are_given_up(storage) -> None:
    tasks = [small_task(name) for name in ("object_counting", "support_desk")]
    options = {"n_trials": 6, "seeds_per_trial": 3, "budget_per_trial": 200, "storage": storage, "pulse": PULSE}
    result = tune(tasks, techniques=(Sulk(),), **options)
    pruned = [each for each in trials_of(storage) if each.state == TrialState.PRUNED]
    assert result.trials["pruned"] == len(pruned) > 0
    for trial in pruned:
        assert 2 <= len(trial.intermediate_values) < 6
        assert trial.user_attrs["runs"] > 0, "what it paid for is kept"


@pytest.mark.slow
def test_settings_that_learn_slowly_are_given_up_by_steps(storage) -> None:
    result = found(storage, n_trials=14, pruning="steps")
    pruned = [each for each in trials_of(storage) if each.state == TrialState.PRUNED]
    assert result.trials["pruned"] == len(pruned) > 0
    assert all(0 < each.user_attrs["runs"] < 60 for each in pruned)


@pytest.mark.slow
@pytest.mark.parametrize("pruning", ["steps", "pairs"])
def test_the_shipped_settings_are_never_given_up_as_the_claim_needs_them(storage, pruning) -> None:
    with search(storage, 2, pruning=pruning, seeds_per_trial=4) as working:
        working.study.pruner = optuna.pruners.ThresholdPruner(lower=2.0)  # gives everything up
        working.work()
    assert [each.state for each in trials_of(storage)] == [TrialState.COMPLETE, TrialState.PRUNED]


@pytest.mark.slow
def test_money_is_counted_where_prices_are_known(storage) -> None:
    budget = Budget(metric_calls=60, prices={simulated_lm().model: (1.0, 2.0)})
    result = tune(small_task(), n_trials=2, budget_per_trial=budget, storage=storage, pulse=PULSE)
    assert result.spent["usd"] == pytest.approx(sum(each.user_attrs["usd"] for each in trials_of(storage)), rel=1e-3)


def test_the_price_is_told_first_and_not_exceeded(storage) -> None:
    most = price(small_task(), n_trials=3, budget_per_trial=80)
    result = found(storage, pruning="none")
    assert most.runs == 3 * 80 + 3 * 40
    assert result.spent["runs"] <= 3 * 80


@pytest.mark.slow
def test_a_trial_that_was_taken_away_ends_at_its_next_record_and_is_gone_on_with(storage, monkeypatch) -> None:
    tell, taken = Attempt._tell_spending, []

    def take(self, runs: int) -> None:
        if not taken:  # as a worker does that has not heard of this one
            taken.append(runs)
            self._trial.storage.set_trial_state_values(self._trial._trial_id, TrialState.FAIL)
        tell(self, runs)

    monkeypatch.setattr(Attempt, "_tell_spending", take)
    result = found(storage, n_trials=2, pruning="none")
    assert [each.state.name for each in trials_of(storage)][:2] == ["FAIL", "COMPLETE"]
    assert result.trials == {"complete": 2, "pruned": 0, "given up": 0}
    assert result.spent["runs"] <= 2 * 80, "nothing is paid for twice"


@pytest.mark.slow
def test_a_database_that_is_away_when_a_trial_has_just_been_told_ends_nothing(storage, monkeypatch, tmp_path) -> None:
    asked = []

    def away_once(study, number):
        asked.append(number)
        if len(asked) == 1:
            raise StorageInternalError("the database system is shutting down")
        return slot_of(study, number)

    monkeypatch.setattr(search_module, "slot_of", away_once)
    assert found(storage, n_trials=2, pruning="none").trials["complete"] == 2
    assert asked == [0, 0, 1]
    assert not list(tmp_path.glob("**/runs/*")), "what is done is tidied up"


def test_a_model_that_fails_ends_the_worker(storage) -> None:
    def metric(gold, pred, trace=None):
        raise RuntimeError("no such field")

    known = small_task()
    broken = Task(known.program, metric, known.trainset, known.valset, known.testset)
    with pytest.raises(WorkerError, match=r"3 settings in a row failed; the last with MetricError: .*no such field"):
        tune(broken, n_trials=3, budget_per_trial=60, storage=storage, pulse=PULSE)
    assert all(each.state in (TrialState.FAIL, TrialState.WAITING) for each in trials_of(storage))


def without_testset() -> Task:
    known = simulated_task("object_counting")
    return Task(known.program, known.metric, known.trainset, known.valset)


BAD = {
    "no testset": ({"task": without_testset()}, ValueError, "no testset"),
    "no task": ({"task": 3}, TypeError, "Pass a dspy_dlpo.Task"),
    "few trials": ({"n_trials": 1}, ValueError, "at least 2"),
    "pruning": ({"pruning": "pairs"}, ValueError, "too few"),
    "own": ({"log_dir": "x"}, TypeError, "log_dir= is set by the search"),
    "budget": ({"budget_per_trial": 0}, ValueError, "metric_calls"),
    "storage": ({"storage": "nonsense://x"}, ValueError, "storage"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_before_anything_is_spent(name, storage) -> None:
    changed, kind, text = BAD[name]
    asked = simulated_lm()
    arguments = {"task": small_task(), "n_trials": 2, "storage": storage, "budget_per_trial": 60, **changed}
    with dspy.context(lm=asked), pytest.raises((kind, ImportError), match=re.escape(text)):
        tune(**arguments)
    assert len(asked.history) == 0


def test_a_technique_of_ones_own_is_searched_too(storage) -> None:
    from dspy_dlpo.tuning import search_parameters

    @dataclass(frozen=True)
    class Shout(Technique):
        volume: float = tunable(0.5, low=0.0, high=1.0)

        def apply(self, update, ctx):
            return update

    names = [each.name for each in search_parameters(techniques=(Shout(),), judging=EditJudge(first=8))]
    assert names[:2] == ["Shout", "Shout.volume"]


@pytest.mark.slow
def test_nothing_of_optuna_is_told_to_the_user(storage, capsys) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", optuna.exceptions.ExperimentalWarning)
        found(storage, n_trials=2, pruning="none")
    assert capsys.readouterr().out == ""
