"""A program that breaks what all training answers have in common is told it before any model is asked."""

import pytest
from event_logs import cut, places
from scripted import engine, intents_named

from dspy_dlpo import EditJudge, paper_settings
from dspy_dlpo.core.roles import Row
from dspy_dlpo.host.answer_forms import answer_forms
from dspy_dlpo.host.answers import expected_answers
from dspy_dlpo.host.observing import Observer, label_lists

NAMES = ["card_late", "card_lost", "rates"]
EXPECTED = expected_answers([{"intent": name} for name in NAMES] * 4)
LIST = "Answer `intent` with exactly one of these, as written: card_late, card_lost, rates."
START = {"solve": "Name it."}


def row(example, given, score=0.0, field="intent"):
    return Row(example, score, {"message": "m"}, {"intent": NAMES[example % 3]}, {field: given})


def looking(outputs=None, high=1.0, expected=EXPECTED):
    return seeing(label_lists(expected), outputs or {"solve": ("intent",)}, high)


def seeing(rules, outputs, high=1.0):
    """What an observer of rules offers, by prompts and rows."""
    return lambda prompts, rows: Observer(rules, outputs, lambda: rows, high)(prompts)


def test_labels_are_listed_where_answers_are_none():
    rows = [row(0, "a late card"), row(1, "lost card"), row(2, "fx"), row(3, "card_late", 1.0)]
    (seen,) = looking()(START, rows)
    assert seen.edits[0].text == LIST
    assert (seen.edits[0].op, seen.edits[0].at, seen.edits[0].predictor) == ("add", 1, "solve")
    assert seen.gradient.text.startswith("3 of 3 wrong answers in intent are none of the 3 that occur in training")
    assert seen.gradient.examples == (0, 1, 2)


@pytest.mark.parametrize(
    ("rows", "prompts"),
    [
        ([row(i, "rates") for i in range(2)], START),
        ([row(i, "fx", 1.0) for i in range(6)], START),
        ([row(0, "fx"), row(1, "fx")], START),
        ([row(0, "fx")] * 3 + [row(0, "rates")] * 10, START),
        ([row(i, "fx") for i in range(6)], {"solve": f"Name it. {LIST}"}),
        ([row(i, "") for i in range(6)], START),
    ],
    ids=["a label, though wrong", "right to the metric", "too few", "too small a share", "listed", "empty"],
)
def test_labels_are_not_listed_otherwise(rows, prompts):
    assert looking()(prompts, rows) == []


def test_where_it_is_unknown_what_is_wrong_or_what_labels_there_are_nothing_is_listed():
    rows = [row(i, "fx") for i in range(6)]
    assert looking(high=None)(START, rows) == []
    assert looking(expected={})(START, rows) == []


def test_the_last_predictor_that_answers_is_told_by_the_name_of_its_own_field():
    rows = [row(i, "fx", field="category") for i in range(6)]
    both = looking({"draft": ("category",), "solve": ("notes", "category")})
    (seen,) = both(START | {"draft": "Draft it."}, rows)
    assert seen.edits[0].predictor == "solve"
    assert "`category`" in seen.edits[0].text
    assert looking({"solve": ("notes",)})(START, rows) == [], "what is answered comes from code"


def compiled(helps=True, **settings):
    """A program that answers rightly once it is told the names, or never; the writer knows nothing."""

    def answer(system, user):
        if "[[ ## intent ## ]]" not in system:
            return "CRITIQUE: unclear.\nADD: Be precise."
        number = int(user.split("message ")[-1].split()[0].strip("."))
        said = NAMES[number % 3] if helps and "card_lost" in system else "something"
        return f"[[ ## intent ## ]]\n{said}\n\n[[ ## completed ## ]]"

    return intents_named(answer, NAMES, 48, 150, **settings)


def tried(better):
    """The records in which the list was tried."""
    return [each for each in better.detailed_results.history if any(entry.edit.text == LIST for entry in each.ledger)]


def test_a_run_lists_them_first_and_asks_nobody():
    better, lm = compiled()
    (trial,) = tried(better)
    assert better.detailed_results.history[1] == trial
    assert (trial.kind, trial.accepted, trial.score, trial.asked) == ("trial", True, 1.0, ())
    assert "none of the 3 that occur in training" in trial.gradients[0].text
    assert len(trial.ledger[0].gained) == len(trial.scores) == 16
    assert better.signature.instructions == f"Name it. {LIST}"
    assert all("[[ ## intent ## ]]" in system for system, _ in engine(lm).asked), "no request to the writer"


def test_what_repairs_nothing_where_it_must_help_is_tried_on_one_wave_and_never_again():
    better, _ = compiled(helps=False)
    assert len(better.detailed_results.history.steps()) > 2
    (trial,) = tried(better)
    assert not trial.accepted
    assert str(trial.reason) == "repairs none of the first 8 that it is about"
    assert len(trial.scores) == 8
    assert better.signature.instructions == "Name it."


@pytest.mark.parametrize(
    "settings", [paper_settings(), {"judging": EditJudge(trials=False)}], ids=["paper", "no trials"]
)
def test_without_trials_nothing_is_listed(settings):
    better, _ = compiled(**settings)
    assert tried(better) == []


def test_a_run_cut_in_such_a_trial_goes_on_with_it_and_pays_for_nothing_twice(tmp_path):
    whole, lm = compiled(log_dir=tmp_path / "whole")
    (started, ended) = places(tmp_path / "whole", "Recorded")[:2]
    for count in (started + 1, (started + ended) // 2, ended):
        folder = cut(tmp_path / "whole", tmp_path / str(count), count)
        runs = len(places(folder, "RunDone"))
        again, more = compiled(log_dir=folder)
        assert again.detailed_results.history[1].ledger == whole.detailed_results.history[1].ledger
        assert again.signature.instructions == whole.signature.instructions
        assert len(engine(more).asked) == len(engine(lm).asked) - runs


def form_of(*values):
    rules = answer_forms([{"answer": value} for value in values])
    return rules[0].text.removeprefix("Write `{field}` exactly like ") if rules else ""


INVOICES = [f"INV-{1000 + 7 * i}; {2020 + i % 6}-{1 + i % 9:02}-{1 + i:02}; EUR {3**i}.{i:02}" for i in range(12)]


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (INVOICES, '"INV-####; 202#-##-##; EUR N.##", where # stands for a digit and N for a number.'),
        (
            [f"Ada Lo{'v' * i}e, +3585{i:02}" for i in range(12)],
            '"Ada Word, +3585##", where # stands for a digit and Word for a word with a capital.',
        ),
        ([str(i) for i in range(20)], '"N", where N stands for a number.'),
        ([f"{i}:{i * 7 % 60:02}" for i in range(1, 13)], '"N:##", where # stands for a digit and N for a number.'),
    ],
    ids=["invoice", "contact", "number", "time"],
)
def test_the_form_of_answers_is_read(values, form):
    assert form_of(*values) == form


@pytest.mark.parametrize(
    "values",
    [
        ["The cat sat.", "No.", "Who knows?"] * 4,
        [f"Ada Lo{'v' * i}e" for i in range(12)],
        ["a-1", "b-2"] * 10,
        [f"A-{i}" for i in range(9)],
        [f"A-{i}" for i in range(10)] + ["none", "n/a"],
        ["", *(" " for _ in range(20))],
    ],
    ids=["prose", "words", "labels", "too few", "two forms", "empty"],
)
def test_no_form_is_read_where_there_is_none(values):
    assert form_of(*values) == ""


def test_answers_of_another_form_are_told_it():
    (rule,) = rules = answer_forms([{"answer": value} for value in INVOICES])
    assert all(rule.fits(value) for value in INVOICES)
    assert not rule.fits("INV-1000, 1 March 2020, 3 EUR")
    rows = [Row(i, 0.0, {}, {"answer": INVOICES[i]}, {"answer": f"INV-1000 of {i} March"}) for i in range(4)]
    (seen,) = seeing(rules, {"solve": ("answer",)})(START, rows)
    assert seen.edits[0].text.startswith('Write `answer` exactly like "INV-####; 202#-##-##; EUR')
    assert "4 of 4 wrong answers in answer are not in the form INV" in seen.gradient.text
    assert seeing(rules, {"solve": ("answer",)})({"solve": seen.edits[0].text}, rows) == []
    fitting = [Row(i, 0.0, {}, {"answer": INVOICES[i]}, {"answer": INVOICES[i - 1]}) for i in range(4)]
    assert seeing(rules, {"solve": ("answer",)})(START, fitting) == [], "wrong, but in the right form"
