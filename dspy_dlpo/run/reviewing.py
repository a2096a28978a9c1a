"""Ask a person about edits in a run: nobody is asked twice, and what is left is compared anew."""

from __future__ import annotations

from contextlib import nullcontext

from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError, ReviewError
from dspy_dlpo.core.events import Answered
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.loop import Run
from dspy_dlpo.core.review import ASK, Review, ReviewAnswer, Suggestion, changes, checked, left, reviewed
from dspy_dlpo.host.lm_errors import one_line
from dspy_dlpo.progress.asking import ask_person, can_be_asked
from dspy_dlpo.run.choice import Chosen, Selection
from dspy_dlpo.run.setup import Setup


def check_review(review: Review | None) -> None:
    """Refuse a review that nobody can answer, before anything is spent.

    Raises:
        ValueError: If a person is to be asked, and there is neither a terminal nor a notebook.
    """
    if review is not None and review.approve == ASK and not can_be_asked():
        raise ValueError(
            "review= asks a person, and standard input is no terminal. Pass Review(approve=) a function, or run "
            "`dlpo diff` on the run later."
        )


class Reviewer:
    """Asks about one edit, unless the answer is known.

    Args:
        review: How to ask.
        log: The run's; answers are written down.
        on_record: What shows the run; one that can is paused while a person is asked.
    """

    def __init__(self, review: Review, log: RunLog, on_record: object = None) -> None:
        self._review, self._log = review, log
        self._paused = getattr(on_record, "paused", nullcontext)

    def __call__(self, suggestion: Suggestion) -> ReviewAnswer:
        """The answer.

        Raises:
            ReviewError: If there is none.
        """
        known = self._log.state.answers
        if suggestion.key not in known:
            answer = self._asked(suggestion)
            self._log.add(Answered(suggestion.key, suggestion.edit, answer, self._review.when))  # type: ignore[arg-type]
        return known[suggestion.key]

    def _asked(self, suggestion: Suggestion) -> ReviewAnswer:
        approve = self._review.approve
        with self._paused():
            if not callable(approve):
                return ask_person(suggestion)
            try:
                answer = approve(suggestion)
            except DLPOError:
                raise
            except Exception as error:
                raise ReviewError(f"approve failed: {type(error).__name__}: {one_line(str(error))}") from error
        return checked(answer)


def reviewed_choice(chosen: Chosen, setup: Setup, run: Run, selection: Selection, reviewer: Reviewer) -> Chosen:
    """What a person makes of the prompts that are to be returned.

    What cannot be asked about is not returned: the run has failed then, and the same call asks again.

    Args:
        chosen: What was chosen.
        setup: What the run was given.
        run: The run.
        selection: Compares what is left.
        reviewer: Asks.
    """
    suggestions = changes(setup.start, chosen.prompts, run.history)
    try:
        kept, declined = reviewed(suggestions, reviewer)
    except ReviewError as error:
        run.ended, run.error = Ending(EndedBy.REVIEW, str(error)), error
        return Chosen(setup.start)
    if not declined:
        return chosen
    run.declined = declined
    return selection.compared_anew(left(setup.start, kept))
