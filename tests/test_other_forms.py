"""A model that cannot answer in the form asked for first: no step is lost, nothing is asked twice, limits hold."""

import json

import dspy
import pytest
from event_logs import cut, places
from scripted import engine, fields, given, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge, LearningRate
from dspy_dlpo.report import record_views

NAMES = ["card lost", "card late", "rates", "refund"]
EXAMPLES = [
    dspy.Example(message=f"{NAMES[i % 4]}, please ({i})", intent=NAMES[i % 4]).with_inputs("message") for i in range(64)
]


def reader(system, user):
    """Names an intent that its instructions name and the message holds; else it has a name of its own."""
    known = [name for name in NAMES if name in system and name in given(user, "message")]
    return fields(intent=known[0] if known else "request")


def writer(form):
    """Writes in one form only: the names of the answers that it is told, one in each sentence."""

    def answer(system, user):
        missing = [name for name in NAMES if f'is "{name}"' not in user]
        rules = [f'If the message says so, it is "{name}".' for name in missing[:2]]
        if "`edits`" in system:
            edits = [{"op": "add", "at": 1, "text": rule} for rule in rules]
            return fields(edits=json.dumps(edits)) if form == "edits" else "I would rather not."
        if "begins with ADD:" in user:
            return "\n".join(f"ADD: {rule}" for rule in rules) if form == "lines" else "No."
        if "complete improved instructions" in user:
            present = user.partition("present instructions:\n```\n")[2].partition("\n```")[0]
            return " ".join([present, *rules]) if form == "prompt" else "No."
        raise AssertionError("asked for something else")

    return scripted_lm(answer, "scripted/writer")


def compiled(form, log_dir=None, **limits):
    task_lm, prompt_lm = scripted_lm(reader), writer(form)
    optimizer = DLPOTeleprompter(
        lambda gold, pred, trace=None: gold.intent == pred.intent,
        task_model=task_lm,
        prompt_model=prompt_lm,
        techniques=[LearningRate(2)],
        judging=EditJudge(trials=False),  # one would list the names at once
        gradients=1,
        budget=Budget(**(limits or {"metric_calls": 300})),
        num_threads=1,
        log_dir=log_dir,
        verbose=False,
    )
    program = dspy.Predict(dspy.Signature("message -> intent", "Name the intent."))
    better = optimizer.compile(program, trainset=EXAMPLES[:32], valset=EXAMPLES[32:])
    return better.detailed_results, engine(task_lm).asked, engine(prompt_lm).asked


@pytest.mark.parametrize(
    ("form", "first"),
    [("lines", ["lines"]), ("prompt", ["lines", "prompt"]), ("edits", ["lines", "prompt", "edits"])],
)
def test_no_step_is_lost_and_what_works_is_asked_first_from_then_on(form, first):
    result, _, _ = compiled(form)
    steps = result.history.steps()
    assert [each.form for each in steps[0].asked] == first
    assert all(step.edits for step in steps)
    assert all([each.form for each in step.asked] == [form] for step in steps[1:])
    assert result.comparison.difference > 0.9
    assert result.spent["writer"]["calls"] == sum(len(step.asked) for step in steps)


def test_the_limit_of_edits_holds_in_every_form():
    for form in ("lines", "prompt", "edits"):
        result, _, _ = compiled(form)
        assert all(len(step.edits) <= 2 for step in result.history.steps())


def test_a_run_that_is_gone_on_with_asks_as_it_did_before(tmp_path):
    whole, runs, asks = compiled("lines", tmp_path / "whole")
    for number, place in enumerate(places(tmp_path / "whole", "ReplyDone")[:2]):
        folder = cut(tmp_path / "whole", tmp_path / f"cut{number}", place + 1)
        replies = len(places(folder, "ReplyDone"))
        again, more_runs, more_asks = compiled("lines", folder)
        assert [record.asked for record in again.history] == [record.asked for record in whole.history]
        assert again.best_prompts == whole.best_prompts
        assert len(more_asks) == len(asks) - replies
        assert len(more_runs) < len(runs)


@pytest.mark.parametrize("calls", range(74, 82))
def test_each_further_request_is_within_the_budget(calls):
    result, runs, asks = compiled("prompt", lm_calls=calls)
    assert len(runs) + len(asks) <= calls
    assert result.ended_by.value == "budget"


def test_the_report_says_how_the_writer_was_asked():
    result, _, _ = compiled("prompt")
    told = [record.asked for record in record_views.record_views(result.history) if record.kind == "Step"]
    assert told[0] == "edits in plain text (of no use), then a new prompt in plain text"
    assert set(told[1:]) <= {""}
