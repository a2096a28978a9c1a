"""What an example contributes to the score of a set: the mean is that score, and its differences are those left out."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.budget import Account, Budget
from dspy_dlpo.core.corpus import CorpusRuns
from dspy_dlpo.core.errors import MetricError
from dspy_dlpo.core.history import best_first
from dspy_dlpo.core.judging import Incumbent, judge
from dspy_dlpo.core.roles import Failure, Row

START, OTHER = {"solve": "Start."}, {"solve": "Start. Other."}


def f1(pairs):
    said = sum(a + b for a, b in pairs)
    return 2 * sum(a and b for a, b in pairs) / said if said else 0.0


def mcc(pairs):
    tp, tn = sum(a and b for a, b in pairs), sum(not a and not b for a, b in pairs)
    fp, fn = sum(b and not a for a, b in pairs), sum(a and not b for a, b in pairs)
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(below) if below else 0.0


def pearson(pairs):
    n = len(pairs)
    means = [sum(each) / n for each in zip(*pairs, strict=True)]
    moved = [(a - means[0], b - means[1]) for a, b in pairs]
    below = math.sqrt(sum(a * a for a, _ in moved) * sum(b * b for _, b in moved))
    return sum(a * b for a, b in moved) / below if below > 1e-12 else 0.0


def mean(pairs):
    return sum(a == b for a, b in pairs) / len(pairs)


class Scorer:
    """Scores rows by their labels and answers, which stand in them as numbers."""

    resamples = 100

    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, rows, ideal=()):
        self.calls += 1
        pairs = [
            (row.values["gold"], row.values["gold"] if row.example in ideal else row.values["said"]) for row in rows
        ]
        try:
            return self.f(pairs)
        except ZeroDivisionError as error:
            raise MetricError("undefined") from error

    def try_out(self, row):
        pass


def corpus(f, golds, said, wave=8, low=0.0, lost=(), failed=()):
    """Runs on examples with these labels; `said` has the answers by the text of the prompt."""

    def forward(requests):
        return [made(each.prompts["solve"], each.example) for each in requests]

    def made(text, x):
        if (text, x) in lost:
            return Row(x, None, failure=Failure.TRANSPORT)
        failure = Failure.PROGRAM if (text, x) in failed else Failure.NONE
        values = {"gold": golds[x], "said": said[text][x]}
        return Row(x, 0.0 if failure else None, outputs={"label": str(said[text][x])}, values=values, failure=failure)

    runs = CorpusRuns(forward, Account(Budget(10**6)), wave, score=Scorer(f), low=low, high=1.0)
    runs.ensure([({"solve": text}, x) for text in said for x in range(len(golds))])
    return runs


BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=20)


@given(BITS, st.sampled_from([f1, mcc, pearson, mean]))
def test_the_mean_of_the_contributions_is_the_score_and_their_differences_those_of_leaving_out(pairs, f):
    golds, said = [a for a, _ in pairs], [b for _, b in pairs]
    examples = list(range(len(pairs)))
    found = corpus(f, golds, {"Start.": said}, low=-1.0).means(START, examples)
    assert list(found) == examples
    assert math.fsum(found.values()) / len(pairs) == pytest.approx(f(pairs), abs=1e-9)
    without = [f([*pairs[:i], *pairs[i + 1 :]]) for i in examples]
    for i in examples:
        expected = (len(pairs) - 1) * (without[0] - without[i])
        assert found[i] - found[0] == pytest.approx(expected, abs=1e-9)


def test_where_the_metric_is_a_mean_contributions_are_the_scores():
    golds, said = [True, False, True, True], [True, True, False, True]
    found = corpus(mean, golds, {"Start.": said}).means(START, range(4))
    assert list(found.values()) == pytest.approx([1.0, 0.0, 0.0, 1.0])


def test_contributions_are_those_in_the_set_that_is_asked_for():
    golds, said = [True, True, False, False, False], [True, False, True, False, False]
    runs = corpus(f1, golds, {"Start.": said})
    for part in ([0, 1], [0, 2, 4], [4, 2, 0]):
        found = runs.means(START, part)
        assert list(found) == part
        assert math.fsum(found.values()) / len(part) == pytest.approx(f1([(golds[x], said[x]) for x in part]))


def test_what_costs_most_is_failing_and_what_costs_nothing_is_not():
    golds, said = [True, True, False, False], [True, False, True, False]
    runs = corpus(f1, golds, {"Start.": said})
    assert set(runs.failing(START, range(4), 1.0)) == {1, 2}
    told = {row.example: row for row in runs.told(START, range(4), range(4))}
    assert [told[x].score for x in range(4)] == [1.0, 0.0, 0.0, 1.0]
    assert "is 0.5; without this one it would be 0.667" in told[1].feedback
    assert not told[0].feedback


def test_where_leaving_out_tells_nothing_it_is_what_the_labels_would_gain():
    runs = corpus(f1, [True, True, False, False], {"Start.": [False] * 4})
    assert set(runs.failing(START, range(4), 1.0)) == {0, 1}
    assert "with the expected answer to this one it would be 0.667" in runs.told(START, [0], range(4))[0].feedback


def test_nothing_fails_at_the_best_score():
    golds = [True, False, True]
    assert corpus(f1, golds, {"Start.": golds}).failing(START, range(3), 1.0) == ()


def test_changes_are_those_of_one_answer_and_net_those_of_all():
    golds = [True, True, False, False]
    before, after = [True, False, False, False], [True, True, True, False]
    runs = corpus(f1, golds, {"Start.": before, "Start. Other.": after})
    base = f1(list(zip(golds, before, strict=True)))
    changes = runs.changes(START, OTHER, range(4))
    assert set(changes) == {1, 2}
    assert changes[1] == pytest.approx(4 * (1.0 - base))
    assert changes[2] < 0
    together = f1(list(zip(golds, after, strict=True)))
    assert runs.net(START, OTHER, range(4)) == pytest.approx(4 * (together - base))


@given(st.data(), st.sampled_from([f1, mcc]), st.integers(2, 30))
def test_a_proposal_is_judged_by_the_whole_set_with_no_early_stop(data, f, n):
    draw = lambda: data.draw(st.lists(st.booleans(), min_size=n, max_size=n))  # noqa: E731
    golds, said = draw(), {"Start.": draw(), "Start. Other.": draw()}
    runs = corpus(f, golds, said, low=-1.0)
    incumbent = Incumbent(runs, START, tuple(range(n)), 1.0, -1.0)
    old, new = (f(list(zip(golds, said[text], strict=True))) for text in said)
    judgement = judge(incumbent, OTHER, Bar(incumbent.mean))
    assert judgement.complete
    assert judgement.score == pytest.approx(new, abs=1e-9)
    if abs(new - old) > 1e-8:
        assert judgement.passed == (new > old)


def test_what_was_lost_is_left_out_of_both_sides():
    golds = [True] * 6 + [False] * 6
    said = {"Start.": [True, False] * 6, "Start. Other.": [True] * 12}
    runs = corpus(f1, golds, said, lost={("Start. Other.", 1)})
    incumbent = Incumbent(runs, START, tuple(range(12)))
    judgement = judge(incumbent, OTHER, Bar(incumbent.mean))
    left = [x for x in range(12) if x != 1]
    old, new = (f1([(golds[x], said[text][x]) for x in left]) for text in said)
    assert judgement.score == pytest.approx(incumbent.mean + new - old)


def test_a_set_without_a_score_is_the_lowest_once_the_metric_has_worked():
    def fragile(pairs):
        return f1(pairs) if any(b for _, b in pairs) else 1 / 0

    golds = [True, False, True]
    runs = corpus(fragile, golds, {"Start.": golds, "Start. Other.": [False] * 3})
    assert math.fsum(runs.means(START, range(3)).values()) / 3 == pytest.approx(1.0)
    assert set(runs.means(OTHER, range(3)).values()) == {0.0}
    assert runs.unscored_sets() == 1
    assert runs.unscored_sets([(START, range(3))]) == 0
    with pytest.raises(MetricError, match="undefined"):
        corpus(fragile, golds, {"Start.": [False] * 3}).means(START, range(3))


def test_prompts_are_ranked_by_the_score_on_what_both_have_run():
    golds = [True] * 4 + [False] * 4
    said = {"Start.": [True] * 4 + [False] * 4, "Start. Other.": [True] * 8}
    runs = corpus(f1, golds, said)
    first, second = runs.scored(START, range(4)), runs.scored(OTHER, range(8))
    assert best_first([second, first])[0].prompts == START  # equal on the first four, and shorter
    assert best_first([second, runs.scored(START, range(8))])[0].prompts == START


def test_the_metric_is_called_as_often_as_is_said():
    golds = [random.Random(1).random() < 0.5 for _ in range(20)]
    runs = corpus(f1, golds, {"Start.": golds, "Start. Other.": [not each for each in golds]})
    runs.means(START, range(20))
    assert runs._score.calls == 21
    runs.means(START, range(20))
    runs.failing(START, range(20), 1.0)
    assert runs._score.calls == 21
    incumbent = Incumbent(runs, START, tuple(range(20)))
    judge(incumbent, OTHER, Bar(incumbent.mean))
    incumbent.changes(OTHER)
    assert runs._score.calls <= 21 + 21 + 20
