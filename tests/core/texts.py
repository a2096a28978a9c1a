"""Texts and edits for properties: ordinary prompts, texts that melt into neighbours, and any reply of a writer."""

from hypothesis import strategies as st

from dspy_dlpo.core.edits import OPERATIONS, Edit, Edits, diff, fit, sound
from dspy_dlpo.core.sentences import split

FRAGMENTS = (
    "Think step by step.",
    "Count the apples, e.g. 3.14 of them.",
    "Answer yes or no",
    "Dr.",
    "e.g",
    "U.S.",
    "Mr. Smith went home!",
    "Really?",
    "- Count each group.",
    "- no mark",
    "* Star",
    "1. First",
    "a) second",
    "# Heading",
    "===",
    "```",
    "~~~",
    "| a | b |",
    "{hole}",
    "{{ a. B }}",
    "{% if x %}",
    "`code. Here`",
    "请先数一数物品。",
    "然后回答问题！",
    "没有标点",
    "“Said so.”",
    "item.The end",
    "...",
    "…",
    ".",
    "(",
    ")",
    "{",
    "`",
    "-",
)
SPACES = ("", " ", "  ", "\n", "\n\n", "\t", "\r\n", "\u2028", "\x0b")

# Texts made of pieces that make splitting hard, and wholly arbitrary ones.
texts = st.one_of(
    st.lists(st.tuples(st.sampled_from(FRAGMENTS), st.sampled_from(SPACES)), max_size=8).map(
        lambda pairs: "".join(piece + space for piece, space in pairs)
    ),
    st.text(max_size=40),
)

ORDINARY = (
    "Count the objects.",
    "Name each group first!",
    "Is it a fruit, e.g. an apple?",
    "Use 3.14 for pi.",
    "Say nothing else.",
    "Ask Dr. Smith.",
    "Keep {text} as it is.",
    "Run `a. B` once.",
    "先数一数物品。",
)
# Sentences that each end with a mark, with a space between them.
ordinary_prompts = st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=6, unique=True).map(" ".join)


def edits(max_size: int = 12, text: st.SearchStrategy[str] = texts) -> st.SearchStrategy[Edits]:
    """Edits that may be nonsense: unknown operations, places that do not exist, empty texts."""
    edit = st.builds(
        Edit,
        op=st.sampled_from([*OPERATIONS, *OPERATIONS, "shuffle"]),
        at=st.integers(-2, 12),
        text=text,
        to=st.none() | st.integers(-2, 12),
        predictor=st.just("solve"),
    )
    return st.lists(edit, max_size=max_size).map(tuple)


@st.composite
def replies(draw: st.DrawFn, prompt: str) -> Edits:
    """What a writer may answer to a prompt, as the host hands it on: a whole rewrite, or edits, fitted or not."""
    if draw(st.booleans()):
        return diff(prompt, draw(texts))
    drawn = draw(edits(max_size=draw(st.sampled_from([3, 12, 50]))))
    if draw(st.booleans()):
        drawn = tuple(fit(edit, prompt) for edit in drawn)
    return drawn


@st.composite
def prompts_with_replies(draw: st.DrawFn) -> tuple[str, Edits]:
    """A prompt and sound edits of it."""
    prompt = draw(st.one_of(texts, ordinary_prompts))
    return prompt, sound(draw(replies(prompt)), prompt)[0]


def least_distance(before: str, after: str) -> int:
    """A lower bound of the sentence edit distance, found without the package's own diff.

    Of the sentences that both texts have, those outside the longest common subsequence must have moved; of the others,
    an old and a new one may be one replacement.
    """
    old, new = ([sentence.strip() for sentence in split(text)] for text in (before, after))
    common, rest = 0, list(new)
    for sentence in old:
        if sentence in rest:
            rest.remove(sentence)
            common += 1
    return common - _longest_common(old, new) + max(len(old), len(new)) - common


def _longest_common(old: list[str], new: list[str]) -> int:
    best = [0] * (len(new) + 1)
    for sentence in old:
        row = [0]
        for j, other in enumerate(new):
            row.append(best[j] + 1 if sentence == other else max(row[j], best[j + 1]))
        best = row
    return best[-1]
