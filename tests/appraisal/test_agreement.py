"""Agreement and rank correlation, against figures that are published or can be worked out by hand."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.appraisal.agreement import agreement
from dspy_dlpo.appraisal.ranks import rank_correlation

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40)


def test_cohens_kappa_of_a_table_that_is_worked_out_by_hand():
    """20 times both yes, 15 both no, 5 and 10 otherwise: agreement 0.7, by chance 0.5."""
    pairs = [(1.0, 1.0)] * 20 + [(1.0, 0.0)] * 5 + [(0.0, 1.0)] * 10 + [(0.0, 0.0)] * 15
    both = agreement(*zip(*pairs, strict=True))
    assert both.same == pytest.approx(0.7)
    assert both.kappa == pytest.approx(0.4)
    assert both.concordance == pytest.approx(0.4), "of two kinds of scores both are the same"
    assert both.difference == pytest.approx(0.3)
    assert both.shift == pytest.approx(0.1)
    assert both.value == both.kappa


def test_many_different_scores_have_a_concordance_and_no_kappa():
    first = [i / 20 for i in range(20)]
    shifted = agreement(first, [each + 0.1 for each in first])
    assert shifted.kappa is None
    assert shifted.value == shifted.concordance < 1, "in line, and not the same"
    assert agreement(first, first).concordance == pytest.approx(1)
    assert agreement(first, first[::-1]).concordance == pytest.approx(-1)


def test_scores_that_never_differ_tell_nothing():
    alike = agreement([1.0] * 9, [1.0] * 9)
    assert alike.same == 1
    assert alike.kappa is alike.concordance is alike.value is None


@given(SCORES)
def test_agreement_does_not_depend_on_who_scored_first(pairs):
    first, second = zip(*pairs, strict=True)
    one, other = agreement(first, second), agreement(second, first)
    assert one.concordance == pytest.approx(other.concordance)
    assert one.shift == pytest.approx(-other.shift)
    assert one.concordance is None or -1.000001 <= one.concordance <= 1.000001


def test_rank_correlation_is_spearmans():
    """IQ and hours of television: the textbook example, rho = -29/165."""
    iq = [106, 86, 100, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 0, 27, 50, 28, 29, 20, 12, 6, 17]
    found = rank_correlation(iq, hours)
    assert found.value == pytest.approx(-29 / 165)
    assert found.interval[0] < -0.5 < 0.4 < found.interval[1]
    assert found.pairs == 10


def test_equal_values_share_their_rank():
    assert rank_correlation([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]).value == pytest.approx(1)


def test_few_pairs_or_a_side_that_never_differs_tell_nothing():
    assert rank_correlation(range(9), range(9)) is None
    assert rank_correlation([1] * 20, range(20)) is None


def test_the_interval_covers_no_correlation_in_about_19_of_20_draws():
    rng = random.Random(0)
    draws = [rank_correlation([rng.random() for _ in range(30)], [rng.random() for _ in range(30)]) for _ in range(400)]
    covered = sum(low <= 0 <= high for low, high in (each.interval for each in draws))
    assert 0.92 <= covered / 400 <= 0.98
