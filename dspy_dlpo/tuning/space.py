"""The search space over the optimizer's settings, read from the tunable fields of its plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna

from dspy_dlpo.core.acceptance import Acceptance, Greedy
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.space import Choice, Dimension, Range, search_space, with_params
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.techniques.annealing import Annealing

ON_OFF = Choice((True, False))
LARGEST_BATCH = 16

# What a parameter is: its name, where it may lie, and its shipped value (that of a close relative where there is none).
Choose = Callable[[str, Dimension, Any], Any]


@dataclass(frozen=True)
class Parameter:
    """One dimension, such as ``"LearningRate.max_edits.init_value"``; `shipped` is None where none is shipped."""

    name: str
    dimension: Dimension
    shipped: Any

    @property
    def values(self) -> str:
        """Where it may lie, in words."""
        if isinstance(self.dimension, Choice):
            return ", ".join(map(str, self.dimension.options))
        scale = ", logarithmic" if self.dimension.log else ""
        return f"{self.dimension.low:g} to {self.dimension.high:g}{scale}"


class Space:
    """All settings that a search may try: each technique may be left out, and so may annealing.

    `base` are the shipped settings; techniques `beside` it, and `annealing` in place of its acceptance, are tried too.
    """

    def __init__(
        self,
        base: Plan,
        largest_batch: int = LARGEST_BATCH,
        beside: Sequence[Technique] = (),
        annealing: Annealing | None = None,
    ) -> None:
        self._base, self._largest_batch = base, largest_batch
        known = {type(each) for each in base.techniques}
        more = [(each, False) for each in beside if type(each) not in known]
        own = [(each, True) for each in base.techniques]
        self._techniques = [*own[:-1], *more, *own[-1:]]  # what limits words stays last
        given = base.acceptance
        self._annealing, self._other = (given, Greedy()) if isinstance(given, Annealing) else (annealing, given)

    def suggest(self, trial: optuna.Trial) -> Plan:
        """The settings that a trial is to try."""

        def choose(name: str, dimension: Dimension, shipped: Any) -> Any:
            if isinstance(dimension, Choice):
                return trial.suggest_categorical(name, dimension.options)
            if dimension.integer:
                return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
            return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)

        return self._walk(choose)

    def settings(self, params: Mapping[str, Any]) -> Plan:
        """The settings of a trial's parameters; raises `KeyError` if one is missing."""
        return self._walk(lambda name, dimension, shipped: params[name])

    @property
    def shipped(self) -> dict[str, Any]:
        """The parameters of the shipped settings."""
        found: dict[str, Any] = {}
        self._walk(lambda name, dimension, value: found.setdefault(name, value))
        return found

    @property
    def parameters(self) -> list[Parameter]:
        """Every dimension, those of what is off too, in the order in which they are chosen."""
        found: dict[str, Parameter] = {}
        shipped = self.shipped
        for on in (True, False):

            def choose(name: str, dimension: Dimension, value: Any, on: bool = on) -> Any:
                found.setdefault(name, Parameter(name, dimension, shipped.get(name)))
                return on if dimension == ON_OFF else value

            self._walk(choose)
        return list(found.values())

    @property
    def digest(self) -> str:
        """Equal for equal spaces, in any process."""
        text = json.dumps([[each.name, each.values, repr(each.shipped)] for each in self.parameters])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _walk(self, choose: Choose) -> Plan:
        """The plan that `choose` makes; it is asked for every parameter that its earlier answers call for."""
        chosen: dict[str, Any] = {"techniques": ()}
        for technique, shipped in self._techniques:
            if choose(type(technique).__name__, ON_OFF, shipped):
                chosen["techniques"] += (_chosen(technique, choose),)
        acceptance: Acceptance = self._other
        hot = isinstance(self._base.acceptance, Annealing)
        if self._annealing is not None and choose("Annealing", ON_OFF, hot):
            acceptance = _chosen(self._annealing, choose)
        elif not hot:
            acceptance = _chosen(self._other, choose)
        judging = _chosen(self._base.judging, choose, "judging")
        batch_size = self._batch_size(choose)
        return replace(self._base, **chosen, acceptance=acceptance, judging=judging, batch_size=batch_size)

    def _batch_size(self, choose: Choose) -> int:
        dimension, shipped = search_space(replace(self._base, techniques=()))["batch_size"], self._base.batch_size
        if isinstance(dimension, Range):
            high = max(1, min(int(dimension.high), self._largest_batch))
            dimension, shipped = replace(dimension, low=min(int(dimension.low), high), high=high), min(shipped, high)
        return int(_ask(choose, "batch_size", dimension, shipped))


def _chosen(node: Any, choose: Choose, name: str = "") -> Any:
    """A technique, acceptance or judging with its numbers chosen; of a schedule its ends."""
    for path, dimension in search_space(node).items():
        shipped = node
        for part in path.split("."):
            shipped = getattr(shipped, part)
        node = with_params(node, {path: _ask(choose, f"{name or type(node).__name__}.{path}", dimension, shipped)})
    return node


def _ask(choose: Choose, name: str, dimension: Dimension, shipped: Any) -> Any:
    """What `choose` says; the shipped value is always among what it may say."""
    if isinstance(dimension, Choice):
        options = dimension.options if shipped in dimension.options else (*dimension.options, shipped)
        return choose(name, Choice(options), shipped)
    shipped = round(shipped) if dimension.integer else shipped
    return choose(name, replace(dimension, low=min(dimension.low, shipped), high=max(dimension.high, shipped)), shipped)
