"""The account of the program around a predictor, read off traces."""

from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.host.surroundings import MOST, account_of

PLAN = TraceStep("plan", {"question": "How far is it to Rome?"}, {"plan": "look up the distance"})
LOOK = TraceStep("look", {"question": "How far is it to Rome?", "plan": "look up the distance"}, {"facts": "1,200 km"})
SAY = TraceStep("say", {"facts": "1,200 km", "tone": "short"}, {"answer": "It is 1,200 km."})


def row(*trace: TraceStep) -> Row:
    return Row(
        0, 0.0, {"question": "How far is it to Rome?"}, {"answer": "900"}, {"answer": "It is 1,200 km."}, trace=trace
    )


def test_it_says_what_came_before_and_what_became_of_the_answer() -> None:
    said = account_of("look", [row(PLAN, LOOK, SAY)])
    assert said == (
        "Around look: it ran after plan. Its input question holds the program's input question. Its input plan holds "
        "what plan answered as plan. Its facts went to say as facts."
    )


def test_the_first_and_the_last_are_known_as_such() -> None:
    assert account_of("plan", [row(PLAN, LOOK, SAY)]).startswith("Around plan: it ran first.")
    assert "Its answer went into the program's output answer." in account_of("say", [row(PLAN, LOOK, SAY)])


def test_a_predictor_that_runs_alone_needs_no_account() -> None:
    assert account_of("say", [row(SAY), row(SAY, SAY)]) == ""


def test_a_short_text_is_no_part_of_another_by_chance() -> None:
    early = TraceStep("judge", {"question": "q"}, {"verdict": "km"})
    assert "judge answered" not in account_of("say", [row(early, SAY)])


def test_a_longer_text_is_found_where_it_stands_in_another() -> None:
    quoting = TraceStep("say", {"context": "Plan: look up the distance. Go on."}, {"answer": "x"})
    assert "Its input context holds what plan answered as plan." in account_of("say", [row(PLAN, quoting)])


def test_runs_that_differ_are_told_together_and_each_thing_once() -> None:
    said = account_of("say", [row(PLAN, SAY), row(LOOK, SAY), row(LOOK, SAY)])
    assert "it ran after plan, look." in said
    assert said.count("what look answered as facts") == 1


def test_it_stays_short() -> None:
    fields = {f"field_{i}": f"a text of some length {i}" for i in range(40)}
    said = account_of("say", [row(TraceStep("plan", {}, fields), TraceStep("say", fields, {}))])
    assert said.count("Its input") == MOST


def test_a_predictor_that_no_run_came_to_is_said_not_to_have_run() -> None:
    assert account_of("say", [row(PLAN)]) == "Around say: it did not run."
