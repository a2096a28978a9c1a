"""Deciding about refunds by a shop's policy, which only the answers tell.

The policy: above 200 euros, escalate. Else damaged on arrival, approve. Else bought more than 30 days ago, deny. Else
approve. Amounts and days stay clear of the limits, so that no answer hangs on arithmetic.
"""

from __future__ import annotations

import random
from pathlib import Path

from evaluations.local_tasks.kind import Pair

START = "Decide about the refund request: approve, deny or escalate. Answer with that word only."
COUNT = 700
GOODS = "kettle, lamp, backpack, keyboard, watch, toaster, headset, jacket, camera, drill, blender, monitor".split(", ")
DAMAGE = (
    "It arrived with a crack in it.",
    "The box was crushed, and it is broken.",
    "It came with a part torn off.",
    "It was scratched all over when I opened the parcel.",
    "It arrived dented and does not work.",
)
REGRET = (
    "I have changed my mind.",
    "I do not like the colour.",
    "I found it cheaper elsewhere.",
    "It was a gift, and I have one already.",
    "It is not what I imagined.",
)
# Drawn alike: so the three decisions are about as frequent.
CASES = ("large", "large", "damaged", "in time", "late", "late")


def requests(data_dir: Path | None = None) -> list[Pair]:
    """Generated requests with their decisions, about as many of each; always the same."""
    rng = random.Random("refunds")
    return [_request(rng, rng.choice(CASES)) for _ in range(COUNT)]


def decision(amount: int, is_damaged: bool, days: int) -> str:
    """What the policy says of an amount in euros, bought so many days ago."""
    if amount > 200:
        return "escalate"
    return "deny" if days > 30 and not is_damaged else "approve"


def _request(rng: random.Random, case: str) -> Pair:
    amount = rng.randint(260, 900) if case == "large" else rng.randint(12, 140)
    is_damaged = case == "damaged" or (case == "large" and rng.random() < 0.5)
    may_be_late = case in ("large", "damaged") and rng.random() < 0.5
    days = rng.randint(42, 95) if case == "late" or may_be_late else rng.randint(2, 24)
    said = rng.choice(DAMAGE if is_damaged else REGRET)
    question = f"Order: {rng.choice(GOODS)}, {amount} EUR, bought {days} days ago. The customer writes: {said}"
    return question, decision(amount, is_damaged, days)
