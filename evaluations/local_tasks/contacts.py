"""Writing contacts down by a house's conventions, which only the answers tell: ``Virtanen, Anna; +358401234567``."""

from __future__ import annotations

import random
from pathlib import Path

from evaluations.local_tasks.kind import Pair

START = "Note down the contact."
COUNT = 700
FIRST = ("Anna", "Eero", "Helmi", "Juha", "Kaisa", "Lauri", "Noora", "Pekka", "Sanna", "Timo")
LAST = ("Virtanen", "Korhonen", "Nieminen", "Laine", "Heikkinen", "Koskinen", "Salonen", "Rantanen", "Lehto", "Saari")
MESSAGES = (
    "Hi, this is {first} {last}. You can reach me on {phone}.",
    "Please call {first} {last} back, phone {phone}.",
    "{first} {last} asked about the offer; the number is {phone}.",
    "My new number is {phone}. Best, {first} {last}",
)
# How people write 040 1234567; `a` is the area code with its 0.
PHONES = ("{a} {b} {c}", "{a}-{b}{c}", "({a}) {b}-{c}", "+358 {area} {b} {c}", "{a}{b}{c}")


def contacts(data_dir: Path | None = None) -> list[Pair]:
    """Generated messages with the contact in each; always the same."""
    rng = random.Random("contacts")
    return [_contact(rng) for _ in range(COUNT)]


def _contact(rng: random.Random) -> Pair:
    first, last = rng.choice(FIRST), rng.choice(LAST)
    area, head, tail = rng.choice(("40", "44", "45", "50")), f"{rng.randrange(1000):03}", f"{rng.randrange(10_000):04}"
    phone = rng.choice(PHONES).format(a=f"0{area}", area=area, b=head, c=tail)
    return rng.choice(MESSAGES).format(first=first, last=last, phone=phone), f"{last}, {first}; +358{area}{head}{tail}"
