from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World, runs_of

from dspy_dlpo.core.budget import Account, Budget, BudgetSpent, Used
from dspy_dlpo.core.events import Resumed, RunDone, Sent, What
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.runs import RunCache

A, B = {"solve": "A."}, {"solve": "B."}


def made(runs: RunCache) -> list[tuple[str, int, int]]:
    return [(request.prompts["solve"], request.example, request.rollout) for request in runs._forward.requests]


pairs = st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 5)))


@given(st.lists(pairs, max_size=4), st.integers(1, 9))
def test_no_pair_of_prompts_and_example_runs_twice(asked, wave: int) -> None:
    runs = runs_of(lambda text, x, rollout: 0.0, wave=wave)
    for requests in asked:
        runs.ensure(requests)
    counts = Counter(made(runs))
    assert set(counts) == {(prompts["solve"], x, 0) for requests in asked for prompts, x in requests}
    assert all(count == 1 for count in counts.values())
    assert runs.account.spent == len(counts)


def test_equal_texts_are_the_same_prompts() -> None:
    runs = runs_of(lambda text, x, rollout: 0.0)
    runs.ensure([({"a": "x", "b": "y"}, 0)])
    runs.ensure([({"b": "y", "a": "x"}, 0)])
    assert runs.account.spent == 1


def test_a_run_lost_in_transport_is_tried_once_more() -> None:
    runs = runs_of(lambda text, x, rollout: None if rollout == 0 and x == 1 else 0.5)
    runs.ensure([(A, 0), (A, 1)])
    assert made(runs) == [("A.", 0, 0), ("A.", 1, 0), ("A.", 1, 1)]
    assert runs.scores(A, 1) == (0.5,)
    assert len(runs.rows(A, 1)) == 2


def test_a_run_that_is_lost_twice_is_missing_and_costs_what_was_made() -> None:
    runs = runs_of(lambda text, x, rollout: None if x == 1 else 0.5)
    runs.ensure([(A, 0), (A, 1)])
    assert runs.account.spent == 3
    assert runs.means(A, [1]) == {}
    assert runs.means(A, [0, 1, 2]) == {0: 0.5}
    assert runs.all_scores(A, [0, 1]) == {0: (0.5,)}


def test_a_score_of_zero_is_a_score() -> None:
    runs = runs_of(lambda text, x, rollout: 0.0)
    runs.ensure([(A, 0)])
    assert runs.means(A, [0]) == {0: 0.0}
    assert runs.account.spent == 1


def sizes_of(count: int, wave: int, width: int | None, limit: int = 99) -> list[int]:
    sizes = []
    world = World(lambda text, x, rollout: 0.0)

    def forward(requests):
        sizes.append(len(requests))
        return world(requests)

    runs = RunCache(forward, Account(Budget(limit)), wave, width=width)
    with suppress(BudgetSpent):
        runs.ensure([(A, x) for x in range(count)])
    return sizes


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 30))
def test_so_many_whole_waves_go_out_together_as_the_width_holds(wave: int, times: int, count: int) -> None:
    sizes, width = sizes_of(count, wave, wave * times + wave - 1), wave * times
    assert sum(sizes) == count
    assert all(size == width for size in sizes[:-1])
    assert all(1 <= size <= width for size in sizes)


def test_without_a_width_all_runs_between_two_decisions_go_out_together() -> None:
    assert sizes_of(30, 8, None) == [30]


@given(st.integers(1, 9), st.integers(0, 30), st.integers(1, 40))
def test_what_the_budget_pays_for_does_not_hang_on_the_width(wave: int, count: int, limit: int) -> None:
    assert sum(sizes_of(count, wave, wave, limit)) == sum(sizes_of(count, wave, None, limit))


def test_a_wave_that_cannot_be_paid_for_is_not_made() -> None:
    runs = runs_of(lambda text, x, rollout: 1.0, limit=10, wave=4)
    with pytest.raises(BudgetSpent):
        runs.ensure([(A, x) for x in range(12)])
    assert len(made(runs)) == runs.account.spent == 8
    assert runs.means(A, [7]) == {7: 1.0}


def test_what_an_earlier_process_made_of_a_wave_before_its_money_ended_counts() -> None:
    prompts, log = {"solve": "Start."}, RunLog()
    log.add(Sent(What.RUN, 3))
    for x in range(3):
        log.add(RunDone.of("train", RunRequest(prompts, x), Row(x, 1.0), {}))
    log.add(Resumed())
    account = Account(Budget(usd=1.0), used=lambda: Used({"usd": 1.0}, {"usd": 0.1}), log=log)
    runs = RunCache(World(lambda text, x, rollout: 1.0), account, 4)
    with pytest.raises(BudgetSpent):
        runs.ensure([(prompts, x) for x in range(4)])
    assert (len(runs), log.state.paid) == (3, 3)
