"""A metric that says what was wrong: its words reach critic and writer.

Such a metric takes five arguments and returns `dspy.Prediction(score=, feedback=)`, as one for `dspy.GEPA` does; a
plain metric and one with feedback are both taken unchanged. Everything runs offline on a simulated language model.
"""

import json
import tempfile
from pathlib import Path

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting", n_train=40, n_val=40)
dspy.configure(lm=simulated_lm())


def feedback_metric(gold, pred, trace=None, pred_name=None, pred_trace=None) -> dspy.Prediction:
    """1 when the answer is right, else 0; and how far it was off."""
    if str(pred.answer).strip() == gold.answer:
        return dspy.Prediction(score=1.0, feedback="Right.")
    try:
        off = f"It is off by {int(pred.answer) - int(gold.answer):+d}."
    except ValueError:
        off = "It is no whole number."
    return dspy.Prediction(score=0.0, feedback=f"Wrong. The expected answer is {gold.answer}. {off}")


log_dir = tempfile.mkdtemp()
optimizer = DLPOTeleprompter(feedback_metric, budget=Budget(metric_calls=300), critic=True, log_dir=log_dir)
result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results

events = [json.loads(line) for line in (Path(log_dir) / "events.jsonl").read_text(encoding="utf-8").splitlines()]
rows = [event["row"] for event in events if event["event"] == "RunDone"]
heard = next(row["feedback"] for row in rows if row["feedback"].startswith("Wrong"))
print("the metric said of one run:", heard)
print("the critic made of some of them:", result.history.steps()[0].gradients[0].text.splitlines()[0])
print("verdict (simulated model):", result.verdict)
