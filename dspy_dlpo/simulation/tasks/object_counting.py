"""Object counting (BIG-Bench Hard): "I have a flute, two lamps, and a pig. How many animals do I have?"."""

import random
import re
from typing import Any

from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.stage import Knows, Stage

_NUMBERS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_THINGS = {
    "fruits": "apple banana blackberry grape nectarine orange peach plum raspberry strawberry",
    "vegetables": "cabbage carrot cauliflower garlic onion potato yam",
    "animals": "bear cat chicken cow dog donkey duck fish frog goat mouse pig rabbit snail snake",
    "musical instruments": "accordion clarinet drum flute piano trombone trumpet violin",
    "objects": "bed car chair couch fridge lamp microwave oven stove table toaster",
}
_CONTAINERS = {"head of broccoli": "vegetables", "stalk of celery": "vegetables", "lettuce head": "vegetables"}
_KIND = {noun: kind for kind, nouns in _THINGS.items() for noun in nouns.split()} | _CONTAINERS
_PLURALS = {
    "mice": "mouse",
    "fish": "fish",
    "heads of broccoli": "head of broccoli",
    "stalks of celery": "stalk of celery",
}
_BERRIES = frozenset(("blackberry", "raspberry", "strawberry", "grape"))
_ROOTS = frozenset(("garlic", "yam", "onion"))
_SMALL = frozenset(("snail", "fish", "snake", "frog"))
_APPLIANCES = frozenset(("car", "fridge", "stove", "oven"))


def _singular(noun: str) -> str:
    if noun in _PLURALS:
        return _PLURALS[noun]
    for ending, single in (("ies", "y"), ("ches", "ch"), ("oes", "o"), ("s", "")):
        if noun.endswith(ending):
            return noun[: -len(ending)] + single
    return noun


def _read(question: str) -> tuple[Any, ...] | None:
    match = _QUESTION.fullmatch(question)
    if match is None or match["kind"] not in _THINGS:
        return None
    items = []
    for part in re.split(r",\s*and\s+|,\s*|\s+and\s+", match["items"]):
        number, _, noun = part.strip().partition(" ")
        noun = noun if noun in _KIND else _singular(noun)
        if number not in _NUMBERS or noun not in _KIND:
            return None
        items.append((number, noun))
    return match["kind"], tuple(items)


def _belongs(noun: str, kind: str, knows: Knows) -> bool:
    home = _KIND[noun]
    if home != kind:
        return kind != "objects" and not knows("category")
    if noun in _ROOTS:
        return knows("roots")
    if noun in _BERRIES:
        return knows("berries")
    if noun in _SMALL:
        return knows("small_animals")
    return noun not in _APPLIANCES or knows("appliances")


def _amount(number: str, noun: str, knows: Knows) -> int:
    count = _NUMBERS[number]
    if (count in (2, 3) and not knows("small_numbers")) or (count > 3 and not knows("large_numbers")):
        return 1
    if noun in _CONTAINERS and not knows("containers"):
        return count + 1
    return count


def _solve(data: tuple[Any, ...], knows: Knows) -> str:
    kind, items = data
    counted = [(number, noun) for number, noun in items if _belongs(noun, kind, knows)]
    if len(items) >= 7 and counted and not knows("every_item"):
        counted.pop()
    total = sum(_amount(number, noun, knows) for number, noun in counted)
    if total >= 9 and not (knows("itemize") and knows("running_total")):
        total -= 1
    return str(total) if knows("bare_number") else f"{total} {kind}"


def generate(rng: random.Random, shifted: bool = False) -> str:
    """One question of this task; shifted ones have longer lists, larger numbers and more things of other kinds."""
    kind = rng.choice(sorted(_THINGS))
    own = sorted(noun for noun, home in _KIND.items() if home == kind)
    other = sorted(noun for noun, home in _KIND.items() if home not in (kind, "objects" if kind == "objects" else ""))
    size = rng.randint(6, 10) if shifted else rng.randint(2, 10)
    strange = rng.randint(1, 4) if kind != "objects" and rng.random() < (0.8 if shifted else 0.3) else 0
    nouns = rng.sample(own, min(size, len(own))) + rng.sample(other, strange)
    rng.shuffle(nouns)
    parts = [_phrase(noun, rng, 0.5 if shifted else 0.25) for noun in nouns]
    return f"I have {', '.join(parts[:-1])}, and {parts[-1]}. How many {kind} do I have?"


def _phrase(noun: str, rng: random.Random, plural: float) -> str:
    if rng.random() >= plural:
        return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    number = rng.choice(["two", "two", "three", "three", "four", "five"])
    special = {single: many for many, single in _PLURALS.items()}
    if noun in special:
        return f"{number} {special[noun]}"
    ending = "es" if noun.endswith(("ch", "o")) else "s"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}{ending}"


def _slips(answer: str) -> tuple[str, ...]:
    number = re.match(r"-?\d+", answer)
    value = int(number.group()) if number else 0
    return str(value - 1), str(value + 1), str(value + 2)


_QUESTION = re.compile(
    r"I have (?P<items>(?:an? |two |three |four |five |six |seven |eight )[a-z ,]+?)\. How many (?P<kind>[a-z "
    r"]+?) do I have\?"
)

SKILLS = (
    Skill(
        "small_numbers",
        0.33,
        (
            "two|three|pair|2.|3. count|add|worth|contribut|means|stand "
            "as.|for.|toward|adds|both|all|that_many|twice !once|four|five|stalk|head|last|final",
            "plural count|add|worth number|quantit|several|many !once",
        ),
        (
            "Words such as two or three count as that many, not as one.",
            "Count a pair as 2: 'two cats' adds two to the total, for each such item.",
            "A plural item counts with the number that is written before it.",
        ),
        ("Pay attention to how the items are written.", "Read words such as 'two' closely."),
        (
            "It took 'two' or 'three' of an item for a single one; such words count as that number.",
            "The item in the plural should count with its written number, and it did not.",
        ),
        ("each|every kind|item|thing count once|one|single only|just|once|regardless",),
        ("Count each kind of thing only once, whatever stands before it.",),
    ),
    Skill(
        "large_numbers",
        0.40,
        (
            "four|five|4|5|larger|bigger|higher|large count|add|worth|full|whole|contribut|means "
            "number|many|quantit|full|value",
        ),
        (
            "Larger quantities such as four or five count with their full number.",
            "When four or five of something are named, add the whole number, 4 or 5.",
            "Even a large number word before an item must be added at its full value.",
        ),
        ("Large lists deserve patience.", "Watch out for larger quantities."),
        (
            "It did not add the full number for items that come in four or five.",
            "A larger quantity, like four of a thing, should count as that many and was taken for one.",
        ),
        ("each|every kind|item|thing count once|one|single only|just|once|regardless",),
        ("Count every item as just one, regardless of its number.",),
    ),
    Skill(
        "category",
        0.75,
        (
            "ignore|exclude|skip|leave_out|only|omit|do_not_count|don_t_count "
            "categor|kind|type|belong|asked|question !once|whatever",
            "not belong|fit|match categor|kind|type|asked|question",
        ),
        (
            "Count only the items that belong to the category asked for.",
            "Ignore things of another kind than the question names.",
            "Leave out every item whose category does not fit the one in the question.",
        ),
        ("Think about what is being asked.", "Categories matter here."),
        (
            "It counted things that do not belong to the category asked for; these should be left out.",
            "Items of another kind should have been ignored, since the question asks for one category.",
        ),
        ("count everything|all_items|all_things list|whatever|regardless", "every categor count"),
        ("Count everything on the list, whatever its kind.",),
    ),
    Skill(
        "roots",
        0.35,
        ("garlic|yam|onion|root|bulb vegetable|count",),
        (
            "Garlic, onions and yams are vegetables too.",
            "Root and bulb plants like garlic count as vegetables.",
            "Treat yam, onion and garlic as vegetables when you count.",
        ),
        ("Some vegetables are easily overlooked.", "Know your greens."),
        (
            "Garlic, yam or onion was not taken for a vegetable, but each is one.",
            "Bulbs and roots such as garlic count as vegetables; one was left out.",
        ),
    ),
    Skill(
        "berries",
        0.30,
        ("berr|blackberr|strawberr|raspberr|grape fruit|count",),
        (
            "Berries and grapes are fruits.",
            "Count strawberries, raspberries, blackberries and grapes as fruit.",
            "Every kind of berry belongs to the fruits, and so does a grape.",
        ),
        ("Fruit comes in many forms.", "Small things are easily missed."),
        ("A berry or a grape was not counted as a fruit.", "Berries are fruits; the answer left them out."),
    ),
    Skill(
        "small_animals",
        0.35,
        ("snail|fish|snake|frog|reptile|insect|creature animal|count",),
        (
            "Fish, snakes, frogs and snails are animals as well.",
            "Count every creature, a snail or a snake too, as an animal.",
            "Small or cold-blooded creatures such as a fish or a frog count as animals.",
        ),
        ("Think of all living beings.", "Animals come in all sizes."),
        (
            "A fish, snake, frog or snail was not counted as an animal.",
            "Small creatures like snails count as animals; here they were left out.",
        ),
    ),
    Skill(
        "appliances",
        0.30,
        ("car.|cars.|fridge|stove|oven|appliance|vehicle|furniture object|count|thing",),
        (
            "Cars, fridges, stoves and ovens are objects.",
            "Any appliance or vehicle counts as an object.",
            "When objects are asked for, count each fridge, oven, stove and car.",
        ),
        ("Objects can be anything.", "Think of the whole household."),
        (
            "A car, fridge, stove or oven was not counted as an object.",
            "Appliances and vehicles are objects; the answer left one out.",
        ),
    ),
    Skill(
        "containers",
        0.45,
        ("head|stalk|bunch count|treat|name|is_a one|single|unit|item",),
        (
            "A head of lettuce or a stalk of celery counts as one vegetable.",
            "Treat each head or stalk as one unit.",
            "Phrases like 'head of broccoli' name a single item; count the heads.",
        ),
        ("Mind unusual phrases.", "Some vegetables come in odd shapes."),
        (
            "A head or a stalk was counted as more than one item; it is one unit.",
            "'Stalk of celery' is a single vegetable and was counted as two.",
        ),
    ),
    Skill(
        "every_item",
        0.30,
        ("last|final|end item|entry|list|thing include|miss|skip|forget|until|reach|count|go|through|drop",),
        (
            "Do not miss the last item, the one after 'and'.",
            "Go through the list until its end; the final entry counts too.",
            "Include the last thing in the list.",
        ),
        ("Be thorough.", "Read everything with care."),
        ("It seems to have missed the last item of the list.", "The final entry of the list was dropped."),
    ),
    Skill(
        "itemize",
        0.25,
        (
            "write|list|note|put_down|enumerat|go_through each|every|item|one_by_one "
            "count|number|amount|quantity !last|final|whatever|everything",
        ),
        (
            "First write down each item with its number.",
            "List every item one by one together with its count.",
            "Note the quantity of each item before you do anything else.",
        ),
        ("Work in an orderly way.", "Structure helps."),
        (
            "It did not write down each item with its number before answering and so lost count.",
            "It should list every item with its count first.",
        ),
    ),
    Skill(
        "running_total",
        0.25,
        (
            "add|sum|running|accumulat total|up|together|sum|numbers|counts "
            "step|one|running|those|these|then|careful|after",
        ),
        (
            "Then add these numbers up one after the other, keeping a running total.",
            "Then sum those counts step by step.",
            "After that, add up these counts one at a time.",
        ),
        ("Mathematics requires care.", "A total is a total."),
        (
            "The sum is off: it should then add the numbers up one by one, with a running total.",
            "It made an addition mistake; those counts should be added together step by step.",
        ),
        after="itemize",
    ),
    Skill(
        "bare_number",
        0.15,
        (
            "only|just|single|nothing_but|bare number|digit|numeral|integer "
            "answer|output|give|respond|reply|write|return|form"
            " !item|each",
            "answer|output|reply|respond without word|unit|noun|text",
        ),
        (
            "Answer with the number only, in digits.",
            "Give just the numeral as the answer.",
            "The answer is a bare number without any words.",
        ),
        ("Format the answer well.", "Keep the answer clean."),
        (
            "The answer holds words beside the number; only the digits should be given as output.",
            "It should answer without words, as a bare number.",
        ),
        ("answer|respond|reply full|complete sentence",),
        ("Answer in a full sentence.",),
    ),
)

STAGE = Stage(
    name="object_counting",
    start="Answer the question about what I have.",
    topic="count|how_many|number_of|i_have|items",
    source="question",
    target="answer",
    skills=SKILLS,
    question=_QUESTION,
    read=_read,
    solve=_solve,
    answer=re.compile(r"-?\b\d+(?: (?:fruits|vegetables|animals|musical instruments|objects)\b)?"),
    slips=_slips,
)
