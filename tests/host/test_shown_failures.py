"""Failed runs as the critic sees them: all that a predictor was given, and nothing twice."""

import dspy
import pytest
from scripted import engine, fields, given, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.host.failures import SHOWN, lines_of, rendered

TEXT = "the big old apple"


def shown(given: dict[str, str], inputs: dict[str, str] | None = None) -> list[str]:
    """The lines of a run of one predictor, between those of the inputs and those of the output."""
    inputs = {"text": TEXT} if inputs is None else inputs
    row = Row(0, 0.0, inputs, {"label": "red"}, {"label": "blue"}, trace=(TraceStep("tag", given, {"label": "blue"}),))
    lines = rendered(lines_of(1, row, "tag")).splitlines()
    return [line for line in lines if line.startswith("tag ")]


def test_passages_that_were_added_are_shown():
    assert shown({"text": TEXT, "context": "['Apples are red.']"}) == ["tag was given context: ['Apples are red.']"]


def test_an_input_in_another_form_is_shown():
    assert shown({"text": TEXT.upper()}) == [f"tag was given text: {TEXT.upper()}"]


def test_an_input_under_another_name_is_named_and_not_repeated():
    assert shown({"question": TEXT}) == ["tag was given question: the same as input text"]


def test_what_the_example_shows_already_is_not_repeated():
    assert shown({"text": TEXT}) == []
    assert shown({"text": f"{TEXT}\n"}) == []


def test_inputs_that_changed_places_are_told():
    told = shown({"a": "second text", "b": "first text"}, {"a": "first text", "b": "second text"})
    assert told == ["tag was given a: the same as input b", "tag was given b: the same as input a"]


def test_a_long_input_that_several_modules_were_given_is_shown_once():
    text = "word " * SHOWN
    trace = (TraceStep("plan", {"text": text}, {"plan": "x"}), TraceStep("tag", {"text": text, "plan": "x"}, {}))
    lines = rendered(lines_of(1, Row(0, 0.0, {"text": text}, {}, {}, trace=trace), "tag"))
    assert lines.count("word word word") < 2 * SHOWN
    assert "tag was given text: the same as input text\ntag was given plan: x" in lines


class Retrieving(dspy.Module):
    """Answers from passages that it looks up."""

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.respond = kind("context: list[str], question -> label")

    def forward(self, text: str):
        return self.respond(context=[f"PASSAGE {text.split()[-1]}"], question=f"Q: {text}")


@pytest.mark.parametrize("critic", [True, False])
@pytest.mark.parametrize("kind", [dspy.Predict, dspy.ChainOfThought])
def test_critic_and_writer_see_the_passages_of_a_program_with_one_predictor(kind, critic):
    lm = scripted_lm(lambda system, user: fields(reasoning="", label="none", critique="Facts lack.", edits="[]"))
    data = [dspy.Example(text=f"case {i} word{i}", label="red").with_inputs("text") for i in range(12)]
    with dspy.context(lm=lm):
        budget = Budget(metric_calls=40)
        optimizer = DLPOTeleprompter(lambda gold, pred, trace=None: 0.0, budget=budget, num_threads=1, critic=critic)
        optimizer.compile(Retrieving(kind), trainset=data[:6], valset=data[6:])
    asked = engine(lm).asked
    failures = [given(user, "failures") for _, user in asked if "[[ ## failures ## ]]" in user]
    plain = [user for system, user in asked if not system]
    assert plain
    assert any("[[ ## critique ## ]]" in system for system, _ in asked) == critic
    failures += [user.split("Some of the examples that went wrong:\n")[1].split("\n\nWh")[0] for user in plain]
    assert len(failures) >= 2
    for text in failures:
        examples = text.split("Example ")[1:]
        assert examples
        for example in examples:
            word = example.split("input text: ")[1].split("\n")[0].split()[-1]
            assert f"was given context: ['PASSAGE {word}']" in example
            assert "was given question: Q: case " in example
