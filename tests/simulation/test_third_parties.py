"""Optimizers that know nothing of the simulation run on it unchanged: DSPy's own, and chat requests in plain text."""

import random
from collections.abc import Iterator
from typing import Any

import dspy
import pytest
from dspy.propose import GroundedProposer
from dspy.teleprompt import COPRO, GEPA, SIMBA, InferRules, MIPROv2

from dspy_dlpo.simulation import (
    Counts,
    Landscape,
    Reader,
    SimulatedTask,
    Writer,
    engine_of,
    simulated_lm,
    simulated_task,
)
from dspy_dlpo.simulation.tasks import TASKS

STAGE = TASKS["object_counting"].stages[0][1]
QUESTION = "I have two cats, a dog, and a goat. How many animals do I have?"
SOUND = Writer(critic_error=0.0, vagueness=0.0, forgetting=0.0, blur=0.0, bloat=0.0, overfitting=0.0)


@pytest.fixture(params=["object_counting", "support_desk"])
def task(request: pytest.FixtureRequest) -> SimulatedTask:
    return simulated_task(request.param, n_train=10, n_val=10, n_test=1)


@pytest.fixture(autouse=True)
def lm() -> Iterator[dspy.LM]:
    lm = simulated_lm(1)
    with dspy.context(lm=lm):
        yield lm


def instructions(program: dspy.Module) -> dict[str, str]:
    return {name: predictor.signature.instructions for name, predictor in program.named_predictors()}


def check(task: SimulatedTask, tuned: dspy.Module, lm: dspy.LM) -> None:
    """It gave back a program of the same predictors that answers, and asked both roles."""
    counts: Counts = engine_of(lm).counts
    assert counts.reader_calls > 0
    assert counts.writer_calls > 0
    assert list(instructions(tuned)) == list(instructions(task.program))
    assert tuned(**task.testset[0].inputs()).keys()


def test_copro(task: SimulatedTask, lm: dspy.LM) -> None:
    optimizer = COPRO(prompt_model=lm, metric=task.metric, breadth=3, depth=2)
    tuned = optimizer.compile(
        task.program, trainset=task.trainset, eval_kwargs={"num_threads": 2, "display_progress": False}
    )
    check(task, tuned, lm)
    assert len({candidate["instruction"] for candidate in tuned.candidate_programs}) > 1


@pytest.mark.slow
@pytest.mark.parametrize("demos", [0, 2], ids=["zero_shot", "few_shot"])
def test_mipro(task: SimulatedTask, lm: dspy.LM, demos: int) -> None:
    optimizer = MIPROv2(
        metric=task.metric,
        prompt_model=lm,
        task_model=lm,
        auto=None,
        num_candidates=3,
        max_bootstrapped_demos=demos,
        max_labeled_demos=demos,
        num_threads=2,
    )
    tuned = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset, num_trials=3, minibatch=False)
    check(task, tuned, lm)


def test_gepa(task: SimulatedTask, lm: dspy.LM) -> None:
    optimizer = GEPA(metric=task.feedback_metric, max_metric_calls=60, reflection_lm=lm, num_threads=2)
    check(task, optimizer.compile(task.program, trainset=task.trainset, valset=task.valset), lm)


@pytest.mark.slow
def test_simba(task: SimulatedTask) -> None:
    # It writes a rule only where rollouts of one question differ.
    lm = simulated_lm(1, reader=Reader(variability=1.0))
    with dspy.context(lm=lm):
        optimizer = SIMBA(metric=task.metric, bsize=10, num_candidates=4, max_steps=2, prompt_model=lm, num_threads=2)
        check(task, optimizer.compile(task.program, trainset=task.trainset), lm)


def test_infer_rules(task: SimulatedTask, lm: dspy.LM) -> None:
    optimizer = InferRules(metric=task.metric, num_candidates=2, num_rules=3, num_threads=2)
    tuned = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    check(task, tuned, lm)
    assert any("rules" in text for text in instructions(tuned).values())


def test_the_grounded_proposer(task: SimulatedTask, lm: dspy.LM) -> None:
    proposer = GroundedProposer(
        prompt_model=lm, program=task.program, trainset=task.trainset, rng=random.Random(0), view_data_batch_size=5
    )
    proposed = proposer.propose_instructions_for_program(
        trainset=task.trainset, program=task.program, demo_candidates=None, trial_logs={}, N=3
    )
    assert [len(texts) for texts in proposed.values()] == [3] * len(task.program.predictors())
    assert all(text.strip() for texts in proposed.values() for text in texts)


class Improve(dspy.Signature):
    """Improve the instruction."""

    instruction: str = dspy.InputField()
    failures: str = dspy.InputField()
    critique: str = dspy.OutputField()
    new_instruction: str = dspy.OutputField()


@pytest.mark.parametrize("adapter", [dspy.JSONAdapter(), dspy.XMLAdapter()], ids=lambda a: type(a).__name__)
def test_both_roles_answer_in_the_other_layouts(adapter: dspy.Adapter) -> None:
    best = Landscape("object_counting").best_prompts()["solve"]
    failures = f"question: {QUESTION}\ngiven answer: 3\nexpected answer: 4"
    with dspy.context(lm=simulated_lm(0, writer=SOUND), adapter=adapter):
        assert dspy.Predict(dspy.Signature("question -> answer", best))(question=QUESTION).answer == "4"
        reply = dspy.Predict(Improve)(instruction=STAGE.start, failures=failures)
    assert reply.critique
    assert Landscape("object_counting").taught({"solve": reply.new_instruction})["solve"]


def chat(lm: dspy.LM, system: str, user: str) -> str:
    request = dspy.lm15.Request(model=lm.model, system=system, messages=(dspy.lm15.Message.user(user),))
    reply: Any = lm(request)
    return str(reply.message.text)


def test_textual_gradients_in_tags() -> None:
    """Forward, backward and step as a library of textual gradients asks for them over plain chat."""
    lm = simulated_lm(0, writer=SOUND)
    answer = chat(lm, STAGE.start, QUESTION)
    assert answer.isdigit()
    feedback = chat(
        lm,
        "You are the feedback engine. Criticise variables, do not write a new version of them.\n"
        "Tags: <LM_SYSTEM_PROMPT>, <LM_INPUT>, <LM_OUTPUT>, <OBJECTIVE_FUNCTION>, <VARIABLE>, <ROLE>.",
        f"Feedback is wanted for a variable with the role <ROLE> system prompt </ROLE>.\n\n"
        f"<LM_SYSTEM_PROMPT> {STAGE.start} </LM_SYSTEM_PROMPT>\n\n<LM_INPUT> {QUESTION} </LM_INPUT>\n\n"
        "<LM_OUTPUT> 3 </LM_OUTPUT>\n\n"
        "<OBJECTIVE_FUNCTION>The LM_OUTPUT is wrong, the correct answer is 4.</OBJECTIVE_FUNCTION>\n\n"
        f"<VARIABLE> {STAGE.start} </VARIABLE>\n\nDescribe how the system prompt could be improved.",
    )
    assert Landscape("object_counting").taught({"solve": feedback})["solve"]
    step = chat(
        lm,
        "You improve text. Answer between <IMPROVED_VARIABLE> {improved variable} </IMPROVED_VARIABLE> tags.",
        f"<ROLE>system prompt</ROLE>\n\n<VARIABLE> {STAGE.start} </VARIABLE>\n\n"
        f"<CONTEXT><CONVERSATION><LM_INPUT> {QUESTION} </LM_INPUT> <LM_OUTPUT> 3 </LM_OUTPUT></CONVERSATION>\n"
        f"<FEEDBACK>{feedback}</FEEDBACK></CONTEXT>\n\nImprove the variable using the feedback.\n"
        "<IMPROVED_VARIABLE>{the improved variable}</IMPROVED_VARIABLE>",
    )
    assert step.startswith("<IMPROVED_VARIABLE>")
    assert step.endswith("</IMPROVED_VARIABLE>")
    improved = step.removeprefix("<IMPROVED_VARIABLE>").removesuffix("</IMPROVED_VARIABLE>")
    assert improved.strip().startswith(STAGE.start)
    assert Landscape("object_counting").taught({"solve": improved})["solve"]
