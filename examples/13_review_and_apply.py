"""Review a run as a patch, write what it learned into a program that was saved before, and take it back.

On the command line these are `dlpo diff RUN`, `dlpo apply RUN PROGRAM.json` and the same with `--revert`; here they are
called from Python. A program that somebody has edited since the run is not overwritten. Everything runs offline on a
simulated language model.
"""

import tempfile
from pathlib import Path

import click
import dspy

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter
from dspy_dlpo.cli import main
from dspy_dlpo.simulation import simulated_lm, simulated_task


def dlpo(*arguments: object) -> None:
    """A command as a shell would run it."""
    words = [str(each) for each in arguments]
    print("$ dlpo", *(Path(word).name if "/" in word else word for word in words))
    main(words, standalone_mode=False)
    print()


task = simulated_task("support_desk")
dspy.configure(lm=simulated_lm())
directory = Path(tempfile.mkdtemp())
deployed, run = directory / "deployed.json", directory / "run"
task.program.save(deployed)  # what runs in production today

optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=500), log_dir=run)
better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
print("verdict (simulated model):", better.detailed_results.verdict)
print()

dlpo("diff", run)
before = deployed.read_bytes()
dlpo("apply", run, deployed)
print("a saved program knows its run:", DLPOResult.load(deployed).verdict == better.detailed_results.verdict)
dlpo("apply", run, deployed, "--revert")
print("the file is as it was:", deployed.read_bytes() == before)

by_hand = simulated_task("support_desk").program
by_hand.decide.signature = by_hand.decide.signature.with_instructions("Choose the queue. Never guess.")
by_hand.save(deployed)
try:
    dlpo("apply", run, deployed)
except click.ClickException as error:
    print("refused:", error.format_message())
