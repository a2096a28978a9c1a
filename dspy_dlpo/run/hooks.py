"""What the roles ask of a run's log before they make a call, and tell it of each that came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dspy_dlpo.core.events import (
    FeedbackDone,
    ReplyDone,
    RunDone,
    Sent,
    What,
    ask_key,
    feedback_key,
    run_key,
)
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.tally import Tally
from dspy_dlpo.host.evaluate import Hooks, Spent
from dspy_dlpo.host.feedback import FeedbackHooks
from dspy_dlpo.host.prompting import Answer, Ask, AskHooks


def run_hooks(log: RunLog, which: str, may_start: Callable[[int], bool]) -> Hooks:
    """Of the evaluator of a set of examples."""

    def recorded(request: RunRequest) -> tuple[Row, Spent] | None:
        done = log.take(run_key(which, request))
        return (done.row, done.spent) if isinstance(done, RunDone) else None

    def on_row(request: RunRequest, row: Row, spent: Spent) -> None:
        _, name, prompts, _, rollout = run_key(which, request)
        log.add(RunDone(name, prompts, rollout, row, _now(spent)))

    return Hooks(recorded, may_start, on_row)


def feedback_hooks(log: RunLog, which: str, may_start: Callable[[int], bool], remembers: bool) -> FeedbackHooks:
    """Of what has the metric speak of single predictors."""

    def recorded(request: RunRequest) -> Mapping[str, str] | None:
        done = log.take(feedback_key(which, request))
        return done.feedbacks if isinstance(done, FeedbackDone) else None

    def on_said(request: RunRequest, texts: Mapping[str, str], spent: Tally) -> None:
        _, name, prompts, example, rollout = feedback_key(which, request)
        log.add(FeedbackDone(name, prompts, example, rollout, texts, _now({"metric": spent})))

    return FeedbackHooks(remembers, recorded, may_start, on_said)


def ask_hooks(log: RunLog, check: Callable[[], None]) -> AskHooks:
    """Of the prompt model."""

    def recorded(ask: Ask) -> Answer | None:
        done = log.take(ask_key(ask.key))
        return Answer(**done.answer) if isinstance(done, ReplyDone) else None

    def on_answer(ask: Ask, answer: Answer, spent: Tally) -> None:
        log.add(ReplyDone(ask.key, ask.label, ask.step, answer.to_dict(), _now({ask.role: spent})))

    return AskHooks(recorded, check, lambda number: log.add(Sent(What.ASK, number)), on_answer)


def _now(spent: Mapping[str, Tally]) -> dict[str, Any]:
    """What was spent by now: an abandoned call may still add to its own tally."""
    return {role: Tally(**tally.to_dict()) for role, tally in spent.items()}
