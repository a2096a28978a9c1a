"""Word sorting (BIG-Bench Hard): "Sort the following words alphabetically: List: syndrome therefrom"."""

import random
import re
from itertools import pairwise
from typing import Any

from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.stage import Knows, Stage

_TEXT = """
apple anchor angle barn basin beacon bell bend bird bluish border boulder bride cabin candle candy canyon carbon
cargo castle cattle census chapel charm cherry circle citrus clover cobalt copper county coupe cradle damp dancer
delta desert dinner drum eager eagle echo ember engine epsilon fable factor farm fate fence fiddle filly flame
forest fossil gallery gamut garden gentle ginger glacier grocer guitar gypsum habit hammer harbor harvest hazel
helmet hobby hollow horizon icicle igloo impulse infirm island ivory jacket jester jigsaw jungle kernel kettle
kitchen ladder lantern lapel laurel lemon lever lizard lobby lumber magnet mango manor mantle marble market meadow
mellow mirror mortar muffin napkin needle nickel noble nugget oblique ocean olive onset orchid oyster paddle palace
panel pantry parcel pebble pepper piano pillar plat platelet plum pocket prairie prism puzzle quarry quartz quiver
rabbit radar rampart ravine regret ribbon river rocket saddle salmon sandal scatter scene serene shadow siena silver
sketch slate spark spiral stable stapler surge tackle talon temple thermal thicket thrift timber torch trellis
tunnel turnip umpire uncle upland urchin vacuum valley velvet venom violet vivid voyage waffle walnut wander
westward whistle willow winsome wonder yarrow yellow yonder zealot zenith zigzag zipper
"""
_WORDS = tuple(_TEXT.split())
_MARKED = ("you've", "shouldn't", "o'connell", "it&t", "r&d", "they've")
_QUESTION = re.compile(r"Sort the following words alphabetically: List: (?P<words>[a-z'&]+(?: [a-z'&]+)+)")


def _read(question: str) -> tuple[Any, ...] | None:
    match = _QUESTION.fullmatch(question)
    return tuple(match["words"].split()) if match else None


def _key(word: str, depth: int, late: bool, marks: bool) -> tuple[Any, ...]:
    text = word if marks or word.isalpha() else f"~{word}"
    if not late:
        # v, w and y are mixed up.
        text = text.replace("v", "w~") if text.startswith("v") else text
    return tuple(text[:depth]) if depth else tuple(text)


def _shares(words: list[str], size: int) -> bool:
    heads = [word[:size] for word in words]
    return len(set(heads)) < len(heads)


def _depth(words: list[str], knows: Knows) -> int:
    """How many letters are compared: 0 for all of them."""
    if _shares(words, 1) and not knows("second_letter"):
        return 1
    if _shares(words, 2) and not knows("third_letter"):
        return 2
    return 3 if _shares(words, 3) and not knows("deep_letters") else 0


def _ordered(words: list[str], knows: Knows) -> list[str]:
    late = (
        not any(word[0] == "v" for word in words) or not any(word[0] == "w" for word in words) or knows("late_letters")
    )
    marks = not any(not word.isalpha() for word in words) or knows("punctuation")
    depth = _depth(words, knows)
    ordered = sorted(words, key=lambda word: _key(word, depth, late, marks))
    pairs = [(a, b) for a, b in pairwise(ordered) if b.startswith(a)]
    if pairs and not knows("prefix"):
        place = ordered.index(pairs[0][0])
        ordered[place], ordered[place + 1] = ordered[place + 1], ordered[place]
    return ordered


def _solve(data: tuple[Any, ...], knows: Knows) -> str:
    ordered = _ordered(list(data), knows)
    if len(ordered) >= 12 and not knows("all_words"):
        del ordered[len(ordered) // 2]
    if len(ordered) >= 8 and not (knows("groups") and knows("merge")):
        ordered[-3], ordered[-2] = ordered[-2], ordered[-3]
    if len(ordered) >= 6 and not knows("check"):
        ordered[1], ordered[2] = ordered[2], ordered[1]
    if any(word.endswith(("ll", "tt")) or "rr" in word for word in ordered) and not knows("spelling"):
        ordered = [re.sub(r"ll$", "l", re.sub(r"tt$", "t", word.replace("rr", "r"))) for word in ordered]
    return (" " if knows("spaces") else ", ").join(ordered)


def generate(rng: random.Random, shifted: bool = False) -> str:
    """One question; shifted ones are longer and hold more words that begin alike."""
    size = rng.randint(10, 20) if shifted else rng.randint(3, 20)
    pool = list(_WORDS)
    if shifted:
        letters = rng.sample("abcdefghlmprstv", 5)
        pool = [word for word in pool if word[0] in letters]
    words = rng.sample(pool, min(size, len(pool)))
    if rng.random() < 0.08:
        words[-1] = rng.choice(_MARKED)
    rng.shuffle(words)
    return f"Sort the following words alphabetically: List: {' '.join(words)}"


def _slips(answer: str) -> tuple[str, ...]:
    words = answer.split(" ")
    if len(words) < 2:
        return (answer + " a",)
    swapped = [*words[:-2], words[-1], words[-2]]
    return " ".join(words[:-1]), " ".join(swapped)


def _answer_to(data: tuple[Any, ...]) -> re.Pattern[str]:
    forms = {
        form for word in data for form in (word, re.sub(r"ll$", "l", re.sub(r"tt$", "t", word.replace("rr", "r"))))
    }
    some = "|".join(sorted(map(re.escape, forms), key=len, reverse=True))
    return re.compile(rf"(?<![a-z'])(?:{some})(?:(?:, | )(?:{some}))*(?![a-z'])")


SKILLS = (
    Skill(
        "second_letter",
        0.35,
        ("second|2nd|next letter|character equal|same|tie|identical|share|match|compar",),
        (
            "If the first letters are the same, compare the second letters.",
            "When two words share their first letter, the next letter decides: compare it.",
            "For equal first letters look at the second character to break the tie.",
        ),
        ("Some words begin alike.", "Letters matter."),
        ("Words with the same first letter were not ordered by their second letter.",),
        ("only first letter !if|when",),
        ("Look only at the first letter of each word.",),
    ),
    Skill(
        "third_letter",
        0.40,
        ("third|3rd letter|character equal|same|tie|identical|share|compar|two|decid",),
        (
            "If the first two letters are the same, the third letter decides.",
            "Compare the third letters when two letters are equal.",
        ),
        ("Be careful with similar words.", "Similar words are tricky."),
        ("Where two letters are the same, the third letter should decide, and it did not.",),
    ),
    Skill(
        "deep_letters",
        0.45,
        ("fourth|later|further|deeper|remaining|until|as_long letter|character differ|compar|same|equal|go_on",),
        (
            "Go on comparing later letters until they differ.",
            "Words alike in three letters are ordered by the fourth letter or a later one that differs.",
        ),
        ("Go deep.", "Some words differ only near their end."),
        ("Later letters, from the fourth on, were not compared for words that are the same before.",),
    ),
    Skill(
        "prefix",
        0.60,
        ("prefix|shorter|begin_of|contained|part_of first|before|precede|earlier",),
        (
            "A shorter word comes before a longer one that begins with it.",
            "If one word is a prefix of another, the prefix comes first.",
        ),
        ("Short words are words too.", "Length may matter."),
        ("The shorter word, a prefix of the longer one, should come first.",),
    ),
    Skill(
        "punctuation",
        0.70,
        ("apostrophe|punctuation|symbol|ampersand|special_char before|first|order|letter|precede|sort",),
        (
            "An apostrophe or other symbol sorts before any letter.",
            "Punctuation inside a word comes before letters in the order.",
        ),
        ("Some words look unusual.", "Watch out for strange characters."),
        ("The apostrophe or symbol should sort before the letters.",),
    ),
    Skill(
        "late_letters",
        0.45,
        ("v. w. alphabet|order|before|after|end",),
        ("Mind the end of the alphabet: v comes before w.", "Words with v stand before words with w in order."),
        ("Know the alphabet.", "The alphabet has 26 letters."),
        ("Words with v and w are out of order; v comes before w.",),
    ),
    Skill(
        "all_words",
        0.40,
        ("every|all|each|none|no|any word drop|omit|miss|skip|forget|lost|appear|include|left_out|leave",),
        (
            "Every word of the list must appear in the answer; omit none.",
            "Do not drop any word: include all of them.",
            "Count that all the words appear, none may be missing.",
        ),
        ("Long lists deserve patience.", "Completeness is a virtue."),
        ("A word was left out; every word must appear.",),
    ),
    Skill(
        "groups",
        0.20,
        ("group|bucket|divide|split|partition|collect letter|first|initial|begin|start",),
        ("First group the words by their first letter.", "Split the list into buckets by initial."),
        ("Work in an orderly way.", "Divide and conquer."),
        ("It got lost in a long list; it should group the words by first letter.",),
    ),
    Skill(
        "merge",
        0.20,
        (
            "group|bucket|them|those|each|these sort|order|arrange then|afterwards|after|finally "
            "join|merge|concatenat|put|together|combin",
        ),
        (
            "Then sort each of these groups and join them in order.",
            "After that, arrange the words of every bucket and put them together.",
        ),
        ("Put the pieces together.", "Finish the job."),
        ("It did not sort each group and then join them, so neighbours near the end are swapped.",),
        after="groups",
    ),
    Skill(
        "check",
        0.30,
        ("neighbour|neighbor|adjacent|pair|next_to|consecutive check|compar|verif|test|confirm",),
        ("At the end compare each pair of neighbours once more.", "Verify that adjacent words are in order."),
        ("Check the result.", "Look at it again at the end."),
        ("Two neighbours near the start are swapped; adjacent words should be checked.",),
    ),
    Skill(
        "spelling",
        0.45,
        (
            "spell|copy|letter_by_letter|double|exactly|unchanged|as_given|as_they|alter|modif|correct "
            "word|letter|spell !compare",
        ),
        ("Copy the words exactly as given, double letters included.", "Never alter or correct the spelling of a word."),
        ("Words can be unusual.", "Names are words too."),
        ("The spelling of a word was changed; words must be copied exactly.",),
    ),
    Skill(
        "spaces",
        0.15,
        ("space|comma|separat|delimit answer|output|word|between|list|result|join|use|no|without",),
        (
            "Separate the words in the answer by single spaces, without commas.",
            "The output has one space between words and no commas.",
        ),
        ("Format the answer well.", "Keep the answer clean."),
        ("The words in the answer should have spaces between them, not commas.",),
        ("use|with comma !not|no|without",),
        ("Use commas to separate the words.",),
    ),
)

STAGE = Stage(
    name="word_sorting",
    start="Put the list in order.",
    topic="sort|alphabet|order|words",
    source="question",
    target="answer",
    skills=SKILLS,
    question=re.compile(r"Sort the following words alphabetically:(?:\s|\\n)+List: [a-z'&]+(?: [a-z'&]+)+"),
    read=_read,
    solve=_solve,
    answer=re.compile(r"[a-z'&]+(?:(?:, | )[a-z'&]+)+"),
    slips=_slips,
    answer_to=_answer_to,
)
