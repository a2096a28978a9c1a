"""The numbers that the core decides by, beside what a user sets, in one place.

They were chosen on many worlds and hold for every run; a run directory is gone on with only under the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """What decides when, each in the unit that its name or its line says.

    Args:
        stalled: Steps in a row without a gain, after which the judging set grows.
        slow: Steps without a gain of the last three, at which trials begin.
        nearly_all: Share of the training examples; a growth to so much takes all of them.
        enough: Examples, or all there are, that pruning and targets wait for: that a sentence has no effect takes
            evidence.
        enough_for_trials: Examples on which trials begin: a sentence that does harm must go as soon as the steps stall.
        enough_for_own: Examples below which the user's own sentences are not tried, and go only for a gain.
        halvings: How often the better half of a proposal that failed is judged in its place.
        idle: Records in a row that cost no program run, after which the run ends: it goes round in circles.
        broken: First runs that fail by one mistake, which shows that the program cannot run.
        tries: How often in all a call of the prompts in force is made that is lost again and again.
        tried_together: Sentences that are tried without together.
        probation: Steps in which an added sentence has to prove itself: some rules help only together with later ones.
        missing: Share of its runs lost in transport, above which a judgement says nothing.
        priced: Share of the examples whose runs were paid for in full, below which it is not known what prompts cost.
        granted: Requests to the writer that are taken for granted of each form, of one half each.
        in_vain: Steps in one form without a gain, after which another form has its turn.
        recalled: Refused edits that the writer is reminded of.
        copied_words: Words in a row of one training input that are a copy.
        long_answer: Words; a longer answer that only one example has is a copy.
        unscored: Examples without a score at which, where they are more than `unscored_share` of those that ran, the
            metric is at fault, not a label.
        unscored_share: Share of the examples that ran.
        out_of_range: Scores out of range at which, where they are more than `out_of_range_share` of all, the range is
            wrong.
        out_of_range_share: Share of the scores.
        selection_share: Share of the budget that is set aside, at most, for comparing finalists.
        longer: How much more a run of finished prompts uses: they are longer than those of the run were on average.
        kept_share: Share of the budget that is kept, at most, for the runs that a crash may lose in flight: one wave.
    """

    stalled: int = 3
    slow: int = 2
    nearly_all: float = 0.75
    enough: int = 100
    enough_for_trials: int = 24
    enough_for_own: int = 30
    halvings: int = 2
    idle: int = 10
    broken: int = 8
    tries: int = 8
    tried_together: int = 6
    probation: int = 3
    missing: float = 0.1
    priced: float = 0.5
    granted: int = 4
    in_vain: int = 3
    recalled: int = 6
    copied_words: int = 8
    long_answer: int = 5
    unscored: int = 3
    unscored_share: float = 0.5
    out_of_range: int = 8
    out_of_range_share: float = 0.1
    selection_share: float = 0.25
    longer: float = 1.2
    kept_share: float = 0.1


THRESHOLDS = Thresholds()
