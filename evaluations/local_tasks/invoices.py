"""Noting an invoice down in a fixed format, which only the answers tell: ``INV-2047; 2024-03-05; EUR 12.50``."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

from evaluations.local_tasks.kind import Pair

START = "Note down the invoice."
COUNT = 700
MESSAGES = (
    "Hello, invoice {id} over {amount} is due on {day}. Kind regards, {name}",
    "Please pay {amount} by {day}, reference {id}. {name}",
    "Reminder from {name}: {id} is still open. It is due on {day}, the amount is {amount}.",
    "Hi, this is {name}. I attach {id}; {amount} to be paid until {day}, thank you.",
)
NAMES = ("Mia", "Jonas", "Priya", "Tom", "Elena", "Kofi", "Sara", "Wei")


def invoices(data_dir: Path | None = None) -> list[Pair]:
    """Generated messages with what is noted down of each; always the same."""
    rng = random.Random("invoices")
    return [_invoice(rng) for _ in range(COUNT)]


def _invoice(rng: random.Random) -> Pair:
    number, cents = rng.randint(1000, 9999), rng.randint(500, 95_000)
    day = date(2023, 1, 1) + timedelta(days=rng.randrange(1000))
    filled = {"id": f"inv-{number}", "amount": _amount(rng, cents), "day": _day(rng, day), "name": rng.choice(NAMES)}
    return rng.choice(MESSAGES).format(**filled), f"INV-{number}; {day.isoformat()}; EUR {_decimal(cents)}"


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _amount(rng: random.Random, cents: int) -> str:
    with_comma = _decimal(cents).replace(".", ",")
    return rng.choice((f"{_decimal(cents)} euros", f"{with_comma} €", f"€{_decimal(cents)}", f"{with_comma} euros"))


def _day(rng: random.Random, day: date) -> str:
    month = f"{day:%B}"
    return rng.choice((f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}", f"{day:%d.%m.%Y}"))
