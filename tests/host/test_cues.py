"""What of the inputs goes with one answer, and not by chance."""

import random
import string

from dspy_dlpo.host.conditions import in_words
from dspy_dlpo.host.cues import EXAMPLES, find_cues


def tickets(count, seed=0):
    """Tickets as people write them: gold is P1 whatever is said; of the others questions are P3 and faults P2."""
    rng = random.Random(seed)
    for _ in range(count):
        contract, asks = rng.choice(["gold", "silver", "bronze"]), rng.random() < 0.5
        part = rng.choice(["page", "login"])
        said = f"can I change the {part}?" if asks else f"the {part} is slow."
        yield f"Contract: {contract}. It is said that {said}", "P1" if contract == "gold" else "P3" if asks else "P2"


def found(pairs):
    texts, answers = zip(*pairs, strict=True)
    return find_cues([{"text": text} for text in texts], answers)


def said(cue):
    return in_words(cue.conditions, alone=True), cue.answer


def test_the_words_that_decide_are_found():
    cues = found(list(tickets(90)))
    assert said(cues[0]) == ('`text` has "gold"', "P1")
    assert cues[0].right == cues[0].examples, "whatever is said"
    assert "P3" in {cue.answer for cue in cues}
    assert all(len(cue.right) >= 0.66 * len(cue.examples) for cue in cues)


def test_two_conditions_narrow_an_answer_down():
    rng = random.Random(1)
    pairs = []
    for _ in range(120):
        colour, shape = rng.choice(["red", "blue"]), rng.choice(["round", "square"])
        pairs.append((f"a {colour} and {shape} thing", "yes" if (colour, shape) == ("red", "round") else "no"))
    phrases = [({each.phrase for each in cue.conditions}, cue.answer) for cue in found(pairs)]
    assert ({"red", "round"}, "yes") in phrases


def test_a_limit_of_a_number_is_found():
    rng = random.Random(2)
    prices = [rng.randrange(10, 400) for _ in range(80)]
    cues = found([(f"It cost {price} EUR.", "escalate" if price > 200 else "approve") for price in prices])
    above = next(cue for cue in cues if cue.answer == "escalate")
    assert {i for i, price in enumerate(prices) if price > 200} >= above.right
    assert "is above" in said(above)[0]


def test_answers_dealt_at_random_have_a_cue_in_one_of_twenty_sets_at_most():
    rng, lucky, sets = random.Random(3), 0, 200
    words = ["".join(rng.choices(string.ascii_lowercase, k=5)) for _ in range(60)]
    for _ in range(sets):
        pairs = [(" ".join(rng.choices(words, k=12)), rng.choice(["yes", "no"])) for _ in range(40)]
        lucky += bool(found(pairs))
    assert lucky / sets <= 0.05


def test_examples_without_an_answer_count_for_nothing():
    pairs = list(tickets(90))
    cues = found([*pairs, *[("Contract: gold. It is said that nothing is", "")] * 60])
    assert said(cues[0]) == said(found(pairs)[0])
    assert max(max(cue.examples) for cue in cues) < 90


def test_of_very_many_examples_some_from_everywhere_are_looked_at():
    examples = found(list(tickets(2 * EXAMPLES)))[0].examples
    assert len(examples) < EXAMPLES
    assert min(examples) < 50
    assert max(examples) > 2 * EXAMPLES - 50


def test_without_examples_there_is_none():
    assert find_cues([], []) == []
    assert find_cues([{"text": "gold"}], ["P1"]) == []
