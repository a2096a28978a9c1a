#!/usr/bin/env python3
"""Draw the pictures of the documentation from the behaviour of the library's own code.

    .venv/bin/python scripts/pictures                     # into docs/images
    .venv/bin/python scripts/pictures --into elsewhere

Nothing is drawn by hand but the boxes of the step: every number comes from calling a technique, or from a run on the
simulated model. What a picture shows is kept in it as JSON too, so that a test can tell whether it still holds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import diagram
import matplotlib
import rules
import runs
from canvas import STYLE, save

PICTURES = {
    "step": diagram.step,
    "learning_rate": rules.learning_rate,
    "decay": rules.decay,
    "dropout": rules.dropout,
    "annealing": rules.annealing,
    "momentum": rules.momentum,
    "contrastive": runs.contrastive,
    "regularization": runs.regularization,
}


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the documentation.")
    parser.add_argument("--into", type=Path, default=Path(__file__).parents[2] / "docs" / "images")
    into = parser.parse_args().into
    into.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        with matplotlib.rc_context(STYLE):
            figure, data = draw()
            save(figure, data, into / f"{name}.svg")
        print(into / f"{name}.svg")


if __name__ == "__main__":
    main()
