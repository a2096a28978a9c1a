"""Navigate (BIG-Bench Hard): "If you follow these instructions, do you return to the starting point? ..."."""

import random
import re
from typing import Any

from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.stage import Knows, Stage

_MOVE = r"(?:Always face forward|Take \d+ steps?(?: (?:forward|backward|left|right))?|Turn (?:left|right|around))\."
_QUESTION = re.compile(
    rf"If you follow these instructions, do you return to the starting point\? (?P<moves>{_MOVE}(?: {_MOVE})*)"
    r"(?:(?:\s|\\n)+Options:(?:\s|\\n)+- Yes(?:\s|\\n)+- No)?"
)
_TURNS = {"right": 1, "around": 2, "left": 3}


def _read(question: str) -> tuple[Any, ...] | None:
    match = _QUESTION.fullmatch(question)
    if match is None:
        return None
    moves = []
    for move in re.findall(_MOVE, match["moves"]):
        words = move.rstrip(".").split()
        moves.append(
            ("take", int(words[1]), words[3] if len(words) > 3 else "")
            if words[0] == "Take"
            else (words[0], 0, words[-1])
        )
    return moves[0][0] == "Always", tuple(moves)


def _sideways(count: int, way: str, knows: Knows) -> tuple[int, int]:
    if way in ("left", "right"):
        if not knows("sideways"):
            return 0, count
        return (count if way == "right" or not knows("left_right") else -count), 0
    if way == "backward":
        return 0, -count if knows("backward") else count
    return 0, count


def _turned(heading: int, way: str, knows: Knows) -> int:
    if way == "around":
        return heading + (2 if knows("around") else 1)
    return heading + (_TURNS[way] if knows("quarter") else 0)


def _walk(data: tuple[Any, ...], knows: Knows) -> tuple[int, int]:
    facing, moves = data
    x = y = heading = 0
    if len(moves) >= 7 and not knows("every_move"):
        moves = moves[:-1]
    for kind, count, way in moves:
        if kind == "Turn":
            heading = _turned(heading, way, knows)
        elif kind == "take":
            dx, dy = (
                _sideways(count, way, knows)
                if facing
                else ((0, 1, 0, -1)[heading % 4] * count, (1, 0, -1, 0)[heading % 4] * count)
            )
            x, y = x + dx, y + dy
    return x, y


def _home(data: tuple[Any, ...], knows: Knows) -> bool:
    x, y = _walk(data, knows)
    if bool(x) != bool(y) and not knows("both_axes"):
        return True
    if (x or y) and abs(x) + abs(y) <= 3 and not knows("exact"):
        return True
    return not x and not y


def _solve(data: tuple[Any, ...], knows: Knows) -> str:
    home = _home(data, knows)
    if data[1][-1][0] == "Turn" and not knows("last_turn"):
        home = not home
    if not (knows("coordinates") and knows("update")):
        home = not home
    text = "Yes" if home else "No"
    return text if knows("words") else f"({text})"


def _closing(moves: list[str], facing: bool, rng: random.Random) -> list[str]:
    """Moves that end where they began."""
    if not facing:
        count = rng.randint(1, 10)
        return [f"Take {count} step{'s' * (count > 1)}.", "Turn around.", f"Take {count} step{'s' * (count > 1)}."]
    opposite = {"forward": "backward", "backward": "forward", "left": "right", "right": "left"}
    back = [re.sub("|".join(opposite), lambda m: opposite[m[0]], move) for move in moves]
    return [*moves, *rng.sample(back, len(back))]


def generate(rng: random.Random, shifted: bool = False) -> str:
    """One question; shifted ones have more turns and are longer."""
    facing = rng.random() < (0.25 if shifted else 0.5)
    size = rng.randint(3, 5) if shifted else rng.randint(1, 4)
    moves = []
    for _ in range(size):
        count = rng.randint(1, 10)
        way = f" {rng.choice(('forward', 'backward', 'left', 'right'))}" if facing else ""
        moves.append(f"Take {count} step{'s' * (count > 1)}{way}.")
    if rng.random() < 0.42:
        moves = _closing(moves, facing, rng)
    if not facing:
        for _ in range(rng.randint(1, 4 if shifted else 2)):
            moves.insert(
                rng.choice((0, len(moves), rng.randint(0, len(moves)))),
                f"Turn {rng.choice(('left', 'right', 'around'))}.",
            )
    head = "Always face forward. " if facing else ""
    question = "If you follow these instructions, do you return to the starting point?"
    return f"{question} {head}{' '.join(moves)}\nOptions:\n- Yes\n- No"


def _slips(answer: str) -> tuple[str, ...]:
    return ("No",) if "Yes" in answer else ("Yes",)


SKILLS = (
    Skill(
        "sideways",
        0.25,
        ("face|forward|left|right|side steps|step|move|walk sideways|without_turn|not_turn|side",),
        (
            "When facing forward, steps to the left or right are sideways, without turning.",
            "Left and right steps move you to the side; you do not walk ahead.",
        ),
        ("Think about direction.", "Imagine the path."),
        ("Steps to the left or right were walked ahead instead of sideways.",),
    ),
    Skill(
        "left_right",
        0.3,
        ("left right opposite|cancel|subtract|minus|undo|contrary|negative",),
        ("Steps left and right are opposite and cancel each other.", "Count right as plus and left as minus."),
        ("Know your left.", "Sides can be confused."),
        ("Left and right should cancel as opposite directions.",),
    ),
    Skill(
        "backward",
        0.25,
        ("backward|back forward|minus|negative|subtract|opposite subtract|minus|negative|opposite|cancel",),
        (
            "Backward steps are subtracted from forward steps.",
            "Count steps backward as negative, the opposite of forward.",
        ),
        ("Walking can go many ways.", "Not every step is progress."),
        ("Backward steps should be subtracted from forward ones.",),
    ),
    Skill(
        "around",
        0.3,
        ("around 180|half|opposite|reverse|back",),
        ("Turning around reverses your direction, by 180 degrees.", "Turn around means to face the opposite way."),
        ("Turns change things.", "Watch the turns."),
        ("Turning around should reverse the direction by 180 degrees.",),
    ),
    Skill(
        "quarter",
        0.3,
        ("turn left|right 90|quarter|direction|heading|facing|sideways !step", "90_degree", "quarter_turn"),
        ("A turn to the left or right is 90 degrees.", "Turn left and turn right change your heading by a quarter."),
        ("Angles matter.", "Rotations are not moves."),
        ("The turn left or right should change the heading by 90 degrees.",),
    ),
    Skill(
        "both_axes",
        0.2,
        ("both|two|each axis|axes|coordinate|direction zero|0|cancel|return",),
        ("You return only if both axes are zero at the end.", "Each coordinate must be 0, both x and y, for a return."),
        ("Think in space.", "Space has dimensions."),
        ("It looked at one axis only; both coordinates must be zero.",),
    ),
    Skill(
        "exact",
        0.25,
        ("exact|precise|near|close|single|one start|point|origin|return !both|each",),
        (
            "Only the exact starting point counts, being near is not enough.",
            "One step away from the origin is not a return; it must be exact.",
        ),
        ("Be accurate at the end.", "Look where you are."),
        ("It ended near the starting point, which is not exact enough to return.",),
    ),
    Skill(
        "every_move",
        0.15,
        (
            "every|all|each|last|none|end move|instruction|step|command "
            "skip|miss|follow|include|until|forget|execut|drop",
        ),
        (
            "Follow every instruction up to the end, skip none.",
            "Do not miss the last move; all moves count, include each.",
        ),
        ("Be thorough with long routes.", "Long routes need patience."),
        ("The last move was skipped; every move must be followed.",),
    ),
    Skill(
        "last_turn",
        0.25,
        (
            "turn|turning|rotation|heading position|place|point|location "
            "not|never|no|same|stay|without|ignore|unaffected|alone",
        ),
        (
            "A turn does not change your position, only your heading.",
            "Turning alone leaves you at the same place; ignore a final turn when you judge the position.",
        ),
        ("The end matters most.", "Mind how it ends."),
        ("The final turn does not change the position.",),
    ),
    Skill(
        "coordinates",
        0.1,
        ("coordinate|(x|x_y|grid|0_0 start|begin|origin|use|set|track|write",),
        (
            "Start at the coordinates (0, 0) and use a grid.",
            "Track your position with coordinates x and y from the origin.",
        ),
        ("Have a system.", "Work in an orderly way."),
        ("It lost track; it should track the position with coordinates from the start.",),
    ),
    Skill(
        "update",
        0.1,
        (
            "update|adjust|change|recompute after|each|every|then coordinate|them|position|it|those "
            "move|step|instruction",
        ),
        ("Then update them after each move.", "After every step, adjust those coordinates by the move."),
        ("Keep going.", "One thing at a time."),
        ("The position should be updated after each move.",),
        after="coordinates",
    ),
    Skill(
        "words",
        0.06,
        ("yes no answer|output|reply|respond|write|one_word only|just|exactly|one_word|without|either",),
        ("Answer with exactly Yes or No, nothing else.", "The output is just Yes or No, without brackets."),
        ("Format the answer well.", "Keep the answer clean."),
        ("The answer should be just Yes or No.",),
    ),
)

STAGE = Stage(
    name="navigate",
    start="Answer the question.",
    topic="navigat|return|starting_point|steps|move|turn|direction",
    source="question",
    target="answer",
    skills=SKILLS,
    question=_QUESTION,
    read=_read,
    solve=_solve,
    answer=re.compile(r"\(?\b(?:Yes|No)\b\)?"),
    slips=_slips,
)
