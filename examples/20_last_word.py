"""A person has the last word: every edit is shown with what it did, and what is declined does not stay.

At the end only the edits of the prompts to be returned are shown, and what is left is compared anew. At each step all
edits are shown before a run is spent on them, and the writer is told what was declined. ``Review()`` asks in the
terminal or the notebook; here a function answers. Everything runs offline on a simulated language model.
"""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter, Review, Suggestion
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting", n_train=40, n_val=40)
dspy.configure(lm=simulated_lm())


answers: list[tuple[Suggestion, bool | str]] = []


def approve(suggestion: Suggestion) -> bool | str:
    """Yes, no, or a sentence of one's own."""
    answer: bool | str = len(suggestion.after.split()) <= 30
    if suggestion.edit.op == "delete":
        answer = "Answer with the number alone."
    answers.append((suggestion, answer))
    return answer


for when in ("end", "steps"):
    answers.clear()
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=400), review=Review(approve, when=when))
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    agreed = sum(answer is True for _, answer in answers)
    print(f"asked at the {when}: {len(answers)} edits, {agreed} agreed to")
    suggestion, answer = answers[0]
    print(suggestion, f"  -> {answer}", sep="\n")
    print("verdict (simulated model):", result.verdict)
