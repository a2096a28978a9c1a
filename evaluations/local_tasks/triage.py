"""Giving support tickets a priority by a house's own rules, which only the answers tell.

The rules: whatever a customer with a gold contract writes is P1. Of the others, questions are P3 and faults P2, however
bad they sound.
"""

from __future__ import annotations

import random
from pathlib import Path

from evaluations.local_tasks.kind import Pair

START = "Give the ticket's priority: P1, P2 or P3. Answer with that only."
COUNT = 700
FIRMS = "Aalto Oy, Birk AS, Cormac Ltd, Delmar SA, Ekholm AB, Fontana Srl, Gruber GmbH, Hoekstra BV".split(", ")
PARTS = "the invoice page, the mobile app, the login, the nightly export, the search, the calendar".split(", ")
FAULTS = (
    "{part} has been down since {day}; nobody here can work.",
    "{part} shows a wrong total since {day}.",
    "{part} crashes since {day}, and we lose orders.",
    "{part} has been slow since {day}.",
    "{part} sends an error since {day}.",
)
QUESTIONS = (
    "How do I share {part} with a colleague before {day}?",
    "Can {part} be shown in dark colours by {day}?",
    "Where do I find the manual of {part}? I need it on {day}.",
    "Is there a training on {part} on {day}?",
    "Who may change the settings of {part} on {day}?",
)
DAYS = "Monday, Tuesday, Wednesday, Thursday, Friday".split(", ")


def tickets(data_dir: Path | None = None) -> list[Pair]:
    """Generated tickets with their priorities, about as many of each; always the same."""
    rng = random.Random("triage")
    return [_ticket(rng, rng.choice(("P1", "P2", "P3"))) for _ in range(COUNT)]


def _ticket(rng: random.Random, priority: str) -> Pair:
    contract = "gold" if priority == "P1" else rng.choice(("silver", "bronze"))
    kinds = {"P1": FAULTS + QUESTIONS, "P2": FAULTS, "P3": QUESTIONS}[priority]
    said = rng.choice(kinds).format(part=rng.choice(PARTS), day=rng.choice(DAYS))
    return f"Customer: {rng.choice(FIRMS)}. Contract: {contract}. Message: {said[0].upper()}{said[1:]}", priority
