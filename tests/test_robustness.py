"""What goes wrong with real models and real data costs an example or a step, and never the run."""

import re

import dspy
import pytest
from dspy.lm15 import RateLimitError, UnsupportedModelError
from scripted import engine, fields, given, result_of, scripted_lm

from dspy_dlpo import (
    Annealing,
    Budget,
    DLPOTeleprompter,
    EditJudge,
    MetricError,
    ModelError,
    ProgramError,
    Stopping,
    tgd_settings,
)
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.freezing import FreezeText
from dspy_dlpo.host.program import copy_program, protected_text
from dspy_dlpo.simulation import simulated_lm, simulated_task

TASK = simulated_task("object_counting", n_train=40, n_val=40)


def right(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


def compiled(metric=right, *, calls=250, lm=None, train=TASK.trainset, val=TASK.valset, program=None, **settings):
    with dspy.context(lm=lm or simulated_lm(0)):
        optimizer = DLPOTeleprompter(metric, budget=Budget(calls), **settings)
        return optimizer.compile(program or TASK.program, trainset=train, valset=val)


@pytest.mark.parametrize("threads", [1, 16])
def test_a_validation_example_that_the_metric_cannot_score_does_not_lose_the_run(threads):
    unlabelled = [dspy.Example(question=TASK.valset[0].question).with_inputs("question"), *TASK.valset[1:]]
    result = compiled(val=unlabelled, num_threads=threads, calls=400).detailed_results
    assert result.comparison.examples == 39
    assert result.best_prompts != result.start_prompts


def test_an_illegal_score_later_ends_the_run_with_the_best_so_far_and_the_reason():
    calls = []

    def hundred(gold, pred, trace=None):
        calls.append(1)
        return right(gold, pred) * (100 if len(calls) > 150 else 1)

    result = result_of(lambda: compiled(hundred, num_threads=1))
    assert "outside score_range" in result.ended
    assert len(result.history) > 1


@pytest.mark.parametrize("settings", [tgd_settings(), {"acceptance": Annealing(5.0)}])
def test_with_nothing_held_out_the_result_is_no_worse_on_the_judging_set(settings):
    # Every change of the instructions makes this model worse.
    def answer(system, user):
        if "begins with ADD:" in user:
            return "ADD: Be bold."
        if "complete improved instructions" in user:
            return "Be bold always."
        if "[[ ## edits ## ]]" in user or "improved_instructions" in user:
            return fields(edits='[{"op": "add", "at": 1, "text": "Be bold."}]', improved_instructions="Be bold always.")
        if "critique" in user:
            return fields(critique="It lacks boldness.")
        number = int(given(user, "question").split()[-1])
        good = number % 5 != 0 and "bold" not in system.lower()
        return fields(answer="yes" if good else "no")

    train = [dspy.Example(question=f"number {i}", answer="yes").with_inputs("question") for i in range(30)]
    program = dspy.Predict(dspy.Signature("question -> answer", "Answer the question. Be kind."))
    result = compiled(lm=scripted_lm(answer), train=train, val=[], program=program, **settings).detailed_results
    assert result.best_prompts == result.start_prompts
    assert "nothing was held out" in result.verdict
    assert "kept yours" in result.verdict


def test_a_model_that_never_answers_is_told_and_not_taken_for_success():
    def busy(system, user):
        raise RateLimitError("later")

    with pytest.raises(ModelError, match="No call of the task model was answered: LMRateLimitError"):
        compiled(task_model=scripted_lm(busy), prompt_model=simulated_lm(0))


def test_a_model_that_does_not_exist_ends_the_run_at_once():
    def unknown(system, user):
        raise UnsupportedModelError("no such model")

    lm = scripted_lm(unknown)
    with pytest.raises(ModelError, match="no such model"):
        compiled(task_model=lm, prompt_model=simulated_lm(0))
    assert len(engine(lm).asked) == 1


@pytest.mark.parametrize(
    ("critic", "why"),
    [
        (True, "the critic gave no usable critique"),
        (False, "the writer's reply is unusable: no reply: .* content filter"),
    ],
)
def test_one_refused_request_of_the_prompt_model_is_one_lost_step(critic, why):
    count = []

    def moody(system, user):
        count.append(1)
        if len(count) == 1:
            raise ValueError("content filter")
        return fields(critique="x") if "critique" in user.split("Respond")[-1] else fields(edits="[]")

    result = compiled(prompt_model=scripted_lm(moody), critic=critic, gradients=1).detailed_results
    steps = result.history.steps()
    assert re.fullmatch(why, str(steps[0].reason))
    assert len(steps) > 1


def test_a_refusal_in_prose_does_not_become_the_prompt():
    def polite(system, user):
        if "`[[ ## critique" in user:
            return fields(critique="It should count.")
        return "I'm sorry, but I can't help with that request."

    result = result_of(lambda: compiled(prompt_model=scripted_lm(polite)))
    assert {str(record.reason) for record in result.history.steps()} == {
        f"the writer's reply is unusable: {why}" for why in ("neither edits nor a prompt", "no edit could be read")
    }
    assert result.ended.startswith("The prompt model gave nothing usable in ")


def test_on_a_handful_of_examples_the_users_own_sentences_stay():
    start = "Answer the question. Never name a price. Be brief. Refuse medical advice."
    program = dspy.Predict(dspy.Signature("question -> answer", start))

    def deaf(system, user):
        if "critique" in user.split("Respond")[-1]:
            return fields(critique="It should count.")
        return fields(edits="[]") if "edits" in user.split("Respond")[-1] else fields(answer="4")

    result = compiled(lm=scripted_lm(deaf), program=program, train=TASK.trainset[:6], val=[]).detailed_results
    assert result.best_prompts == {"self": start}


def test_an_edit_of_the_users_own_sentences_must_pay():
    start = "Answer the question. Refuse medical advice."
    program = dspy.Predict(dspy.Signature("question -> answer", start))
    edits = (
        '[{"op": "replace", "at": 2, "text": "Be brief."}, {"op": "delete", "at": 1},'
        ' {"op": "add", "at": 2, "text": "Go."}]'
    )

    def answer(system, user):
        wanted = user.split("Respond")[-1]
        if "critique" in wanted:
            return fields(critique="It should count.")
        return fields(edits=edits) if "edits" in wanted else fields(answer="4")

    lm = scripted_lm(answer)
    result = compiled(
        lm=lm,
        program=program,
        acceptance=Annealing(2.0),
        judging=EditJudge(trials=False),
        stopping=Stopping(max_steps=3),  # on 16 examples: on 30 it may show that they are idle
    ).detailed_results
    assert len(result.history.steps()) == 3
    kept = [record.proposal["self"] for record in result.history if record.accepted]
    assert all("Refuse medical advice." in each for each in kept)
    assert any("Go." in each for each in kept), "an addition may pass while the run is hot"


@pytest.mark.parametrize("n", [2, 3, 10])
def test_few_examples_are_enough_to_start(n):
    assert compiled(train=TASK.trainset[:n], val=None).detailed_results.history


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return "fine"


def test_the_tools_of_react_are_frozen():
    agent = dspy.ReAct(dspy.Signature("question -> answer", "Answer kindly. Be brief."), tools=[get_weather])
    text = agent.react.signature.instructions
    rules = protected_text(agent, "react")
    assert "get_weather" in rules
    assert "Be brief." not in rules
    constraint = FreezeText((rules,))
    from dspy_dlpo.core.sentences import split

    sentences = split(text)
    for i, sentence in enumerate(sentences):
        kept, _ = constraint.admit((Edit("delete", i),), text)
        assert bool(kept) == (sentence.strip() in ("Answer kindly.", "Be brief.")), sentence
    assert protected_text(agent, "extract.predict") == ""


def test_a_judge_model_that_is_busy_makes_no_wrong_answers():
    count = []

    def busy(system, user):
        count.append(1)
        if len(count) % 4 == 0:
            raise RateLimitError("later")
        return fields(verdict="yes")

    judge = scripted_lm(busy)

    def metric(gold, pred, trace=None):
        with dspy.context(lm=judge):
            return float(dspy.Predict("answer -> verdict")(answer=pred.answer).verdict == "yes")

    result = compiled(metric, num_threads=1).detailed_results
    assert result.history[0].score == 1.0


def test_the_name_of_a_model_instead_of_a_model_is_refused_before_anything_is_paid_for():
    with pytest.raises(TypeError, match=r"prompt_model='openai/gpt-4o' is no BaseLM"):
        compiled(prompt_model="openai/gpt-4o")


def test_a_large_valset_is_compared_on_a_random_part_and_the_verdict_says_so():
    val = simulated_task("object_counting", n_train=40, n_val=120).valset
    result = compiled(val=val).detailed_results
    assert "31 of 120 valset examples" in result.verdict
    assert set(result.comparison.scores[0]) != set(range(31))


def test_a_directory_of_a_call_that_failed_at_once_can_be_used_again(tmp_path):
    with pytest.raises(MetricError):
        compiled(lambda gold, pred: None, log_dir=tmp_path)
    assert compiled(log_dir=tmp_path, calls=60).detailed_results.history


def test_language_models_held_anywhere_in_the_program_are_kept():
    program = dspy.ChainOfThought("question -> answer")
    program.helper = simulated_lm(3)
    assert copy_program(program).helper is program.helper


def test_a_broken_reply_is_never_the_best_score_where_the_range_is_unknown():
    def answer(system, user):
        wanted = user.split("Respond")[-1]
        if "critique" in wanted:
            return fields(critique="It should be bold.")
        if "edits" in wanted:
            return fields(edits='[{"op": "add", "at": 1, "text": "Be bold."}]')
        return "nothing to read" if "bold" in system.lower() else fields(answer="5")

    def distance(gold, pred, trace=None):
        return -abs(float(gold.answer) - float(pred.answer))

    result = compiled(distance, lm=scripted_lm(answer), score_range=None).detailed_results
    assert result.best_prompts == result.start_prompts


def test_a_program_without_predictors_is_refused_before_anything_is_paid_for():
    with pytest.raises(ProgramError):
        compiled(program=dspy.Module())
