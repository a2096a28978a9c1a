"""Our writer inside `dspy.GEPA`: a few sentence edits, limits that hold whatever is answered, and a ledger."""

import json
import re

import dspy
import pytest
from dspy.lm15 import AuthError
from scripted import engine, fields, scripted_lm

from dspy_dlpo import Aim, DLPOProposer, ModelError
from dspy_dlpo.core.edits import distance
from dspy_dlpo.core.sentences import count_words
from dspy_dlpo.simulation import simulated_lm, simulated_task

PROMPT = "Name the intent of the message. Be brief."
QUESTION = "my card was charged twice for the same pair of shoes on friday"
RECORDS = [
    {
        "Inputs": {"message": QUESTION},
        "Generated Outputs": {"intent": "greeting"},
        "Feedback": "Wrong. It is a complaint.",
    },
    {"Inputs": {"message": "hello there"}, "Generated Outputs": {"intent": "greeting"}, "Feedback": "Right."},
]
ADD = "ADD: A charge that came twice is a complaint."


def proposed(answer, records=RECORDS, prompt=PROMPT, **settings):
    """The new text, the ledger's entry, and what the model was asked."""
    lm = scripted_lm(answer if callable(answer) else lambda system, user: answer)  # in whatever form it is asked
    proposer = DLPOProposer(**settings)
    with dspy.context(lm=lm):
        texts = proposer({"classify": prompt}, {"classify": records}, ["classify"])
    [entry] = proposer.ledger or [None]
    return texts["classify"], entry, engine(lm).asked


def reasons(entry):
    return [each["reason"] for each in entry["dropped"]]


def test_an_edit_is_admitted_and_written_down():
    text, entry, asked = proposed(f"{ADD}\nCRITIQUE: Charges are missing.")
    assert text == f"{PROMPT} A charge that came twice is a complaint."
    assert (entry["component"], entry["before"], entry["after"]) == ("classify", PROMPT, text)
    assert [(each["op"], each["at"]) for each in entry["edits"]] == [("add", 2)]
    assert (entry["dropped"], entry["error"], entry["critique"]) == ([], "", "Charges are missing.")
    assert len(asked) == 1


def test_the_writer_is_shown_what_gepa_tells():
    _, _, [(system, user)] = proposed(ADD)
    for said in (
        "classify: given message; answers intent",
        f"classify was given message: {QUESTION}",
        "classify answered intent: greeting",
        "feedback: Wrong. It is a complaint.",
        "their feedback says",
    ):
        assert said in system + user
    assert "score" not in user, "GEPA tells none"


def test_a_reply_that_could_not_be_read_is_shown_as_that():
    record = {"Inputs": {"message": "hello"}, "Generated Outputs": "Sure!", "Feedback": "It failed to parse."}
    _, _, [(_, user)] = proposed(ADD, [record])
    assert "classify answered in no form that can be read: Sure!" in user
    assert "classify: given message; answers \n" in user


# --- limits ---


def test_no_more_sentences_change_than_allowed():
    text, entry, [(_, user)] = proposed(f"{ADD}\nDELETE 2\nADD: Say nothing else.", max_edits=1)
    assert text == f"{PROMPT} A charge that came twice is a complaint."
    assert reasons(entry) == ["more than 1 sentences in one step"] * 2
    assert "Change at most one sentence" in user


def test_no_text_grows_past_its_limit():
    text, entry, [(_, user), *_] = proposed(lambda system, user: ADD if "ADD:" in user else "", max_words=10)
    assert text == PROMPT
    assert set(reasons(entry)) == {"the prompt would grow past 10 words"}
    assert "within 10 words" in user
    assert proposed(ADD, max_words=None)[0] != PROMPT


def test_frozen_text_survives():
    text, entry, [(_, user), *_] = proposed(f"DELETE 2\n{ADD}", frozen=["Be brief.", re.compile("intent of")])
    assert text.startswith(PROMPT)
    assert reasons(entry) == ["the text is frozen"]
    assert "'Be brief.'" in user
    assert "'intent of'" in user


def test_holes_and_lines_that_give_the_form_survive():
    prompt = "Name the intent of {message}. Be brief.\nOutput format: one word\n"
    text, entry, _ = proposed(f"REPLACE 1: Name it.\nDELETE 3\n{ADD}", prompt=prompt)
    assert "Name the intent of {message}." in text
    assert "Output format: one word" in text
    assert reasons(entry) == ["the text is frozen"] * 2


def test_a_frozen_predictor_is_not_asked_about():
    text, entry, asked = proposed(ADD, frozen="classify")
    assert (text, entry, asked) == (PROMPT, None, [])


def test_no_example_is_copied():
    text, entry, _ = proposed(f"ADD: {QUESTION.capitalize()} is a complaint.\n{ADD}")
    assert QUESTION not in text.lower()
    assert text.endswith("A charge that came twice is a complaint.")
    assert reasons(entry) == ["copies an example"]


def test_the_language_of_the_text_is_kept():
    text, entry, _ = proposed(f"ADD: Wenn eine Buchung doppelt erscheint, ist es immer eine Beschwerde.\n{ADD}")
    assert text.endswith("A charge that came twice is a complaint.")
    assert len(entry["dropped"]) == 1


def test_what_is_to_be_frozen_and_is_nowhere_is_warned_of_once(caplog):
    lm, proposer = scripted_lm(lambda system, user: ADD), DLPOProposer(frozen=["Never name a price."])
    with dspy.context(lm=lm):
        for _ in range(2):
            proposer({"classify": PROMPT}, {"classify": RECORDS}, ["classify"])
    assert caplog.text.count("Never name a price.") == 1


# --- replies of no use ---


@pytest.mark.parametrize("answer", ["", "Sorry, I cannot help with that.", "\x00" * 40, "[1, 2"])
def test_after_replies_of_no_use_the_text_is_as_before(answer):
    text, entry, asked = proposed(answer)
    assert text == entry["before"] == entry["after"] == PROMPT
    assert entry["edits"] == []
    assert entry["error"]
    assert len(asked) > 1, "other forms were tried"


def test_a_reply_in_another_form_is_read():
    said = '[{"op": "replace", "at": 2, "text": "Be exact."}]'
    assert proposed(fields(edits=said))[0] == "Name the intent of the message. Be exact."


def test_a_call_that_is_lost_costs_one_proposal():
    def broken(system, user):
        raise ConnectionError("gone")

    text, entry, _ = proposed(broken)
    assert text == PROMPT
    assert "gone" in entry["error"]


def test_a_model_that_cannot_be_used_at_all_is_an_error():
    def refused(system, user):
        raise AuthError("no such key")

    with pytest.raises(ModelError):
        proposed(refused)


def test_without_a_model_nothing_is_asked():
    with dspy.context(lm=None), pytest.raises(ValueError, match="reflection_lm"):
        DLPOProposer()({"classify": PROMPT}, {"classify": RECORDS}, ["classify"])


# --- options ---


def test_a_critic_is_asked_first_where_one_is_wished():
    def answer(system, user):
        return fields(critique="It lacks a rule for charges.") if "`critique`" in system else ADD

    text, entry, asked = proposed(answer, critic=True)
    assert len(asked) == 2
    assert entry["critique"] == "It lacks a rule for charges."
    assert "It lacks a rule for charges." in asked[1][1]
    assert text != PROMPT


def test_without_a_critique_the_writer_says_itself_what_is_wrong():
    text, _, _ = proposed(lambda system, user: ADD if "ADD:" in user else "", critic=True)
    assert text.endswith("A charge that came twice is a complaint.")


def test_the_aim_stands_in_its_requests():
    _, _, [(_, user)] = proposed(ADD, aim=Aim("Complaints first.", background="A bank."))
    assert "Complaints first." in user
    assert "A bank." in user


def test_the_same_request_is_asked_afresh_each_time():
    before = dspy.cache
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    try:
        lm, proposer = scripted_lm(lambda system, user: ADD).copy(cache=True, temperature=1.0), DLPOProposer()
        with dspy.context(lm=lm):
            for _ in range(2):
                proposer({"classify": PROMPT}, {"classify": RECORDS}, ["classify"])
    finally:
        dspy.cache = before
    assert len(engine(lm).asked) == 2


def test_the_ledger_is_appended_to_a_file(tmp_path):
    _, entry, _ = proposed(f"{ADD}\nDELETE 7", log_file=tmp_path / "new" / "proposals.jsonl")
    _, other, _ = proposed("", log_file=tmp_path / "new" / "proposals.jsonl")
    lines = (tmp_path / "new" / "proposals.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [entry, other]


def test_each_component_has_its_own_text_and_entry():
    lm, proposer = scripted_lm(lambda system, user: ADD), DLPOProposer()
    candidate = {"classify": PROMPT, "reply": "Answer the customer.", "other": "Say so."}
    with dspy.context(lm=lm):
        texts = proposer(candidate, {"classify": RECORDS, "reply": RECORDS, "other": []}, [*candidate, "unknown"])
    assert {name: text.startswith(candidate[name]) for name, text in texts.items()} == {"classify": True, "reply": True}
    assert [entry["component"] for entry in proposer.ledger] == ["classify", "reply"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_edits": 0}, ValueError),
        ({"max_edits": 1.5}, ValueError),
        ({"max_words": 0}, ValueError),
        ({"frozen": [""]}, TypeError),
        ({"frozen": [5]}, TypeError),
        ({"aim": "word " * 301}, ValueError),
        ({"log_file": 5}, TypeError),
    ],
)
def test_wrong_settings_are_refused_at_once(settings, error):
    with pytest.raises(error):
        DLPOProposer(**settings)


# --- inside GEPA ---


def compiled(name, proposer, **options):
    task = simulated_task(name, n_train=40, n_val=20, n_test=60)
    optimizer = dspy.GEPA(
        metric=task.feedback_metric,
        max_metric_calls=200,
        reflection_lm=simulated_lm(1),
        instruction_proposer=proposer,
        track_stats=True,
        num_threads=2,
        **options,
    )
    with dspy.context(lm=simulated_lm()):
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
        scores = [
            sum(task.metric(each, program(**each.inputs())) for each in task.testset)
            for program in (task.program, better)
        ]
    return better, scores


def check(ledger, start):
    """Every entry keeps the limits, and begins with a text that was there."""
    known = {*start.values()}
    for entry in ledger:
        assert entry["before"] in known
        assert distance(entry["before"], entry["after"]) <= 3
        assert count_words(entry["after"]) <= 80
        assert bool(entry["edits"]) == (entry["before"] != entry["after"])
        known.add(entry["after"])
    assert any(entry["edits"] for entry in ledger)


def test_gepa_gains_by_it():
    proposer = DLPOProposer(max_edits=3, max_words=80)
    task = simulated_task("object_counting")
    better, scores = compiled("object_counting", proposer)
    check(proposer.ledger, {name: each.signature.instructions for name, each in task.program.named_predictors()})
    assert scores[1] > scores[0]
    assert better.solve.signature.instructions in {entry["after"] for entry in proposer.ledger}
    assert better.detailed_results.total_metric_calls >= 20


@pytest.mark.slow
def test_gepa_asks_for_all_predictors_at_a_time_and_leaves_a_frozen_one_alone():
    proposer = DLPOProposer(max_edits=3, max_words=80, frozen=["extract"], critic=True)
    task = simulated_task("support_desk")
    start = {name: each.signature.instructions for name, each in task.program.named_predictors()}
    better, _ = compiled("support_desk", proposer, component_selector="all")
    check(proposer.ledger, start)
    assert {entry["component"] for entry in proposer.ledger} == set(start) - {"extract"}
    assert better.extract.signature.instructions == start["extract"]
