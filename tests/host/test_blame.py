"""Which predictor is to blame: what counts as a critique that finds nothing, and where accepted edits go."""

from collections import Counter

import pytest

from dspy_dlpo.host.critic import says_right
from evaluations.blame import blamed


@pytest.mark.parametrize(
    "text",
    [
        "This step looks right.",
        "This module did its part correctly.",
        "The module did its part right; nothing to change.",
        "Nothing needs to change here.",
        "No changes are needed.",
        "The extraction was correct in all examples.",
    ],
)
def test_a_short_sentence_that_finds_nothing_blames_nobody(text: str) -> None:
    assert says_right(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is right only if the unit is given.",
        "The module should say the right unit.",
        "It is not correct.",
        "The instructions lack a rule for refunds.",
        "This step looks right. The next one forgets the unit.",
        "The step is right in most examples that were shown here; in others it counts one fruit twice.",
    ],
)
def test_a_critique_that_finds_something_does(text: str) -> None:
    assert not says_right(text)


@pytest.mark.parametrize("fault", ["extract", pytest.param("decide", marks=pytest.mark.slow)])
def test_accepted_edits_go_to_the_predictor_at_fault_where_a_critic_is_asked(fault: str) -> None:
    """`python -m evaluations.blame` measures it over 20 seeds, and without a critic; here are 4."""
    counts = sum((blamed(fault, seed, runs=400, critic=True)[0] for seed in range(4)), Counter())
    assert counts.total() >= 20
    assert counts[fault] >= 0.8 * counts.total()
