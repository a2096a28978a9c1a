"""Pay from an account as the runs of a program do."""

from dspy_dlpo.core.budget import Account


def pay(account: Account, runs: int) -> None:
    """Make sure that runs can be paid for, and write down that they go out."""
    account.check(runs)
    account.send(runs)
