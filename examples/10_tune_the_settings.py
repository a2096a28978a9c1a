"""Search for better settings of the optimizer, and look at the search.

Everything runs offline on a simulated language model. For a real one, configure `dspy.LM("openai/gpt-4o-mini")`, and
take your own program, metric and examples. The same script in several terminals, or on several machines with the same
storage, shares the work. Needs `pip install "dspy-dlpo[tune]"`.
"""

import tempfile
from pathlib import Path

import dspy

from dspy_dlpo import Task
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning import price, tune

dspy.configure(lm=simulated_lm())
known = simulated_task("object_counting")
task = Task(known.program, known.metric, known.trainset, known.valset, known.testset, name="object_counting")
storage = f"sqlite:///{Path(tempfile.mkdtemp())}/tuning.db"

most = price(task, n_trials=5, budget_per_trial=200)
print("program runs at most:", most.runs)

result = tune(
    task,
    n_trials=5,
    budget_per_trial=200,
    storage=storage,
    on_trial=lambda trial: print(f"trial {trial.number}: {trial.state.name.lower()}, {trial.user_attrs['verdict']}"),
)
print("what the search says:", result.verdict)
print("program runs spent on trials:", result.spent["runs"])
print(result.line)

better = result.optimizer.compile(known.program, trainset=known.trainset, valset=known.valset)
print("verdict (simulated model):", better.detailed_results.verdict)
print(f"look at it: dlpo dashboard --storage {storage}")
