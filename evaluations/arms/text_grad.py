"""TextGrad's own textual gradient descent, by its package: a thin adapter to DSPy models and programs."""

from __future__ import annotations

import random
from typing import Any

import dspy
from dspy.lm15 import Config, Message, Request

from evaluations.arms.setup import Setup

BATCH = 4


def text_grad(setup: Setup) -> dspy.Module:
    """TextGrad as its prompt optimization is published: a batch a step, the step undone if validation gets worse.

    Raises:
        ImportError: If the package is missing.
    """
    import textgrad

    def engine(lm: dspy.LM) -> Any:
        return _engine(textgrad, lm)

    writer, reader = engine(setup.prompt_lm), engine(setup.task_lm)
    textgrad.set_backward_engine(writer, override=True)
    names = [name for name, _ in setup.task.program.named_predictors()]
    prompts = {
        name: textgrad.Variable(
            predictor.signature.instructions,
            requires_grad=True,
            role_description=f"system prompt of the step '{name}' of a program that answers questions",
        )
        for name, predictor in setup.task.program.named_predictors()
    }
    steps = [textgrad.BlackboxLLM(reader, prompts[name]) for name in names]
    optimizer = textgrad.TextualGradientDescent(engine=writer, parameters=list(prompts.values()))
    return _trained(setup, textgrad, prompts, steps, optimizer)


def _trained(setup: Setup, textgrad: Any, prompts: dict[str, Any], steps: list[Any], optimizer: Any) -> dspy.Module:
    rng, per_run = random.Random(setup.seed), setup.task.calls_per_run
    val = setup.task.valset[: 20 if setup.runs < 1000 else 30]
    question, answer = _ends(setup.task.program)

    def run(example: dspy.Example) -> Any:
        value = textgrad.Variable(str(example[question]), requires_grad=False, role_description="the question")
        for step in steps:
            value = step(value)
        return value

    def grade(example: dspy.Example, text: str) -> float:
        return float(setup.task.metric(example, dspy.Prediction(**{answer: text})))

    def score() -> float:
        return sum(grade(example, run(example).value) for example in val) / len(val)

    left, best = setup.runs - len(val), score()
    while left >= BATCH + len(val):
        optimizer.zero_grad()
        losses = []
        for example in rng.sample(setup.task.trainset, BATCH):
            loss = textgrad.autograd.StringBasedFunction(
                lambda prediction, expected, gold=example: str(grade(gold, prediction.value)),
                function_purpose="Whether the prediction is exactly the expected answer: 1.0 if so, else 0.0.",
            )
            expected = textgrad.Variable(
                str(example[answer]), requires_grad=False, role_description="the expected answer"
            )
            losses.append(loss(inputs={"prediction": run(example), "expected": expected}))
        before = {name: prompt.value for name, prompt in prompts.items()}
        textgrad.sum(losses).backward()
        optimizer.step()
        left -= BATCH + len(val)
        now = score()
        if now < best:
            for name, prompt in prompts.items():
                prompt.set_value(before[name])
        best = max(best, now)
    assert per_run == len(steps)
    program = setup.task.program.deepcopy()
    for name, predictor in program.named_predictors():
        predictor.signature = predictor.signature.with_instructions(prompts[name].value)
    return program


def _ends(program: dspy.Module) -> tuple[str, str]:
    """The first input field and the last output field of a program of one step after the other."""
    predictors = program.predictors()
    return next(iter(predictors[0].signature.input_fields)), list(predictors[-1].signature.output_fields)[-1]


def _engine(textgrad: Any, lm: dspy.LM) -> Any:
    """A TextGrad engine that asks a `dspy.LM`."""

    class Engine(textgrad.engine.EngineLM):  # type: ignore[misc, name-defined]
        model_string = lm.model

        def generate(self, prompt: str, system_prompt: str | None = None, **kwargs: Any) -> str:
            request = Request(
                model=lm.model,
                messages=(Message.user(str(prompt)),),
                system=system_prompt or self.system_prompt,
                config=Config(temperature=lm.kwargs.get("temperature")),
            )
            return str(lm(request).message.text or "")

        def __call__(self, prompt: str, **kwargs: Any) -> str:
            return self.generate(prompt, **kwargs)

    return Engine()
