"""What is returned: finalists compared on held-out examples, and the gain in an interval that counts the choosing."""

import random

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World, planned, runs_of

from dspy_dlpo import EditJudge
from dspy_dlpo.core.errors import ModelError
from dspy_dlpo.core.history import Scored, prompts_key
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.run import selection
from dspy_dlpo.run.examples import split_holdout

START = {"solve": "Start."}


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    """Enough for a quantile of 2.5 %, and eight times as fast."""
    monkeypatch.setattr(selection, "RESAMPLES", 500)


def scored(*rows, first=0) -> list[Scored]:
    """The user's own prompts, then finalists, each with its scores."""
    names = ["Start.", *(f"Finalist {k}." for k in range(1, len(rows)))]
    return [Scored({"solve": name}, dict(enumerate(row, first))) for name, row in zip(names, rows, strict=True)]


# --- planning --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.integers(0, 500), st.integers(1, 6))
def test_the_selection_stays_within_its_share(calls: int, n_val: int, wanted: int) -> None:
    count, examples = planned(EditJudge(finalists=wanted), n_val, calls)
    assert (count + 1) * examples <= calls * THRESHOLDS.selection_share or (count, examples) == (0, 0)
    assert 0 <= count <= wanted
    assert 0 <= examples <= n_val
    assert (count == 0) == (examples == 0)


def test_nothing_is_set_aside_without_held_out_examples() -> None:
    assert planned(EditJudge(finalists=3), 0, 600) == (0, 0)


# --- choosing --------------------------------------------------------------------------------------------------------

tables = st.integers(1, 8).flatmap(
    lambda n: st.lists(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=n, max_size=n), min_size=2, max_size=5)
)


def test_the_shortest_that_is_close_to_the_best_is_chosen_where_that_is_preferred() -> None:
    best, close, far = [1] * 19 + [0], [1] * 18 + [0, 0], [1] * 9 + [0] * 11
    start, long, short, shortest = scored([0] * 20, best, close, far)
    long = Scored({"solve": "One that takes many words to say the same thing over and over."}, long.scores)
    rows = [start, long, short, shortest]
    assert selection.choose(rows, seed=0)[0] == long.prompts
    chosen, comparison = selection.choose(rows, seed=0, prefer="shortest")
    assert chosen == short.prompts
    assert comparison.best == 0.9
    assert comparison.chosen == 2


def test_no_short_one_is_chosen_that_is_no_better_than_the_start() -> None:
    start, long, short = scored([1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1])
    long = Scored({"solve": "One that takes many words to say it."}, long.scores)
    assert selection.choose([start, long, short], seed=0, prefer="shortest")[0] == long.prompts


def test_the_cheapest_that_is_close_to_the_best_is_chosen_where_that_is_preferred() -> None:
    best, close, far = [1] * 19 + [0], [1] * 18 + [0, 0], [1] * 9 + [0] * 11
    rows = scored([0] * 20, best, close, far)
    keys = [prompts_key(each.prompts) for each in rows]

    def chosen(*usd):
        """What is chosen at a cost of each finalist, which is doubled on every second example."""
        costs = [{} if each is None else {x: each * (1 + x % 2) for x in range(20)} for each in usd]
        return selection.choose(rows, seed=0, prefer="cheapest", costs=dict(zip(keys[1:], costs, strict=True)))[0]

    assert chosen(0.3, 0.2, 0.1) == rows[2].prompts
    assert chosen(0.2, 0.3, 0.1) == rows[1].prompts
    assert chosen(0.3, 0.3, 0.1) == rows[1].prompts, "equal ones are told apart by their words, then by their place"
    assert chosen(0.3, None, 0.1) == rows[1].prompts, "what is not known is not cheap"
    assert chosen(None, 0.2, 0.1) == rows[1].prompts, "nothing is known to be cheaper than the best"
    assert selection.choose(rows, seed=0, prefer="cheapest")[0] == rows[1].prompts


def test_costs_are_compared_on_the_examples_that_tell_both() -> None:
    """The second is dearer on each example, and seems cheaper only as it was not paid for on the long ones."""
    rows = scored([0] * 20, [1] * 19 + [0], [1] * 18 + [0, 0])
    first = {x: 1.0 if x < 10 else 9.0 for x in range(20)}
    second = dict.fromkeys(range(10), 2.0)
    costs = dict(zip([prompts_key(each.prompts) for each in rows[1:]], [first, second], strict=True))
    assert selection.choose(rows, seed=0, prefer="cheapest", costs=costs)[0] == rows[1].prompts


@given(tables)
def test_what_is_chosen_is_never_worse_than_the_start(rows) -> None:
    candidates = scored(*rows)
    chosen, comparison = selection.choose(candidates, seed=0)
    totals = {each.prompts["solve"]: sum(each.scores.values()) for each in candidates}
    assert totals[chosen["solve"]] == pytest.approx(max(totals.values()))
    assert comparison.difference >= 0
    assert comparison.best == pytest.approx(comparison.start + comparison.difference)
    assert comparison.best == pytest.approx(totals[chosen["solve"]] / len(rows[0]))


def test_a_tie_keeps_the_users_own() -> None:
    chosen, comparison = selection.choose(scored([1, 0, 1], [0, 1, 1], [1, 1, 0]), seed=0)
    assert chosen == START
    assert comparison.difference == 0


def test_of_equal_finalists_the_shorter_is_chosen() -> None:
    long = Scored({"solve": "Many words are in here."}, {0: 1.0, 1: 1.0})
    short = Scored({"solve": "Few."}, {0: 1.0, 1: 1.0})
    start = Scored(START, {0: 0.0, 1: 1.0})
    for order in ([start, long, short], [start, short, long]):
        assert selection.choose(order, seed=0)[0] == {"solve": "Few."}


def test_finalists_are_compared_on_the_examples_that_all_have_run() -> None:
    start, other = scored([0, 0, 1, 1], [1, 1, 1])[0], Scored({"solve": "B."}, {1: 0.0, 2: 1.0, 3: 1.0, 9: 1.0})
    chosen, comparison = selection.choose([start, other], seed=0)
    assert comparison.examples == 3
    assert chosen == START


@pytest.mark.parametrize("rows", [[], [*scored([1, 0]), Scored({"solve": "B."}, {7: 1.0})]])
def test_with_nothing_to_compare_nothing_is_chosen(rows) -> None:
    chosen, comparison = selection.choose(rows, seed=0)
    assert chosen is None
    assert comparison.candidates == 0


def test_where_nothing_better_was_found_the_users_own_prompts_are_scored() -> None:
    chosen, comparison = selection.choose(scored([1, 0, 0, 0]), seed=0)
    assert chosen is None
    assert (comparison.start, comparison.best, comparison.examples) == (0.25, 0.25, 4)
    said = selection.verdict(comparison, changed=False, score_range=(0.0, 1.0), where="valset")
    assert said == "no reliable gain: nothing better was found to compare; kept yours"


def test_the_same_seed_gives_the_same_interval() -> None:
    rows = scored([0, 1] * 30, [1, 1, 0, 1] * 15)
    assert selection.choose(rows, 3) == selection.choose(rows, 3)


# --- the interval ----------------------------------------------------------------------------------------------------


def claims(n: int, gain: float, runs: int = 400, finalists: int = 3) -> int:
    """In how many of `runs` simulated runs a gain is claimed."""
    found = 0
    for seed in range(runs):
        chance = random.Random(f"{n}/{gain}/{seed}")
        hard = [chance.random() for _ in range(n)]

        def row(plus: float, chance=chance, hard=hard) -> list[float]:
            return [float(chance.random() < (0.9 if each < 0.5 else 0.3) + plus) for each in hard]

        _, comparison = selection.choose(scored(row(0.0), *(row(gain) for _ in range(finalists))), seed)
        found += comparison.difference > 0 and comparison.interval[0] > 0
    return found


@pytest.mark.parametrize("n", [50, 200])
def test_where_nothing_can_be_gained_a_gain_is_claimed_in_at_most_one_run_of_twenty(n: int) -> None:
    assert claims(n, gain=0.0) <= 0.05 * 400


def test_where_much_is_gained_it_is_claimed() -> None:
    assert claims(200, gain=0.2, runs=40) >= 36


def test_one_finalist_gets_about_the_interval_of_a_paired_difference() -> None:
    chance = random.Random(5)
    start, other = ([chance.random() for _ in range(200)] for _ in range(2))
    comparison = selection.measured(scored(start, other), seed=0)
    differences = [b - a for a, b in zip(start, other, strict=True)]
    mean = sum(differences) / 200
    error = (sum((each - mean) ** 2 for each in differences) / 199 / 200) ** 0.5
    assert comparison.difference == pytest.approx(mean)
    assert comparison.interval == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.3 * error)


# --- the verdict -----------------------------------------------------------------------------------------------------


def said(changed=True, score_range=(0.0, 1.0), where="valset", **fields) -> str:
    given_fields = {"start": 0.5, "best": 0.6, "difference": 0.1, "interval": (0.02, 0.18), "examples": 100}
    return selection.verdict(
        Comparison(**{**given_fields, **fields}), changed=changed, score_range=score_range, where=where
    )


def test_a_sure_gain_is_told_in_points_with_its_interval() -> None:
    assert said() == "+10.0 points on valset (95% interval +2.0 .. +18.0)"


def test_outside_0_to_1_the_metrics_own_units_are_told() -> None:
    assert said(score_range=None) == "+0.1 on valset (95% interval +0.0 .. +0.2)"


def test_an_interval_that_reaches_zero_is_no_reliable_gain() -> None:
    assert said(interval=(-0.01, 0.2)).startswith("no reliable gain")
    assert said(interval=(0.0, 0.2)).startswith("no reliable gain")


@pytest.mark.parametrize("examples", [1, 29])
def test_below_thirty_examples_it_is_too_few_to_tell(examples: int) -> None:
    assert said(examples=examples).startswith("too few to tell")
    assert not said(examples=30).startswith("too few to tell")


def test_what_was_kept_or_not_held_out_is_said() -> None:
    assert "kept yours" in said(changed=False)
    assert "nothing was held out" in said(where="")
    assert said(start=None).startswith("no reliable gain")


# --- running on held-out examples, and holding out -------------------------------------------------------------------


def test_all_finalists_run_on_the_same_examples() -> None:
    runs = runs_of(lambda text, x, rollout: float(text == "B."))
    found = selection.compare(START, [{"solve": "B."}], runs, range(5))
    assert [sum(each.scores.values()) for each in found] == [0, 5]
    assert runs.account.spent == 10


def test_a_budget_that_ends_leaves_out_the_last_finalists() -> None:
    runs = runs_of(lambda text, x, rollout: 1.0, limit=12, wave=5)
    found = selection.compare(START, [{"solve": "B."}, {"solve": "C."}], runs, range(5))
    assert [each.prompts["solve"] for each in found] == ["Start.", "B."]


def test_a_dead_model_leaves_out_the_last_finalists() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        if text == "B.":
            raise ModelError("no quota")
        return 1.0

    found = selection.compare(START, [{"solve": "B."}], runs_of(score), range(5))
    assert [each.prompts for each in found] == [START]


@given(st.integers(0, 60), st.floats(0, 0.99), st.integers(0, 9))
def test_holding_out_splits_in_the_order_given(count: int, share: float, seed: int) -> None:
    examples = [dspy.Example(number=i).with_inputs("number") for i in range(count)]
    train, val = ([each.number for each in part] for part in split_holdout(examples, share, seed))
    assert sorted([*train, *val]) == list(range(count))
    assert train == sorted(train)
    assert val == sorted(val)
    assert len(val) == int(count * share)
    assert split_holdout(examples, share, seed) == split_holdout(examples, share, seed)


def test_a_world_counts_what_it_is_asked() -> None:
    world = World(lambda text, x, rollout: 1.0)
    runs = runs_of(world.score)
    selection.compare(START, [], runs, range(3))
    assert len(runs._forward.requests) == 3


def test_a_finalist_of_which_most_runs_were_lost_decides_nothing() -> None:
    start, good = [float(x < 60) for x in range(100)], [float(x < 80) for x in range(100)]
    lost = Scored({"solve": "Lost."}, dict.fromkeys(range(60, 65), 1.0))
    chosen, comparison = selection.choose([*scored(start, good), lost], seed=0)
    assert chosen == {"solve": "Finalist 1."}
    assert (comparison.examples, comparison.candidates) == (100, 1)
    chosen, _ = selection.choose([*scored(start, [0.0] * 100), lost], seed=0)
    assert chosen == START
    chosen, _ = selection.choose([*scored(start, good), Scored({"solve": "Silent."}, {})], seed=0)
    assert chosen == {"solve": "Finalist 1."}


def test_of_what_was_kept_no_gain_is_told() -> None:
    assert said(changed=False, examples=24) == "too few to tell: 24 compared; kept yours"
