"""The parts of a run, put together: its log, what it may spend, what it talks to, what chooses and what delivers."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.events import Started
from dspy_dlpo.core.history import prompts_key
from dspy_dlpo.core.judges import CHEAPEST
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.loop import Run
from dspy_dlpo.core.opening import PRICES, open_log
from dspy_dlpo.core.review import ReviewTime
from dspy_dlpo.core.storage import RunDirectory
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.pacing import Pacing
from dspy_dlpo.host.prices import Prices
from dspy_dlpo.run.choice import Selection
from dspy_dlpo.run.delivery import Delivery
from dspy_dlpo.run.expenses import Expenses
from dspy_dlpo.run.fingerprint import fingerprint
from dspy_dlpo.run.interrupt import StopSignals
from dspy_dlpo.run.reviewing import Reviewer
from dspy_dlpo.run.roles import Roles
from dspy_dlpo.run.selection import planned_selection
from dspy_dlpo.run.setup import Setup


@dataclass(frozen=True)
class Wiring:
    """The parts of a run.

    Args:
        log: What has happened.
        meter: Counts what is spent.
        run: Makes the records.
        selection: Chooses in the end.
        delivery: Makes what the user gets.
        reviewer: Asks a person about what was chosen; None to ask nobody then.
    """

    log: RunLog
    meter: Meter
    run: Run
    selection: Selection
    delivery: Delivery
    reviewer: Reviewer | None


def wire(setup: Setup, directory: RunDirectory | None, signals: StopSignals) -> Wiring:
    """Put the parts together, at the point that the run directory tells of.

    Args:
        setup: What the run is given.
        directory: Where it is written down; None for nowhere.
        signals: How the user ends it.

    Raises:
        RunDirectoryError: If the directory cannot be used.
    """
    settings, log = setup.settings, _opened_log(setup, directory)
    pacing = Pacing(settings.rates) if settings.rates else None
    meter = Meter(Prices(settings.budget.prices), lambda: log.state.before, pacing)
    expenses = Expenses(log, meter)
    finalists, examples = planned_selection(settings, setup.data)
    account = Account(
        settings.budget,
        settings.compared(finalists) * examples,
        kept=settings.judging.width or settings.judging.wave,
        used=expenses.used,
        log=log,
        stop=lambda: signals.ending,
    )
    account.reserve(max(0, account.reserved - log.state.count_runs("val", prompts_key(setup.start))))
    roles, review = Roles(setup, log, account, meter, expenses), settings.review
    reviewer = None if review is None else Reviewer(review, log, settings.on_record)
    in_steps = review is not None and review.when is ReviewTime.STEPS
    run = roles.run(reviewer if in_steps else None)
    selection = Selection(setup, run, log, lambda: roles.runs("val", setup.data.val))
    delivery = Delivery(setup, run, selection, expenses, roles.caches, directory)
    return Wiring(log, meter, run, selection, delivery, None if in_steps else reviewer)


def _opened_log(setup: Setup, directory: RunDirectory | None) -> RunLog:
    settings = setup.settings
    if directory is None:
        log = RunLog()
        log.add(Started(settings.budget.given))
        return log
    known = fingerprint(settings, setup.student, setup.data, setup.preflight.prompt_model, setup.languages)
    if settings.judging.prefer == CHEAPEST:  # what is chosen rests on prices, so they are those of the start to the end
        known = {**known, PRICES: setup.preflight.run_prices()}
    return open_log(directory, known, settings.budget)
