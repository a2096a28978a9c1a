"""Your own data: rows of a CSV file, or of a data set of the Hugging Face hub.

An example is a `dspy.Example` whose inputs are marked. The CSV file is written here first, with questions of a
simulated task, so that the script runs as it is, offline; `from_hub` needs a network and `pip install datasets`, and is
not called.
"""

import csv
import random
import tempfile
from pathlib import Path

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task


def from_csv(path: Path, inputs: tuple[str, ...]) -> list[dspy.Example]:
    """One example a row; the columns are the fields."""
    with open(path, newline="", encoding="utf-8") as file:
        return [dspy.Example(**row).with_inputs(*inputs) for row in csv.DictReader(file)]


def from_hub(name: str, configuration: str, split: str, inputs: tuple[str, ...]) -> list[dspy.Example]:
    """The same from the hub, such as `from_hub("openai/gsm8k", "main", "train", inputs=("question",))`."""
    from datasets import load_dataset

    return [dspy.Example(**row).with_inputs(*inputs) for row in load_dataset(name, configuration, split=split)]


path = Path(tempfile.mkdtemp()) / "questions.csv"
simulated = simulated_task("object_counting", n_train=60, n_val=60)
with open(path, "w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, ["question", "answer"])
    writer.writeheader()
    writer.writerows(dict(each) for each in [*simulated.trainset, *simulated.valset])

examples = from_csv(path, inputs=("question",))
random.Random(0).shuffle(examples)  # a file is often sorted; both sets should hold all kinds
train, val = examples[: len(examples) // 2], examples[len(examples) // 2 :]
print(f"{len(train)} examples to learn from, {len(val)} to choose on, such as:")
print(" ", " ".join(train[0].question.split()), "->", train[0].answer)

dspy.configure(lm=simulated_lm())
program = dspy.Predict(dspy.Signature("question -> answer", "Answer the question."))


def metric(gold: dspy.Example, pred: dspy.Prediction, trace: object = None) -> float:
    """1 when the answer is right, whatever its case, else 0."""
    return float(gold.answer.strip().lower() == str(pred.answer).strip().lower())


optimizer = DLPOTeleprompter(metric, budget=Budget(metric_calls=500))
better = optimizer.compile(program, trainset=train, valset=val)
print("verdict (simulated model):", better.detailed_results.verdict)
