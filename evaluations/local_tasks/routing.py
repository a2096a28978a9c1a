"""Routing a bank's customers to one of twelve intents of BANKING77."""

from __future__ import annotations

from pathlib import Path

from evaluations.data import rows_of
from evaluations.local_tasks.kind import Pair

INTENTS = (
    "age_limit",
    "card_arrival",
    "cash_withdrawal_charge",
    "change_pin",
    "declined_card_payment",
    "exchange_rate",
    "lost_or_stolen_card",
    "request_refund",
    "terminate_account",
    "top_up_failed",
    "transfer_timing",
    "verify_my_identity",
)
UNTOLD = "Name the intent of the customer's message."
TOLD = f"Name the intent of the customer's message. It is one of: {', '.join(INTENTS)}. Answer with the name only."


def messages(data_dir: Path | None = None) -> list[Pair]:
    """The messages of the twelve intents.

    Raises:
        ValueError: If the data cannot be had.
    """
    return [(row["question"], row["answer"]) for row in rows_of("banking77", data_dir) if row["answer"] in INTENTS]
