"""The optimizer's arguments, checked."""

from __future__ import annotations

import math
import numbers
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.core.acceptance import Acceptance
from dspy_dlpo.core.aim import Aim
from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.checks import check_real
from dspy_dlpo.core.freezing import check_frozen
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.judges import CHEAPEST, Judge
from dspy_dlpo.core.paths import absolute_path
from dspy_dlpo.core.plan import Controller, Stopping
from dspy_dlpo.core.rates import Rates, check_rates
from dspy_dlpo.core.review import Review, ReviewTime
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.turns import UPDATES
from dspy_dlpo.host.corpus_metric import CorpusMetric
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import KINDS
from dspy_dlpo.run.examples import as_examples, distinct, repeated, split_holdout, unseen


@dataclass(frozen=True)
class RunSettings:
    """The arguments of `DLPOTeleprompter`, with every default filled in; its documentation says what each means.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an illegal value.
    """

    metric: Callable[..., Any]
    prompt_model: dspy.LM | None
    task_model: dspy.LM | None
    techniques: tuple[Technique, ...]
    acceptance: Acceptance
    judging: Judge
    budget: Budget
    stopping: Stopping
    batch_size: int | None
    gradients: int | None
    critic: bool | None
    update: str
    parameters: tuple[str, ...]
    frozen: tuple[str | re.Pattern[str], ...]
    controller: Controller | None
    score_range: tuple[float, float] | None
    num_threads: int | None
    call_timeout: float | None
    seed: int
    log_dir: str | os.PathLike[str] | None
    on_record: Callable[[Record], None] | None
    verbose: bool = True
    review: Review | None = None
    aim: Aim | None = None
    rates: Rates = None

    def __post_init__(self) -> None:
        if self.log_dir is not None:
            object.__setattr__(self, "log_dir", absolute_path("log_dir", self.log_dir))
        check_range(self.score_range)
        MetricAdapter(self.metric, self.score_range)
        if self.scores_sets and self.score_range is None:
            raise ValueError(
                "score_range=None does not go with a CorpusMetric: a set that it cannot score counts as the lowest. "
                "Pass (lowest, highest); a wide range such as (-1000, 0) does no harm."
            )
        _check_type("acceptance", self.acceptance, Acceptance)
        _check_type("judging", self.judging, Judge)
        if self.scores_sets and self.judging.metric_noise is not None:
            raise ValueError(
                f"metric_noise={self.judging.metric_noise!r} is that of single scores, and a CorpusMetric gives none. "
                "Leave it out: the interval tells what is luck."
            )
        _check_type("budget", self.budget, Budget)
        _check_type("stopping", self.stopping, Stopping)
        if self.review is not None:
            _check_type("review", self.review, Review)
        check_rates(self.rates)
        if self.controller is not None:
            _check_type("controller", self.controller, Controller)
        for name in ("prompt_model", "task_model"):
            if getattr(self, name) is not None:
                _check_type(name, getattr(self, name), dspy.BaseLM)
        if self.critic is not None and not isinstance(self.critic, bool):
            raise TypeError(f"critic={self.critic!r} is none of True, False and None. Pass one of them.")
        if self.critic is False and self.update == "most_blamed":
            raise ValueError(
                "critic=False and update='most_blamed' do not go together: only a critic that is asked first says "
                "which predictor is blamed most. Pass critic=None, or another update."
            )
        if not isinstance(self.verbose, bool):
            raise TypeError(f"verbose={self.verbose!r} is neither True nor False. Pass one.")
        if self.update not in UPDATES:
            raise ValueError(
                f"update={self.update!r} must be one of {', '.join(map(repr, UPDATES))}. Pass one of them."
            )
        if not self.parameters or not all(map(_is_kind_or_path, self.parameters)):
            names = ", ".join(map(repr, KINDS))
            raise ValueError(
                f"parameters={self.parameters!r} must hold one or more of {names}, or paths of single texts. Pass such "
                "names, or paths that text_paths(program) tells."
            )
        self._check_techniques()
        self._check_numbers()
        check_frozen(self.frozen)

    @property
    def scores_sets(self) -> bool:
        """Whether the metric scores whole sets of examples."""
        return isinstance(self.metric, CorpusMetric)

    @property
    def threads(self) -> int:
        """Calls in parallel."""
        return int(self.num_threads or dspy.settings.num_threads or 1)

    def n_gradients(self, predictors: int) -> int:
        """Text gradients of each predictor in a step, in a program with so many predictors to edit."""
        return (1 if predictors > 1 else GRADIENTS) if self.gradients is None else self.gradients

    def asks_critic(self, predictors: int) -> bool:
        """Whether a critic is asked before the writer, in a program with so many predictors to edit."""
        return predictors > 1 and self.update == "most_blamed" if self.critic is None else self.critic

    def compared(self, finalists: int) -> int:
        """How many prompts run on held-out examples: the user's own, finalists, and what a person leaves of them."""
        return finalists + 1 + (self.review is not None and self.review.when is ReviewTime.END)

    @property
    def stop_file(self) -> Path | None:
        """The file that ends a run when it appears; None for none."""
        if self.stopping.stop_file is not None:
            return Path(self.stopping.stop_file)
        return None if self.log_dir is None else Path(self.log_dir) / "stop"

    @property
    def prunes(self) -> bool:
        """Whether finalists are pruned: a technique asks for it.

        Not where the cheapest is to be returned: a sentence without effect on the score may keep answers short.
        """
        return self.judging.prefer != CHEAPEST and any(technique.prunes for technique in self.techniques)

    def _check_techniques(self) -> None:
        for technique in self.techniques:
            _check_type("techniques", technique, Technique)
        kinds = [type(technique).__name__ for technique in self.techniques]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"techniques= holds {', '.join(twice)} twice. Pass each technique once.")

    def _check_numbers(self) -> None:
        for name in ("batch_size", "gradients", "num_threads"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name}={value!r} must be a whole number of at least 1. Pass such a number.")
        if self.call_timeout is not None:
            check_real("", "call_timeout", self.call_timeout, 0, above=True, way_out="Pass seconds, or None.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed={self.seed!r} is no whole number. Pass one; 0 is a seed.")


def check_range(limits: Any) -> None:
    """Check a range of scores.

    Raises:
        TypeError: If it is no pair of numbers.
        ValueError: If there are not two, or they are not finite, or not in order.
    """
    way_out = "Pass (lowest, highest), or None if it is unknown."
    said = f"score_range={limits!r}"
    if limits is None:
        return
    if _is_number(limits) and math.isfinite(limits) and limits > 0:
        raise TypeError(f"{said} must be a pair. Pass (0, {limits:g}), or None if it is unknown.")
    if not isinstance(limits, (tuple, list)):
        raise TypeError(f"{said} must be a pair of numbers. {way_out}")
    if len(limits) != 2:
        raise ValueError(f"{said} must hold two numbers. {way_out}")
    if not all(map(_is_number, limits)):
        raise TypeError(f"{said} must hold two numbers. {way_out}")
    if not all(map(math.isfinite, limits)):
        raise ValueError(f"{said} must hold two finite numbers. {way_out}")
    if not limits[0] < limits[1]:
        raise ValueError(f"{said} must be (lowest, highest), the lower one first. {way_out}")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


# Failing examples that a step looks at, unless told otherwise or there are fewer.
BATCH_SIZE = 8
# Text gradients in a step of a single predictor. Of several predictors each has one, which sees the whole batch: two
# requests for each took more tokens and brought no more.
GRADIENTS = 2


@dataclass(frozen=True)
class Data:
    """The examples of a run, checked.

    Args:
        train: To learn from.
        val: Held out, to choose on.
        where: What the held-out examples are called; empty if there are none.
        notes: What a user must know of how they were divided, as sentences without a full stop.
    """

    train: list[dspy.Example]
    val: list[dspy.Example]
    where: str
    notes: tuple[str, ...] = ()


def check_data(settings: RunSettings, trainset: Any, valset: Any) -> Data:
    """Check the examples, and hold some out if no validation set is given.

    Nothing that is learned from is held out, too: examples with the same inputs are the same.

    Raises:
        TypeError: If something is no example.
        ValueError: If there are none, too few, or their inputs are not marked.
    """
    given = as_examples("trainset", () if trainset is None else trainset)
    if not given:
        raise ValueError(
            "trainset is empty. Pass the examples to learn from, as a list: an iterator can be read only once."
        )
    data = _split(given, settings) if valset is None else _without_seen(given, as_examples("valset", valset))
    if settings.batch_size is not None and settings.batch_size > len(data.train):
        held = "" if len(data.train) == len(given) else f", {len(given) - len(data.train)} more are held out"
        raise ValueError(
            f"batch_size={settings.batch_size} is larger than the trainset ({len(data.train)} examples{held}). Pass a "
            "smaller batch_size or more examples."
        )
    return data


def _without_seen(train: list[dspy.Example], val: list[dspy.Example]) -> Data:
    """The examples as given, less those of the valset that are learned from."""
    kept = unseen(val, train)
    shared, copies = len(val) - len(kept), len(kept) - len(kept := distinct(kept))
    notes: tuple[str, ...] = ()
    if shared and not kept:
        notes = (
            f"nothing is held out, as the inputs of all {len(val)} valset examples are in the trainset too, so no gain "
            "can be claimed: pass a valset of other examples, or none to have some held out of the trainset",
        )
    elif shared:
        notes = (
            f"{shared} of the {len(val)} valset examples {'have' if shared > 1 else 'has'} inputs that are in the "
            "trainset too; the comparison leaves them out",
        )
    if copies:
        notes += (f"{copies} of the valset examples repeat another; the comparison counts each once",)
    return Data(train, kept, "valset" if kept else "", notes)


def _split(given: list[dspy.Example], settings: RunSettings) -> Data:
    """The trainset in what is learned from and what is held out, at random, in the order given."""
    share, twice = settings.judging.holdout, repeated(given)
    train, val = split_holdout(given, share, settings.seed)
    val = distinct(val)
    notes: tuple[str, ...] = ()
    if twice and share:
        side = "on one side of what is held out" if val else "learned from, so that nothing is held out"
        notes = (
            f"{twice} of the {len(given)} trainset examples repeat the inputs of another; those with the same inputs "
            f"are {side}",
        )
    return Data(train, val, f"{len(val)} examples held out of the trainset" if val else "", notes)


def _check_type(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name}={value!r} is no {kind.__name__}. Pass an object of that class.")


def _is_kind_or_path(each: Any) -> bool:
    """Whether something is a kind of text, or may be the path of one; which paths there are only a program tells."""
    return each in KINDS or (isinstance(each, str) and "." in each)
