import pytest
from hypothesis import given
from hypothesis import strategies as st
from paying import pay

from dspy_dlpo.core.budget import AUTO, Account, Budget, BudgetSpent, resolve_budget


@pytest.mark.parametrize("calls", [0, -1, 1.5, "100", True, None])
def test_an_illegal_budget_is_refused(calls) -> None:
    with pytest.raises((ValueError, TypeError), match="metric_calls="):
        Budget(calls)


@pytest.mark.parametrize("auto", list(AUTO))
def test_a_preset_names_a_budget(auto: str) -> None:
    assert resolve_budget(auto, None) == Budget(AUTO[auto])


def test_a_budget_that_is_given_wins() -> None:
    assert resolve_budget("light", Budget(7)) == Budget(7)


@pytest.mark.parametrize("auto", ["huge", "", None])
def test_an_unknown_preset_is_refused_with_those_there_are(auto) -> None:
    with pytest.raises(ValueError, match=r"auto=.*'light'.*budget"):
        resolve_budget(auto, None)


@given(st.integers(1, 100), st.integers(0, 120), st.lists(st.integers(0, 30)))
def test_never_more_is_spent_than_there_is(limit: int, reserved: int, charges) -> None:
    account = Account(Budget(limit), reserved)
    last = account.progress
    for runs in charges:
        before = account.spent
        try:
            pay(account, runs)
            assert account.spent == before + runs
        except BudgetSpent:
            assert account.spent == before
            assert runs > account.left
        assert 0 <= account.spent <= limit - account.reserved
        assert last <= account.progress <= 1
        last = account.progress


def test_what_is_set_aside_can_be_released() -> None:
    account = Account(Budget(10), 4)
    pay(account, 6)
    with pytest.raises(BudgetSpent):
        pay(account, 1)
    account.release()
    pay(account, 4)
    assert (account.spent, account.left) == (10, 0)
    with pytest.raises(BudgetSpent):
        pay(account, 1)


def test_the_clock_runs_on_what_is_not_set_aside() -> None:
    account = Account(Budget(100), 50)
    pay(account, 25)
    assert account.progress == 0.5
