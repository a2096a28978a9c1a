"""Support desk: extract the facts of a ticket, then decide the queue by a policy that only instructions teach."""

import random
import re
from typing import Any

from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.stage import Knows, Stage

_PRODUCTS = ("kettle", "toaster", "heater", "blender", "router", "printer")
_PLANS = {
    "free plan": "free",
    "gold plan": "gold",
    "business plan": "business",
    "premium members": "gold",
    "company account": "business",
}
_ISSUES = {
    "It arrived broken": "broken",
    "It stopped working": "broken",
    "The parcel has not arrived": "late",
    "The delivery is late": "late",
    "I was charged twice": "charge",
    "The invoice is wrong": "charge",
    "I cannot log in": "login",
    "My password is refused": "login",
}
_SPANS = {"two weeks": 14, "three weeks": 21, "six weeks": 42, "three months": 90, "a year": 365, "two years": 730}
_FIRST = {"broken": "repairs", "late": "shipping", "charge": "billing", "login": "accounts", "refund": "billing"}
_TICKET = re.compile(r"Hello support, .{20,900}? Regards, [A-Z][a-z]+\.")
_FACTS = re.compile(
    r"plan=(?P<plan>[a-z]+); product=(?P<product>[a-z]+); issue=(?P<issue>[a-z]+); days=(?P<days>\d+);"
    r" amount=(?P<amount>\d+|unknown); urgent=(?P<urgent>yes|no)"
)
QUEUES = (
    "accounts",
    "billing",
    "field",
    "priority",
    "repairs",
    "retention",
    "returns",
    "review",
    "safety",
    "sales",
    "shipping",
)


def _read_ticket(text: str) -> tuple[Any, ...] | None:
    plan = re.search(
        r"I am on the (free plan|gold plan|business plan)|one of your (premium members)|our (company account)", text
    )
    bought = re.search(r"bought an? ([a-z]+) (?:(\d+) days|(a year|[a-z]+ [a-z]+)) ago", text)
    paid = re.search(r"paid (\d+) euros(?: plus (\d+) for shipping)?", text)
    issue = next((issue for words, issue in _ISSUES.items() if words in text), None)
    if plan is None or bought is None or issue is None:
        return None
    other = re.search(r"the ([a-z]+) I had before was fine", text)
    denied = re.search(r"It is not (broken|late)", text)
    days = int(bought[2]) if bought[2] else _SPANS.get(bought[3], 1)
    return (
        next(filter(None, plan.groups())),
        bought[1],
        other and other[1],
        issue,
        denied and denied[1],
        "money back" in text,
        (days, bought[3]),
        paid and (int(paid[1]), int(paid[2] or 0)),
        "before Friday" in text,
        "!!!" in text,
    )


def _issue(issue: str, denied: str | None, refund: bool, knows: Knows) -> str:
    if denied and not knows("denied"):
        issue = denied
    return "refund" if refund and knows("money_back") else issue


def _urgent(deadline: bool, shouting: bool, knows: Knows) -> bool:
    if deadline:
        return knows("deadline")
    return shouting and not knows("shouting")


def _extract(data: tuple[Any, ...], knows: Knows) -> str:
    plan, product, other, issue, denied, refund, (days, span), paid, deadline, shouting = data
    tier = _PLANS[plan]
    if plan in ("premium members", "company account") and not knows("plan_names"):
        tier = "free"
    if other and not knows("right_product"):
        product = other
    if span and not knows("spans"):
        days = {"two": 2, "three": 3, "six": 6, "a": 1}[span.split()[0]]
    amount = "unknown" if knows("unknown_amount") else "0"
    if paid:
        amount = str(paid[0] if not paid[1] or knows("shipping_cost") else sum(paid))
    urgent = "yes" if _urgent(deadline, shouting, knows) else "no"
    return (
        f"plan={tier}; product={product}; issue={_issue(issue, denied, refund, knows)}; days={days};"
        f" amount={amount}; urgent={urgent}"
    )


def _read_facts(text: str) -> tuple[Any, ...] | None:
    match = _FACTS.fullmatch(text)
    return tuple(match.groups()) if match else None


def _by_customer(plan: str, issue: str, knows: Knows) -> str | None:
    if plan == "business" and issue in ("late", "charge") and knows("business_first"):
        return "priority"
    if plan == "gold" and issue == "late" and knows("gold_late"):
        return "retention"
    return None


def _decide(data: tuple[Any, ...], knows: Knows) -> str:
    plan, product, issue, days, amount, urgent = data
    if product == "heater" and issue in ("broken", "refund") and knows("recall"):
        return "safety"
    if amount.isdigit() and int(amount) > 500 and issue in ("charge", "refund") and knows("high_amount"):
        return "review"
    customer = _by_customer(plan, issue, knows)
    if customer:
        return customer
    if issue == "broken" and int(days) > 365 and knows("warranty"):
        return "sales"
    if issue == "broken" and urgent == "yes" and knows("urgent_repair"):
        return "field"
    if issue == "refund" and int(days) <= 30 and knows("return_window"):
        return "returns"
    if issue in ("late", "charge") and amount == "unknown" and knows("no_amount"):
        return "accounts"
    return _FIRST.get(issue, "accounts")


def _purchase(rng: random.Random, shifted: bool) -> str:
    old = rng.random() < (0.5 if shifted else 0.4)
    when = rng.choice(sorted(_SPANS)) if old else f"{rng.choice((2, 5, 9, 12, 20, 28, 40, 75, 200, 400))} days"
    bought = f"I bought a {rng.choice(_PRODUCTS)} {when} ago"
    if rng.random() < 0.2:
        return f"{bought}."
    paid = rng.choice((494, 497, 499, 620, 750)) if rng.random() < 0.45 else rng.randint(20, 300)
    cost = f" plus {rng.choice((9, 12, 15))} for shipping" if rng.random() < 0.5 else ""
    return f"{bought} and paid {paid} euros{cost}."


def generate(rng: random.Random, shifted: bool = False) -> str:
    """One ticket; shifted ones hold more refunds, urgent cases and other names of the plans."""
    plans = sorted(_PLANS)[2:] if shifted else sorted(_PLANS)
    plan = rng.choice(plans)
    who = {
        "premium members": "I am one of your premium members.",
        "company account": "I write from our company account.",
    }
    parts = [who.get(plan, f"I am on the {plan}."), _purchase(rng, shifted)]
    if rng.random() < 0.25:
        earlier = rng.choice([p for p in _PRODUCTS if p not in parts[1]])
        parts.insert(1, f"By the way, the {earlier} I had before was fine.")
    text = rng.choice(
        sorted(_ISSUES, key=lambda words: (_ISSUES[words] != "broken", words))[: 8 if rng.random() < 0.7 else 2]
    )
    if _ISSUES[text] in ("late", "charge") and rng.random() < 0.3:
        parts.append("It is not broken, mind you.")
    parts.append(f"{text}.")
    if rng.random() < (0.5 if shifted else 0.4):
        parts.append("I want my money back.")
    rest = rng.random()
    if rest < (0.4 if shifted else 0.3):
        parts.append("I need an answer before Friday.")
    elif rest < 0.6:
        parts.append("THIS IS URGENT!!!")
    return f"Hello support, {' '.join(parts)} Regards, {rng.choice(('Ada', 'Bo', 'Cleo', 'Dan', 'Eve', 'Finn'))}."


def _facts_slips(answer: str) -> tuple[str, ...]:
    issues = [name for name in sorted(_FIRST) if f"issue={name};" not in answer]
    return tuple(re.sub(r"issue=[a-z]+", f"issue={name}", answer) for name in issues) or ("plan=free",)


EXTRACT = Stage(
    name="support_desk.extract",
    start="Extract the facts of the ticket.",
    topic="extract|ticket",
    source="ticket",
    target="facts",
    question=_TICKET,
    read=_read_ticket,
    solve=_extract,
    answer=_FACTS,
    slips=_facts_slips,
    skills=(
        Skill(
            "plan_names",
            0.55,
            ("premium|company|account|member gold|business|plan|tier means|mean|is|are|equal|as|=",),
            (
                "Premium members are on the gold plan and a company account is a business plan.",
                "Read 'premium member' as plan=gold and 'company account' as plan=business.",
                "The names premium and company mean the gold and the business tier.",
            ),
            ("Pay attention to the customer's plan.", "Customers describe themselves in many ways."),
            ("Premium members are gold, a company account is business; the plan was taken as free.",),
        ),
        Skill(
            "right_product",
            0.60,
            (
                "product|item|appliance complain|problem|trouble|affected|about|bought|earlier|previous|mention"
                " not|only|ignore|take|is|use !issue|plan",
            ),
            (
                "The product is the one the complaint is about, not an earlier one that is mentioned in passing.",
                "Take the product that was bought and makes trouble; ignore others.",
                "Ignore any product that the customer had before and only mentions.",
            ),
            ("Products should be identified well.", "Name the product."),
            ("It took the wrong product: the one mentioned in passing, not the one the complaint is about.",),
        ),
        Skill(
            "spans",
            0.55,
            ("week|month|year day|days convert|turn|multipl|7.|30.|365.|into|count",),
            (
                "Convert weeks, months and years into days: a week is 7, a month 30 and a year 365.",
                "Turn a span such as 'two weeks' into a number of days.",
                "For days, one week is 7 days and a month 30.",
            ),
            ("Dates are important.", "Look at when the purchase was made."),
            ("A span of weeks or months was not converted into days.",),
        ),
        Skill(
            "shipping_cost",
            0.60,
            ("shipping|delivery_cost|postage amount|price|paid exclude|without|not|only|ignore|leave",),
            (
                "The amount is the price without shipping.",
                "Leave shipping out of the amount; do not add it.",
                "Ignore postage: amount is only what the product cost.",
            ),
            ("Amounts must be exact.", "Money matters."),
            ("The amount includes the shipping, which should not be in it.",),
            ("add|include shipping|postage amount|price !not|do_not",),
            ("Add the shipping to the amount.",),
        ),
        Skill(
            "money_back",
            0.50,
            ("money_back|reimburse issue|refund whatever|even|always|is|overrid|wants|asks|asked|as !within",),
            (
                "A customer who wants the money back has issue=refund, even if something is broken or late.",
                "When money back is asked for, the issue is refund whatever else is wrong.",
            ),
            ("Understand what the customer wants.", "Money is a sensitive subject."),
            ("The customer asks for the money back, so the issue is refund.",),
        ),
        Skill(
            "denied",
            0.60,
            ("not|denie|deny|negat|rule_out broken|late|issue|problem says|say|denie|customer|ignore|rule|negat",),
            (
                "When the customer says that something is not broken, that is not the issue.",
                "Ignore problems that the customer denies; they are not the issue.",
            ),
            ("Read the problem carefully.", "Customers may complain about many things."),
            ("The customer says it is not broken, so that cannot be the issue.",),
        ),
        Skill(
            "deadline",
            0.50,
            ("deadline|before_friday|by_a_date|due|day_by|before urgent",),
            (
                "A stated deadline, such as 'before Friday', makes it urgent=yes.",
                "urgent is yes when the customer names a deadline.",
            ),
            ("Think about priorities.", "Time is money."),
            ("A deadline was stated, which makes the ticket urgent.",),
        ),
        Skill(
            "shouting",
            0.60,
            ("shout|capital|exclamation|upper|loud urgent",),
            (
                "Shouting or exclamation marks alone do not make a ticket urgent.",
                "Capital letters and exclamation marks are not a reason for urgent=yes.",
            ),
            ("Stay calm with angry customers.", "Tone matters."),
            ("Mere shouting was taken for urgent, which it is not.",),
        ),
        Skill(
            "unknown_amount",
            0.40,
            ("amount|price missing|absent|unknown|no|not_given|not_stated|without unknown",),
            (
                "If no amount is given, write amount=unknown.",
                "A missing price is written as unknown, not as 0.",
            ),
            ("Fill in all the facts.", "Leave nothing empty."),
            ("The amount is missing in the ticket and should be unknown instead of 0.",),
        ),
    ),
)

DECIDE = Stage(
    name="support_desk.decide",
    start="Decide the queue for these facts.",
    topic="queue|route|decide|policy",
    source="facts",
    target="queue",
    question=_FACTS,
    read=_read_facts,
    solve=_decide,
    answer=re.compile(rf"\b(?:{'|'.join(QUEUES)})\b"),
    slips=lambda answer: tuple(queue for queue in QUEUES if queue != answer),
    skills=(
        Skill(
            "business_first",
            0.75,
            ("business|company priority|first",),
            (
                "Business customers with a late parcel or a charge go to priority.",
                "Send late and charge tickets of a business plan to priority.",
            ),
            ("Some customers are special.", "Respect the plan."),
            ("A late parcel or a charge of a business customer belongs to priority.",),
        ),
        Skill(
            "gold_late",
            0.75,
            ("gold|premium late|delay|deliver retention",),
            (
                "A gold customer whose delivery is late goes to retention.",
                "Late and gold: retention.",
            ),
            ("Treat loyal customers well.",),
            ("A gold customer with a late delivery belongs to retention.",),
        ),
        Skill(
            "high_amount",
            0.75,
            ("500|five_hundred|high|large|above|over review",),
            (
                "Charges and refunds above 500 go to review.",
                "Amounts over 500 need review when money is at issue.",
            ),
            ("Be careful with money.",),
            ("An amount above 500 must go to review.",),
        ),
        Skill(
            "return_window",
            0.75,
            ("refund|money 30|thirty|month returns|return",),
            (
                "A refund within 30 days goes to returns.",
                "Refunds up to 30 days after the purchase belong to returns, later ones to billing.",
            ),
            ("Refunds follow a policy.",),
            ("A refund wanted within 30 days belongs to returns.",),
        ),
        Skill(
            "warranty",
            0.75,
            ("year|365|warranty|old sales",),
            (
                "Broken after more than a year (365 days) goes to sales.",
                "Out of warranty, that is over 365 days: sales.",
            ),
            ("Old products are different.",),
            ("It is out of warranty, more than 365 days, so sales is right.",),
        ),
        Skill(
            "urgent_repair",
            0.75,
            ("urgent field",),
            (
                "Urgent repairs go to field.",
                "If something is broken and urgent, choose field.",
            ),
            ("Be quick when needed.",),
            ("A broken product that is urgent belongs to field.",),
        ),
        Skill(
            "recall",
            0.75,
            ("heater|recall safety",),
            (
                "A broken or returned heater always goes to safety, before any other rule.",
                "Heaters are recalled: safety.",
            ),
            ("Dangerous products need care.",),
            ("A heater with a defect or refund must go to safety.",),
        ),
        Skill(
            "no_amount",
            0.75,
            ("unknown|missing|no_amount amount accounts",),
            (
                "An unknown amount with a late parcel or a charge goes to accounts.",
                "When the amount is unknown, late and charge belong to accounts.",
            ),
            ("Incomplete facts need thought.",),
            ("With an unknown amount it belongs to accounts.",),
        ),
    ),
)
