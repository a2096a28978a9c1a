"""A program of several predictors: edits go to the one at fault, more of them if a critic is asked first.

`update="all"` (the default) asks for edits of every predictor; `"most_blamed"` and `"in_turn"` change one a step.
`frozen=` takes names of predictors that stay as they are. Everything runs offline on a simulated language model.
"""

from collections import Counter

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

dspy.configure(lm=simulated_lm())
simulated = simulated_task("support_desk")


class SupportDesk(dspy.Module):
    """Read a ticket, then choose the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.extract = dspy.Predict(dspy.Signature("ticket -> facts", "Extract the facts of the ticket."))
        self.decide = dspy.Predict(dspy.Signature("facts -> queue", "Decide the queue."))

    def forward(self, ticket: str) -> dspy.Prediction:
        """Route one ticket."""
        facts = self.extract(ticket=ticket).facts
        return dspy.Prediction(facts=facts, queue=self.decide(facts=facts).queue)


def metric(gold: dspy.Example, pred: dspy.Prediction, trace: object = None) -> float:
    """1 when the queue is right, else 0."""
    return float(pred.queue == gold.queue)


for frozen in ([], ["extract"]):
    optimizer = DLPOTeleprompter(metric, budget=Budget(metric_calls=500), frozen=frozen)
    better = optimizer.compile(SupportDesk(), trainset=simulated.trainset, valset=simulated.valset)
    result = better.detailed_results
    accepted = [record for record in result.history if record.kind == "step" and record.accepted]
    kept = Counter(entry.edit.predictor for record in accepted for entry in record.ledger if entry.kept)
    print("frozen predictors:", frozen or "none")
    print("  edits that were kept, by predictor:", dict(kept))
    print("  verdict (simulated model):", result.verdict)
    for name, predictor in better.named_predictors():
        print(f"  {name}: {predictor.signature.instructions[:90]}")
