"""What of the inputs goes with an answer is told to a program that answers otherwise, before any model is asked."""

import dspy
import pytest
from scripted import labels_learned, scripted_lm

from dspy_dlpo import EditJudge, LearningRate, paper_settings
from dspy_dlpo.core.roles import Row
from dspy_dlpo.host.cue_edits import CueObserver

COLOURS = {"blue": "stop", "amber": "wait", "green": "go"}
EXAMPLES = [(f"a {colour} light, number {i}", answer) for i in range(8) for colour, answer in COLOURS.items()]
SOLVED = [dspy.Example(text=text, act=act).with_inputs("text") for text, act in EXAMPLES]
START = {"solve": "Say what to do."}
BLUE, AMBER = 'If `text` has "blue", `act` is stop.', 'If `text` has "amber", `act` is wait.'


def row(example, given, field="act"):
    text, answer = EXAMPLES[example]
    return Row(example, float(given == answer), {"text": text}, {"act": answer}, {field: given})


def offered(rows, prompts=None, takes=("text",), gives=("act",), high=1.0):
    labels = [{"act": answer} for _, answer in EXAMPLES]
    observe = CueObserver(SOLVED, labels, ["act"], {"solve": takes}, {"solve": gives}, lambda: rows, high)
    return observe(prompts or START)


def test_cues_of_wrong_answers_are_told_together():
    (seen,) = offered([row(0, "go"), row(1, "go"), row(2, "go"), row(3, "go")])
    assert {edit.text for edit in seen.edits} == {BLUE, AMBER}
    assert all((edit.op, edit.at, edit.predictor) == ("add", 1, "solve") for edit in seen.edits)
    assert "right in 8 of 8 training examples" in seen.edits[0].why
    assert seen.gradient.examples == ((0, 3, 1) if seen.edits[0].text == BLUE else (1, 0, 3)), "of the first cue first"


def test_nothing_is_told_where_it_would_mend_nothing():
    assert offered([row(i, EXAMPLES[i][1]) for i in range(6)]) == []
    assert offered([row(0, "go")], high=None) == []
    (seen,) = offered([row(0, "go")])
    assert offered([row(0, "go")], {"solve": f"{START['solve']} {seen.edits[0].text}"}) == []


def test_a_predictor_is_told_of_its_own_fields_alone():
    assert offered([row(0, "go")], takes=("notes",)) == []
    assert offered([row(0, "go")], gives=("notes",)) == []
    (seen,) = offered([row(0, "go", field="verdict")], gives=("reasoning", "verdict"))
    assert seen.edits[0].text.endswith("`verdict` is stop.")


def compiled(calls=150, **settings):
    """A program that heeds each sentence about a colour; the writer knows nothing."""

    def answer(system, user):
        if "[[ ## act ## ]]" not in system:
            return "FINDING: unclear.\nADD: Be precise."
        colour = next(each for each in COLOURS if f"a {each} light" in user)
        told = any(colour in each and COLOURS[colour] in each for each in system.split("If "))
        return f"[[ ## act ## ]]\n{COLOURS[colour] if told else 'go'}\n\n[[ ## completed ## ]]"

    student = dspy.Predict(dspy.Signature("text -> act", START["solve"]))
    settings = {"judging": EditJudge(first=12)} | settings
    return labels_learned(student, "act", scripted_lm(answer), SOLVED[:18], SOLVED[18:], calls, **settings)


def told_in(record):
    return [entry.edit.text for entry in record.ledger if entry.edit.text.startswith("If ")]


def test_a_run_learns_them_at_once_and_asks_nobody():
    better = compiled()
    trials = [each for each in better.detailed_results.history if told_in(each)]
    assert [(each.kind, each.accepted, each.asked) for each in trials] == [("trial", True, ())]
    assert trials[0].score == 1.0
    assert better.signature.instructions.count("If `text` has") == 2


def test_they_keep_to_the_rules_of_a_step():
    better = compiled(techniques=[LearningRate(max_edits=1)])
    trials = [each for each in better.detailed_results.history if told_in(each)]
    assert [len(told_in(each)) for each in trials] == [1, 1]


@pytest.mark.parametrize(
    "settings", [paper_settings(), {"judging": EditJudge(trials=False)}], ids=["paper", "no trials"]
)
def test_without_trials_none_is_told(settings):
    better = compiled(**settings)
    assert not any(told_in(each) for each in better.detailed_results.history)
