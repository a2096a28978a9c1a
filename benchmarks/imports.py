"""What `import dspy_dlpo` adds to `import dspy`: ``python benchmarks/imports.py``."""

from __future__ import annotations

import statistics
import subprocess
import sys

import click
from measuring import write

SCRIPT = """
import time
began = time.process_time()
import dspy
between = time.process_time()
import dspy_dlpo
print(between - began, time.process_time() - between)
"""


@click.command()
@click.option("--rounds", default=15, show_default=True)
def main(rounds: int) -> None:
    """Print CPU milliseconds of both imports, medians over fresh processes."""
    done = [subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True) for _ in range(rounds)]
    turns = [[1000 * float(part) for part in each.stdout.split()] for each in done]
    medians = [statistics.median(times) for times in zip(*turns, strict=True)]
    found = dict(zip(("import dspy", "import dspy_dlpo after it"), medians, strict=True))
    click.echo(", ".join(f"{what}: {value:.0f} ms" for what, value in found.items()))
    write("imports", found, unit="CPU milliseconds")


if __name__ == "__main__":
    main()
