"""What it brings that texts beside instructions may change: ``python -m evaluations.texts`` (scripted models).

Two small tasks: descriptions inside a pydantic model, and the tools of a `dspy.ReAct`. The model of the program is a
script that assumes what is measured: it keeps a rule always where the rule stands in the text that it is about, in half
of the examples where it stands elsewhere in the request, and in a fifth by chance where it stands nowhere. The writer
is a script, too: it proposes two sentences a step, half of them of no use, below the heading that they are about where
the prompt has it. So the figures say what the optimizer makes of such texts, and nothing of a real model.

Scores are those of a fresh program on test examples, after DSPy's own save and load.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import click
import dspy
from dspy.lm15 import Message, Request, Response, Usage
from pydantic import BaseModel, Field

from dspy_dlpo import Budget, DLPOTeleprompter

TOWNS, DAYS = ("Ulm", "Graz", "Basel", "Trier"), ("Monday", "Tuesday", "Friday")
USELESS = ("Read all of it first.", "Take care.", "Think of the reader.", "Write in a plain tone.", "Say it once.")
ELSEWHERE, BY_CHANCE = 0.5, 0.2
Follows = Callable[[str, str], bool]
Fields = Mapping[str, str]


class Line(BaseModel):
    """A line of an invoice."""

    item: str = Field(description="What was bought.")
    amount: str = Field(description="The amount.")


class Invoice(BaseModel):
    """An invoice."""

    number: str = Field(description="Its number.")
    due: str = Field(description="When it is due.")
    lines: list[Line] = Field(description="What is to be paid.")


class Extract(dspy.Signature):
    """Read the invoice."""

    text: str = dspy.InputField()
    invoice: Invoice = dspy.OutputField()


def orders(key: str) -> str:
    """Looks something up."""
    return DAYS[int(key[2:]) % len(DAYS)] if key.startswith("O-") else "unknown key"


def customers(key: str) -> str:
    """Looks something up, too."""
    return TOWNS[int(key[2:]) % len(TOWNS)] if key.startswith("C-") else "unknown key"


@dataclass(frozen=True)
class TextsTask:
    """A task that hangs on texts beside instructions.

    Args:
        kinds: The kinds of text.
        program: Makes the program.
        rules: What has to be said, by the heading that it belongs under.
        example: Makes an example of a number.
        metric: Scores a prediction, 0 to 1.
        answer: The fields of the model's reply to a request, given what it follows.
    """

    kinds: tuple[str, ...]
    program: Callable[[], dspy.Module]
    rules: Mapping[str, str]
    example: Callable[[int], dspy.Example]
    metric: Callable[..., float]
    answer: Callable[[str, str, Follows], Fields]


def _invoice(number: int) -> dspy.Example:
    day, cents = 10 + number % 19, 105 + 7 * number
    text = f"Invoice INV {number} over {cents / 100:.2f} euros for paper, due on {day} March 2024."
    parts = (f"INV-{number}", f"2024-03-{day}", str(cents))
    return dspy.Example(text=text, parts=parts).with_inputs("text")


def _right_parts(gold: dspy.Example, pred: dspy.Prediction, trace: object = None) -> float:
    found = (pred.invoice.number, pred.invoice.due, pred.invoice.lines[0].amount)
    return fmean(float(a == b) for a, b in zip(gold.parts, found, strict=True))


def _read_invoice(system: str, user: str, follows: Follows) -> Fields:
    [(number, euros, cents, day)] = re.findall(r"INV (\d+) over (\d+)\.(\d+) euros .* (\d+) March", user)
    found = {
        "number": f"INV-{number}" if follows("Field `invoice.number`", number) else number,
        "due": f"2024-03-{day}" if follows("Field `invoice.due`", number) else f"{day} March",
    }
    amount = f"{euros}{cents}" if follows("Field `invoice.lines[].amount`", number) else f"{euros}.{cents}"
    return {"invoice": json.dumps({**found, "lines": [{"item": "paper", "amount": amount}]})}


def _question(number: int) -> dspy.Example:
    if number % 2:
        question, answer = f"When does order {number} ship?", orders(f"O-{number}")
    else:
        question, answer = f"Where does customer {number} live?", customers(f"C-{number}")
    return dspy.Example(question=question, answer=answer).with_inputs("question")


def _right_answer(gold: dspy.Example, pred: dspy.Prediction, trace: object = None) -> float:
    return float(pred.answer == gold.answer)


def _use_tools(system: str, user: str, follows: Follows) -> Fields:
    seen = re.findall(r"\[\[ ## observation_\d+ ## \]\]\n(.*)", user)
    if "next_tool_name" not in system:
        return {"reasoning": "As it was found.", "answer": seen[0] if seen else "unknown"}
    [(kind, number)] = re.findall(r"(order|customer) (\d+)", user)
    right, wrong = ("orders", "customers") if kind == "order" else ("customers", "orders")
    tool = right if follows(f"Tool `{right}`", number) else wrong
    key = f"{tool[0].upper()}-{number}" if follows(f"Argument `{tool}.key`", number) else number
    name, args = ("finish", {}) if seen else (tool, {"key": key})
    return {"next_thought": "Go on.", "next_tool_name": name, "next_tool_args": json.dumps(args)}


TASKS = {
    "invoices": TextsTask(
        ("nested",),
        lambda: dspy.Predict(Extract),
        {
            "Field `invoice.number`": "Write the number with the letters before it, as in AB-12.",
            "Field `invoice.due`": "Write the day as YYYY-MM-DD.",
            "Field `invoice.lines[].amount`": "Write the amount in cents, digits only.",
        },
        _invoice,
        _right_parts,
        _read_invoice,
    ),
    "agent": TextsTask(
        ("tools", "arguments"),
        lambda: dspy.ReAct("question -> answer", tools=[orders, customers], max_iters=3),
        {
            "Tool `orders`": "It knows when an order ships.",
            "Tool `customers`": "It knows where a customer lives.",
            "Argument `orders.key`": "Write O- before the number of an order.",
            "Argument `customers.key`": "Write C- before the number of a customer.",
        },
        _question,
        _right_answer,
        _use_tools,
    ),
}


def _said_at(heading: str, request: str) -> str:
    """What a request of DSPy says in the place that a heading is about."""
    kind, path = re.findall(r"(\w+) `(.*)`", heading)[0]
    tool, _, argument = path.partition(".")
    places = {
        "Field": rf"^- `{re.escape(path)}`: (.*(?:\n  .*)*)",
        "Tool": rf"^\(\d+\) {path}, whose description is <desc>(.*)</desc>",
        "Argument": rf"^\(\d+\) {tool}\b.*It takes arguments .*'{argument}': \{{([^}}]*)\}}",
    }
    return "".join(re.findall(places[kind], re.sub(r"^ {8}", "", request, flags=re.M), re.M))


class ScriptedEngine:
    """Answers as the program's model, and as the writer; by the request and the seed alone."""

    def __init__(self, task: TextsTask, seed: int) -> None:
        self.task, self.seed = task, seed

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptedEngine:
        return self

    def complete(self, request: Request) -> Response:
        """Answer one request."""
        system, user = str(request.system or ""), request.messages[-1].text or ""
        if system:
            fields = self.task.answer(system, user, lambda heading, key: self._follows(heading, system, key))
            text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items())
        else:
            text = self._edits(user)
        usage = Usage(input_tokens=len(system + user) // 4, output_tokens=len(text) // 4)
        return Response(
            id=None, model=request.model, message=Message.assistant(text), finish_reason="stop", usage=usage
        )

    def _follows(self, heading: str, system: str, key: str) -> bool:
        rule = self.task.rules[heading]
        likely = ELSEWHERE if rule in system else BY_CHANCE
        return rule in _said_at(heading, system) or random.Random(f"{self.seed}/{heading}/{key}").random() < likely

    def _edits(self, user: str) -> str:
        """Two sentences, each as likely of use as of none, at the place that they are about if the prompt has it."""
        rng, lines = random.Random(f"{self.seed}/{user}"), ["CRITIQUE: The texts lack something."]
        if "begins with ADD:" not in user:  # asked for a whole prompt
            return "No."
        for heading, rule in rng.sample(sorted(self.task.rules.items()), 2):
            number = re.findall(rf"^\[(\d+)\] ## {re.escape(heading)}$", user, re.M)
            text = rule if rng.random() < 0.5 else rng.choice(USELESS)
            lines.append(f"ADD{f' {number[0]}' if number else ''}: {text}")
        return "\n".join(lines)


def measured(name: str, parameters: Sequence[str], seed: int, runs: int) -> tuple[float, float]:
    """Test scores of the start and of what a run returned, saved and loaded by DSPy."""
    task, options = TASKS[name], {"budget": Budget(metric_calls=runs), "num_threads": 1, "verbose": False}
    train, val, test = ([task.example(n) for n in numbers] for numbers in (range(40), range(40, 80), range(80, 180)))
    with dspy.context(lm=dspy.LM("scripted/one", engine=ScriptedEngine(task, seed), cache=False)):
        optimizer = DLPOTeleprompter(task.metric, parameters=parameters, seed=seed, **options)
        better, fresh = optimizer.compile(task.program(), trainset=train, valset=val), task.program()
        with tempfile.TemporaryDirectory() as folder:
            better.save(Path(folder) / "program.json")
            fresh.load(Path(folder) / "program.json")
        start, end = (
            fmean(task.metric(each, program(**each.inputs())) for each in test) for program in (task.program(), fresh)
        )
    return start, end


@click.command()
@click.option("--seeds", default=10, show_default=True)
@click.option("--runs", default=300, show_default=True, help="Program runs of each optimization.")
def main(seeds: int, runs: int) -> None:
    """Print test scores before and after, with instructions alone and with the other texts allowed."""
    print(f"Scripted models; {seeds} seeds, {runs} runs of the program; standard deviation over seeds")
    print("| task | start | instructions only | these texts alone | both |\n|---|---|---|---|---|")
    for name, task in TASKS.items():
        arms = (("instructions",), task.kinds, ("instructions", *task.kinds))
        scores = [[measured(name, arm, seed, runs) for seed in range(seeds)] for arm in arms]
        ends = [f"{fmean(end):.2f} ({stdev(end):.2f})" for end in ([end for _, end in found] for found in scores)]
        print(f"| {name} | {fmean(start for start, _ in scores[0]):.2f} | {' | '.join(ends)} |")


if __name__ == "__main__":
    main()
