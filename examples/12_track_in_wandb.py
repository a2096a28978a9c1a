"""Follow a run in Weights & Biases, or in any tracker that takes numbers by step.

`on_record` is called with every record as it is made. Without wandb installed the same numbers are printed; with it,
`WANDB_MODE=offline` needs no account. MLflow needs no code: `mlflow.dspy.autolog(log_compiles=True, log_evals=True)`.
Everything runs offline on a simulated language model.
"""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter, Record
from dspy_dlpo.simulation import simulated_lm, simulated_task

try:
    import wandb
except ImportError:
    wandb = None


def numbers(record: Record) -> dict[str, float]:
    """What a tracker can draw of a record."""
    words = sum(len(text.split()) for text in record.proposal.values())
    shown = {"accepted": record.accepted, "edits": len(record.edits), "words": words, "seconds": record.seconds}
    if record.score is not None:  # else the proposal was given up before it had run on the whole judging set
        shown["judged_score"] = record.score
    return {**shown, **{f"spent/{name}": value for name, value in record.spent.items()}}


task = simulated_task("object_counting")
dspy.configure(lm=simulated_lm())
run = None


def track(record: Record) -> None:
    """Send a record to the tracker."""
    if run is not None:
        run.log(numbers(record), step=record.index)
    elif record.accepted:
        kept = numbers(record)
        score = f"{kept['judged_score']:.2f}" if "judged_score" in kept else "-"
        print(f"step {record.index:3} {record.kind:6} judged {score} after {record.cost} program runs")


optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=300), on_record=track)
if wandb is not None:
    config = {name: repr(value) for name, value in optimizer.get_params().items()}  # of models only the names
    run = wandb.init(project="dspy-dlpo", config=config)

result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
print("verdict (simulated model):", result.verdict)
if run is not None:
    run.summary["verdict"] = result.verdict
    run.summary["difference"] = result.comparison.difference
    run.finish()
