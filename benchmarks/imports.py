"""What importing this package adds to `import dspy`: ``python benchmarks/imports.py``."""

from __future__ import annotations

import statistics
import subprocess
import sys

import click
from measuring import write

IMPORTS = ("import dspy", "import dspy_dlpo", "from dspy_dlpo import DLPOTeleprompter")
SCRIPT = f"""
import time
times = [time.process_time()]
for statement in {IMPORTS}:
    exec(statement)
    times.append(time.process_time())
print(*(end - begin for begin, end in zip(times, times[1:])))
"""


@click.command()
@click.option("--rounds", default=15, show_default=True)
def main(rounds: int) -> None:
    """Print CPU milliseconds of each import after those before it, medians over fresh processes."""
    done = [subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True) for _ in range(rounds)]
    turns = [[1000 * float(part) for part in each.stdout.split()] for each in done]
    medians = [statistics.median(times) for times in zip(*turns, strict=True)]
    found = dict(zip(IMPORTS, medians, strict=True))
    click.echo(", ".join(f"{what}: {value:.0f} ms" for what, value in found.items()))
    write("imports", found, unit="CPU milliseconds")


if __name__ == "__main__":
    main()
