"""What DSPy writes into an agent's instructions counts against no limit of words: its own instructions can grow."""

import logging
import warnings

import dspy
import pytest
from compiling import TRAIN, VAL, right
from engine import RULE, program_lm

from dspy_dlpo import Budget, DLPOTeleprompter, LearningRate, Regularization
from dspy_dlpo.core.freezing import free_words
from dspy_dlpo.core.sentences import count_words
from dspy_dlpo.host.program import protected_text

LIMIT = 20


def look_up(number: int) -> str:
    """Looks a number up in the large book of numbers, with all that is known of it, and tells where it stands."""
    return f"found {number}"


def deprecated(kind: str, **options) -> dspy.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(dspy, kind)("question -> answer", **options)


AGENTS = {
    "react": lambda: (dspy.ReAct("question -> answer", tools=[look_up]), "react"),
    "react_v2": lambda: (dspy.ReActV2("question -> answer", tools=[look_up]), "react"),
    "code_act": lambda: (deprecated("CodeAct", tools=[look_up]), "codeact"),
    "program_of_thought": lambda: (deprecated("ProgramOfThought"), "code_generate.predict"),
    "rlm": lambda: (dspy.RLM("question -> answer"), "generate_action"),
    "rlm_extract": lambda: (dspy.RLM("question -> answer"), "extract"),
}


def optimizer(lm: dspy.LM, max_words: int = LIMIT, **options) -> DLPOTeleprompter:
    techniques = [LearningRate(4), Regularization(max_words)]
    return DLPOTeleprompter(
        right, prompt_model=lm, task_model=lm, techniques=techniques, budget=Budget(60), num_threads=1, **options
    )


@pytest.mark.parametrize("made", AGENTS.values(), ids=AGENTS)
def test_the_rules_and_tools_of_an_agent_are_protected_and_leave_room(made) -> None:
    agent, name = made()
    prompt = dict(agent.named_predictors())[name].signature.instructions
    rules = protected_text(agent, name)
    assert rules in prompt
    assert count_words(rules) > LIMIT
    assert free_words(prompt, [rules]) == count_words(prompt) - count_words(rules) < LIMIT
    note = str(optimizer(program_lm()).estimate(agent, trainset=TRAIN, valset=VAL))
    assert "may change, and not grow" not in note


def test_an_agent_whose_rules_are_longer_than_the_limit_learns() -> None:
    def call(request):
        return "look_up" if RULE in request.system and "observation_0" not in request.user else "finish"

    lm = program_lm(
        next_thought=lambda c: "Go on.",
        next_tool_name=call,
        next_tool_args=lambda c: f'{{"number": {c.number}}}' if call(c) == "look_up" else "{}",
        answer=lambda c: str(c.number) if "look_up" in c.user or c.number % 3 == 0 else "unknown",
    )
    agent = dspy.ReAct("question -> answer", tools=[look_up])
    better = optimizer(lm).compile(agent, trainset=TRAIN, valset=VAL)
    result = better.detailed_results
    assert RULE in better.react.signature.instructions
    assert not [each for record in result.history for each in record.dropped if "grow past" in each.reason]
    for name, text in result.best_prompts.items():
        outside = free_words(text, [protected_text(agent, name)])
        assert outside <= max(LIMIT, free_words(result.start_prompts[name], [protected_text(agent, name)]))


LONG = "Answer the question. " + "Say nothing that was not asked for at all. " * 3


def test_a_prompt_at_its_limit_is_told_at_the_start_and_by_the_estimate(caplog) -> None:
    lm, student = program_lm(), dspy.Predict(dspy.Signature("question -> answer", LONG))
    words = count_words(LONG)
    with caplog.at_level(logging.WARNING, "dspy_dlpo"):
        optimizer(lm, words).compile(student, trainset=TRAIN, valset=VAL)
    told = [each.getMessage() for each in caplog.records if "may change, and not grow" in each.getMessage()]
    assert len(told) == 1
    assert f"self have {words} words" in told[0]
    assert told[0] in str(optimizer(lm, words).estimate(student, trainset=TRAIN, valset=VAL))


def test_a_prompt_with_room_is_told_of_no_limit() -> None:
    lm, student = program_lm(), dspy.Predict(dspy.Signature("question -> answer", LONG))
    assert "grow" not in str(optimizer(lm, count_words(LONG) + 1).estimate(student, trainset=TRAIN, valset=VAL))


def test_text_that_the_user_froze_and_code_leave_room_too() -> None:
    text = f"Answer.\n\n```\n{'code ' * LIMIT}\n```\n\n{LONG}"
    student = dspy.Predict(dspy.Signature("question -> answer", text))
    assert "may change, and not grow" in str(optimizer(program_lm()).estimate(student, trainset=TRAIN, valset=VAL))
    frozen = optimizer(program_lm(), frozen=(LONG.strip(),))
    assert "may change, and not grow" not in str(frozen.estimate(student, trainset=TRAIN, valset=VAL))
