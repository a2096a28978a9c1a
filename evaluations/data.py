"""Real questions: from the hub by default, or from local files, checksummed; split so that nothing leaks."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A data set.

    Args:
        file: Its local file: JSON lines with ``question``, ``answer`` (as text) and ``split`` (``train``, ``test`` or
            nothing); no field is renamed.
        sha256: Of the local file.
        hub: Gives the same rows from the hub, one part (such as a language) or all.
        sizes: Examples to learn from, to choose on, and to test on.
        group: Rows that share this field are never split; None if every row stands alone.
        split_field: A field that holds a split by the paper's authors; None if there is none.
    """

    file: str
    sha256: str
    hub: Callable[[str], Iterator[Row]]
    sizes: tuple[int, int, int]
    group: str | None = None
    split_field: str | None = None


def rows_of(name: str, data_dir: Path | None = None, part: str = "") -> list[Row]:
    """All rows of a data set, or of one part of it.

    Args:
        name: One of `SOURCES`.
        data_dir: Where the local files are; None for the hub.
        part: A task of BIG-Bench Hard; empty for all.

    Raises:
        ValueError: If there is no such set or part, or the local file is not the one that is known.
    """
    if name not in SOURCES:
        raise ValueError(f"{name!r} is no data set. Pass one of {', '.join(SOURCES)}.")
    source = SOURCES[name]
    rows = (
        list(source.hub(part))
        if data_dir is None
        else [row for row in _local(data_dir / source.file, source.sha256) if not part or row.get("task") == part]
    )
    if not rows:
        raise ValueError(f"{name!r} has no part {part!r}. Pass another one.")
    return rows


def split(name: str, rows: Sequence[Row], seed: int, sizes: tuple[int, int, int] | None = None) -> list[list[Row]]:
    """Rows to learn from, to choose on, and to test on; no question, and no group, is in two of them.

    The official test rows are tested on where there are any, else rows drawn at random; the paper's split is taken
    where it is known.

    Args:
        name: One of `SOURCES`.
        rows: Its rows.
        seed: Of what is drawn at random.
        sizes: How many of each; None for the paper's.

    Raises:
        ValueError: If nothing is left for one of the three: there are too few rows.
    """
    wanted = SOURCES[name].sizes if sizes is None else sizes
    train, val, test = _parts(SOURCES[name], rows, f"{seed}/{name}", wanted)
    val = _without(val, test)
    parts = [_without(train, [*val, *test]), val, test]
    for part, size, found in zip(("training", "validation", "test"), wanted, parts, strict=True):
        if size and not found:
            raise ValueError(
                f"{name!r} has no {part} questions: its {len(rows)} rows are too few for {wanted[0]} to learn from, "
                f"{wanted[1]} to choose on and {wanted[2]} to test on. Get the whole data set."
            )
    return parts


def _parts(source: Source, rows: Sequence[Row], seed: str, wanted: tuple[int, int, int]) -> list[list[Row]]:
    field = source.split_field
    if field and all(row.get(field) for row in rows):
        pools = [[row for row in rows if row[field] == part] for part in ("train", "val", "test")]
        sized = enumerate(zip(pools, wanted, strict=True))
        return [_drawn(pool, size, f"{seed}/{i}") for i, (pool, size) in sized]
    test = [row for row in rows if row["split"] == "test"]
    rest = [row for row in rows if row["split"] != "test"]
    # No official test rows, too few official training rows, or they would leak.
    if source.group or not test or len(rest) < wanted[0] + wanted[1]:
        return _grouped(rows, source.group or "question", wanted, seed)
    learn = _drawn(rest, wanted[0] + wanted[1], seed)
    return [learn[: wanted[0]], learn[wanted[0] :], _drawn(test, wanted[2], f"{seed}/test")]


def _without(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Rows whose question is not among others, case and white space apart."""
    asked = {_plain(row["question"]) for row in others}
    return [row for row in rows if _plain(row["question"]) not in asked]


def _plain(question: str) -> str:
    return " ".join(question.split()).casefold()


def _grouped(rows: Sequence[Row], group: str, sizes: Sequence[int], seed: str) -> list[list[Row]]:
    """Whole groups go to one part; each part is then drawn down to its size."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row[group]), []).append(row)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    parts: list[list[Row]] = [[], [], []]
    for name in names:
        target = next((part for part, size in zip(parts, sizes, strict=True) if len(part) < size), parts[-1])
        target.extend(groups[name])
    return [_drawn(part, size, f"{seed}/{i}") for i, (part, size) in enumerate(zip(parts, sizes, strict=True))]


def _drawn(rows: Sequence[Row], size: int, seed: str) -> list[Row]:
    order = list(rows)
    random.Random(seed).shuffle(order)
    return order[:size]


def _local(path: Path, sha256: str) -> Iterable[Row]:
    from datasets import load_dataset

    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}. Pass the directory of the files as --data-dir.") from error
    if found != sha256:
        raise ValueError(f"{path} is not the file that is known: its SHA-256 is {found}, not {sha256}. Get it anew.")
    return load_dataset("json", data_files=str(path), split="train")


def _hub(path: str, config: str | None = None) -> Iterator[tuple[str, Row]]:
    """Split and row of every row of a data set on the hub."""
    from datasets import load_dataset

    for split_name, rows in load_dataset(path, config).items():
        for row in rows:
            yield split_name, dict(row)


def _row(question: str, answer: str, split_name: str, **more: Any) -> Row:
    return {"question": question.strip(), "answer": answer.strip(), "split": split_name, **more}


def _after_marks(answer: str) -> str:
    return answer.split("####")[-1].strip().rstrip(".").replace(",", "")


def gsm8k(part: str = "") -> Iterator[Row]:
    """GSM8K from the hub."""
    for name, row in _hub("openai/gsm8k", "main"):
        yield _row(row["question"], _after_marks(row["answer"]), name)


MATH_SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)


def math(part: str = "") -> Iterator[Row]:
    """MATH from the hub."""
    for subject in MATH_SUBJECTS:
        for name, row in _hub("EleutherAI/hendrycks_math", subject):
            answer = last_boxed(row["solution"])
            if answer:
                yield _row(row["problem"], answer, name)


def biggsm(part: str = "") -> Iterator[Row]:
    """BigGSM from the hub."""
    for _, row in _hub("LightChen2333/BigGSM"):
        yield _row(row["question"], _after_marks(row["answer"]), "")


def bbh(part: str = "") -> Iterator[Row]:
    """BIG-Bench Hard from the hub: one task, or all 27."""
    for task in (part,) if part else BBH_TASKS:
        for _, row in _hub("lukaemon/bbh", task):
            yield _row(row["input"], row["target"], "", task=task)


MGSM_LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")


def mgsm(part: str = "") -> Iterator[Row]:
    """MGSM from the hub; the translations of one problem share its number."""
    for language in MGSM_LANGUAGES:
        number = 0
        for name, row in _hub("juletxara/mgsm", language):
            if name == "test":
                yield _row(
                    row["question"], str(row["answer_number"]), "test", language=language, problem=f"test-{number}"
                )
                number += 1


def banking77(part: str = "") -> Iterator[Row]:
    """BANKING77 from the hub."""
    from datasets import load_dataset

    for name, rows in load_dataset("PolyAI/banking77").items():
        names = rows.features["label"].names
        for row in rows:
            yield _row(row["text"], names[row["label"]], name)


def sentence_polarity(part: str = "") -> Iterator[Row]:
    """Sentence polarity ("rotten tomatoes") from the hub."""
    for name, row in _hub("cornell-movie-review-data/rotten_tomatoes"):
        yield _row(row["text"], "positive" if row["label"] else "negative", name)


def subjectivity(part: str = "") -> Iterator[Row]:
    """Subjectivity from the hub."""
    for name, row in _hub("SetFit/subj"):
        yield _row(row["text"], row["label_text"], name)


def last_boxed(solution: str) -> str:
    """The content of the last ``\\boxed{}`` of a solution, braces balanced; empty if there is none."""
    starts = [match.end() for match in re.finditer(r"\\f?boxed\{", solution)]
    if not starts:
        return ""
    depth = 1
    for i in range(starts[-1], len(solution)):
        depth += {"{": 1, "}": -1}.get(solution[i], 0)
        if depth == 0:
            return solution[starts[-1] : i]
    return ""


BBH_TASKS = (
    "boolean_expressions",
    "causal_judgement",
    "date_understanding",
    "disambiguation_qa",
    "dyck_languages",
    "formal_fallacies",
    "geometric_shapes",
    "hyperbaton",
    "logical_deduction_five_objects",
    "logical_deduction_seven_objects",
    "logical_deduction_three_objects",
    "movie_recommendation",
    "multistep_arithmetic_two",
    "navigate",
    "object_counting",
    "penguins_in_a_table",
    "reasoning_about_colored_objects",
    "ruin_names",
    "salient_translation_error_detection",
    "snarks",
    "sports_understanding",
    "temporal_sequences",
    "tracking_shuffled_objects_five_objects",
    "tracking_shuffled_objects_seven_objects",
    "tracking_shuffled_objects_three_objects",
    "web_of_lies",
    "word_sorting",
)

# Sizes: those of the authors' program (train, validation, test), where they are known.
SOURCES: Mapping[str, Source] = {
    "gsm8k": Source(
        "gsm8k.jsonl", "1d2d46bbc120d474a6f92014ea044a9b863db75e1a59e472b2be4e3f8d3af3b0", gsm8k, (50, 100, 400)
    ),
    "math": Source(
        "math.jsonl", "3e267e1d720861b19095fd8f41a45fed7c04ab5b9dc60aab568201afe7e1693b", math, (100, 200, 300)
    ),
    "biggsm": Source(
        "biggsm.jsonl",
        "384ed9a54c68b322df166044cfdab47c72235858edaa44ad94319d96b3ea3c5a",
        biggsm,
        (190, 10, 410),
        split_field="dlpo_split",
    ),
    "bbh": Source(
        "bbh.jsonl",
        "7f5015b9cb38392bdb155966810623f5ef57f9539219d27171a2c7a7e0f4f034",
        bbh,
        (50, 50, 150),
        split_field="dlpo_split",
    ),
    "mgsm": Source(
        "mgsm.jsonl",
        "85c0782095176c9238707b1acf90f8b45d0f664f06a59bc063afb8e27d33d187",
        mgsm,
        (50, 100, 2600),
        group="problem",
    ),
    "sentence_polarity": Source(
        "sentence_polarity.jsonl",
        "44ed48e5b8d8a88179093b26f952d396fa3e8b5e40b079cc544e73e48947b051",
        sentence_polarity,
        (100, 100, 400),
    ),
    "subjectivity": Source(
        "subjectivity.jsonl",
        "f075e26e96c2aca044b6ac8c6d62805cfa2e011fa9bfbe50b38af87961132df0",
        subjectivity,
        (100, 100, 400),
    ),
    "banking77": Source(
        "banking77.jsonl",
        "856f5970f7960aef71f0418bb18f8148395538e485bf6a241e18af3aa77acb14",
        banking77,
        (231, 231, 462),
    ),
}
