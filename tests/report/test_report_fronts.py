"""The fronts in the report: which are shown, and that unknown money is said to be unknown."""

from dspy_dlpo import DLPOResult, History
from dspy_dlpo.core.history import Record, prompts_key
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.report.fronts import NOT_KNOWN, front_tables

LONG, SHORT, SHORTEST = "five words are in here", "three words here", "word"


def result(judged, usd):
    """A run that judged prompts on two examples, by text and scores, and returned the first."""
    start = Record("start", 0, 0.0, {"a": "start"}, {"a": "start"}, batch=(0, 1))
    records = [
        Record("step", i, 0.0, {}, {"a": text}, scores={0: (scores[0],), 1: (scores[1],)}, complete=True)
        for i, (text, scores) in enumerate(judged.items(), 1)
    ]
    costs = {prompts_key({"a": text}): cost for text, cost in usd.items()}
    best = {"a": next(iter(judged))}
    return DLPOResult("v", {"a": "start"}, best, Comparison(), History([start, *records]), {}, run_usd=costs)


JUDGED = {LONG: (1.0, 1.0), SHORT: (1.0, 0.0), SHORTEST: (0.0, 0.0)}


def test_without_money_the_length_is_told_and_why_money_is_not():
    [table] = front_tables(result(JUDGED, {}))
    assert table.title == "Score against length"
    assert table.head == ("words", "score", "standard error", "returned")
    assert [row[0] for row in table.rows] == ["1", "3", "5"]
    assert table.rows[-1] == ("5", "1.000", "0.000", "yes")
    assert NOT_KNOWN in table.said
    assert front_tables(result({LONG: (1.0, 1.0)}, {})) == (), "nothing to choose from"


def test_money_has_a_column_and_where_it_tells_another_story_a_table():
    [same] = front_tables(result(JUDGED, {LONG: 0.003, SHORT: 0.002, SHORTEST: 0.001}))
    assert same.head[1] == "1,000 runs cost"
    assert [row[1] for row in same.rows] == ["$1.0000", "$2.0000", "$3.0000"]
    assert NOT_KNOWN not in same.said
    length, money = front_tables(result(JUDGED, {LONG: 0.001, SHORT: 0.002}))
    assert [row[1] for row in length.rows] == ["not known", "$2.0000", "$1.0000"]
    assert money.title == "Score against money"
    assert money.rows == (("5", "$1.0000", "1.000", "0.000", "yes"),)
    assert "2 training examples" in money.said
