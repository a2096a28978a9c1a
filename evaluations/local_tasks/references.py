"""For each task of the suite ``local`` an instruction written by hand, by one who knows the rules.

No optimizer sees them: they say how much an instruction can raise the score of a model at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluations.local_tasks.routing import INTENTS

HINTS = {
    "age_limit": "how old one must be, accounts for children",
    "card_arrival": "an ordered card that has not come yet",
    "cash_withdrawal_charge": "a fee for taking out cash",
    "change_pin": "setting another PIN",
    "declined_card_payment": "a card refused when paying",
    "exchange_rate": "what rate is used, converting currencies",
    "lost_or_stolen_card": "a card that is lost or stolen",
    "request_refund": "wanting money back for a purchase",
    "terminate_account": "closing or deleting the account",
    "top_up_failed": "a top-up that did not work",
    "transfer_timing": "how long a transfer takes",
    "verify_my_identity": "proving one's identity, documents",
}
_LINES = "\n".join(f"{intent} ({HINTS[intent]})" for intent in INTENTS)
# A small model answers the customer unless it is told not to, and reminded after the list.
_ROUTING = (
    "Classify the customer's message. Do not answer the customer. The answer is exactly one of these names, copied as "
    f"written here:\n{_LINES}\nWrite only the name in the answer, for example: change_pin"
)
_TRIAGE = (
    "Give the ticket's priority. Look at the contract first.\n"
    "- Contract gold: P1, whatever the message says.\n"
    "- Contract silver or bronze, and the message asks a question (it has a question mark): P3.\n"
    "- Contract silver or bronze, and the message tells of a fault: P2, even if nobody can work.\n"
    "Answer with P1, P2 or P3 only."
)
_POLARITY = (
    "Say whether the writer of this sentence of a film review likes the film (positive) or not (negative). Judge the "
    "sentence as a whole: praise after 'but' outweighs what stands before it. Answer with that word only."
)
_SUBJECTIVITY = (
    "Answer subjective if the sentence says what somebody thinks of a film. Answer objective if it tells what happens "
    "in a film's story. Answer with that word only."
)

REFERENCES: Mapping[str, str] = {
    "local/routing": _ROUTING,
    "local/routing told": _ROUTING,
    "local/refunds": (
        "Decide about the refund request by the first of these rules that holds:\n"
        "1. The price is more than 200 EUR: escalate.\n"
        "2. The customer writes that it arrived broken, cracked, torn, scratched or dented: approve.\n"
        "3. It was bought more than 30 days ago: deny.\n"
        "4. It was bought at most 30 days ago: approve.\n"
        "Answer with approve, deny or escalate only."
    ),
    "local/triage": _TRIAGE,
    "local/invoices": (
        "Write the invoice as: number; due date; amount. The number is in capitals (INV-1234). The date is "
        "year-month-day with two digits for month and day (2024-03-05). In dates like 05.03.2024 the day comes first. "
        "The amount is EUR, a space, and the number with a point and two decimals (EUR 12.50). Put a semicolon and a "
        "space between the three, and write nothing else. Example: INV-1234; 2024-03-05; EUR 12.50"
    ),
    "local/contacts": (
        "Write the contact as: last name, comma, first name, semicolon, phone number. Write the phone number as +358 "
        "followed by the number without its first 0 and without spaces, hyphens or brackets. Write nothing else. "
        "Example: for Maija Niemi, 041 555 1234, write Niemi, Maija; +358415551234"
    ),
    "local/polarity": _POLARITY,
    "local/navigate": (
        "Add up the steps: forward is plus and backward minus, right is plus and left minus; turns change the "
        "direction. Answer Yes if both sums are 0, else No. Answer with Yes or No only."
    ),
    "local/subjectivity shuffled": _SUBJECTIVITY,
    "local/triage shuffled": _TRIAGE,
}
