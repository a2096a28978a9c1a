"""The search space over the optimizer's settings, read from the tunable fields of its plan."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import optuna

from dspy_dlpo.core.acceptance import Acceptance, Greedy
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.schedule import Schedule
from dspy_dlpo.core.space import Choice, Dimension, Range, search_space, with_params
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.techniques.annealing import Annealing
from dspy_dlpo.techniques.decay import CosineDecay, ExponentialDecay, LinearDecay

# Kinds of schedule that are tried where the shipped settings have one.
CONSTANT = "constant"
ON_OFF = Choice((True, False))
LARGEST_BATCH = 16
KINDS: dict[str, type[Schedule]] = {kind.__name__: kind for kind in (LinearDecay, CosineDecay, ExponentialDecay)}

# What a parameter is: its name, where it may lie, and its shipped value (that of a close relative where there is none).
Choose = Callable[[str, Dimension, Any], Any]


@dataclass(frozen=True)
class Parameter:
    """One dimension of the space.

    Args:
        name: Such as ``"LearningRate.max_edits.init_value"``.
        dimension: Where it may lie.
        shipped: Its value in the shipped settings; None where they have none.
    """

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
    """All settings that a search may try.

    Each technique can be left out, and so can annealing. Where there is a schedule its kind and its ends are searched,
    where there is a number the number is.

    Args:
        base: The shipped settings.
        largest_batch: Failing examples that a step can show at most.
        beside: Techniques that are tried too, though the base does not have them; no others are ever tried.
        annealing: The annealing that is tried in place of the base's acceptance; None for no other.
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
        more = [each for each in beside if type(each) not in known]
        own = [(each, True) for each in base.techniques]
        self._techniques = [*own[:-1], *((each, False) for each in more), *own[-1:]]  # what limits words stays last
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
        """The settings of a trial's parameters.

        Raises:
            KeyError: If a parameter is missing.
        """
        return self._walk(lambda name, dimension, shipped: params[name])

    @property
    def shipped(self) -> dict[str, Any]:
        """The parameters of the shipped settings."""
        found: dict[str, Any] = {}
        self._walk(lambda name, dimension, value: found.setdefault(name, value))
        return found

    @property
    def parameters(self) -> list[Parameter]:
        """Every dimension, those of what is off and of other schedules too, in the order in which they are chosen."""
        found: dict[str, Parameter] = {}
        shipped = self.shipped
        for on, kind in product((True, False), (None, CONSTANT, *KINDS)):

            def choose(name: str, dimension: Dimension, value: Any, on: bool = on, kind: str | None = kind) -> Any:
                found.setdefault(name, Parameter(name, dimension, shipped.get(name)))
                if dimension == ON_OFF:
                    return on
                return kind if kind is not None and name.endswith(".schedule") else value

            self._walk(choose)
        return list(found.values())

    @property
    def digest(self) -> str:
        """Equal for equal spaces, in any process."""
        text = json.dumps([[each.name, each.values, repr(each.shipped)] for each in self.parameters])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _walk(self, choose: Choose) -> Plan:
        """The plan that `choose` makes; it is asked for every parameter that its earlier answers call for."""
        techniques: list[Technique] = []
        for technique, shipped in self._techniques:
            label = type(technique).__name__
            if choose(label, ON_OFF, shipped):
                techniques.append(_chosen(technique, f"{label}.", choose))
        acceptance: Acceptance = self._other
        hot = isinstance(self._base.acceptance, Annealing)
        if self._annealing is not None and choose("Annealing", ON_OFF, hot):
            acceptance = _chosen(self._annealing, "Annealing.", choose)
        elif not hot:
            acceptance = _chosen(self._other, f"{type(self._other).__name__}.", choose)
        judging = _chosen(self._base.judging, "judging.", choose)
        return replace(
            self._base,
            techniques=tuple(techniques),
            acceptance=acceptance,
            judging=judging,
            batch_size=self._batch_size(choose),
        )

    def _batch_size(self, choose: Choose) -> int:
        dimension, shipped = search_space(replace(self._base, techniques=()))["batch_size"], self._base.batch_size
        if isinstance(dimension, Range):
            high = max(1, min(int(dimension.high), self._largest_batch))
            dimension, shipped = replace(dimension, low=min(int(dimension.low), high), high=high), min(shipped, high)
        return int(_ask(choose, "batch_size", dimension, shipped))


def _chosen(node: Any, prefix: str, choose: Choose) -> Any:
    """A technique, acceptance or judging with its numbers chosen; of a schedule the kind too."""
    values = {each.name: getattr(node, each.name) for each in dataclasses.fields(node)}
    schedules = {name: value for name, value in values.items() if type(value).__name__ in KINDS}
    for path, dimension in search_space(node).items():
        if path.split(".")[0] not in schedules:
            node = with_params(node, {path: _ask(choose, prefix + path, dimension, _at(node, path))})
    for name, schedule in schedules.items():
        node = _with_schedule(node, name, schedule, prefix + name, choose)
    return node


def _with_schedule(node: Any, name: str, shipped: Any, label: str, choose: Choose) -> Any:
    kind = choose(f"{label}.schedule", Choice((CONSTANT, *KINDS)), type(shipped).__name__)
    constant = replace(node, **{name: shipped.init_value})
    if kind == CONSTANT:
        dimension = search_space(constant)[name]
        return replace(constant, **{name: _ask(choose, f"{label}.init_value", dimension, shipped.init_value)})
    node = replace(node, **{name: _of_kind(KINDS[kind], shipped)})
    for path, dimension in search_space(node).items():
        if path.startswith(f"{name}."):
            asked = label + path.removeprefix(name)
            node = with_params(node, {path: _ask(choose, asked, dimension, _at(node, path))})
    return node


def _of_kind(kind: type[Any], shipped: Any) -> Any:
    """A schedule of another kind that begins, and where it can ends, as the shipped one."""
    given = {"init_value": shipped.init_value, "end_value": shipped(1.0), "warmup": shipped.warmup}
    if isinstance(shipped, kind):
        return shipped
    return kind(**{each.name: given[each.name] for each in dataclasses.fields(kind) if each.name in given})


def _ask(choose: Choose, name: str, dimension: Dimension, shipped: Any) -> Any:
    """What `choose` says; the shipped value is always among what it may say."""
    if isinstance(dimension, Choice):
        options = dimension.options if shipped in dimension.options else (*dimension.options, shipped)
        return choose(name, Choice(options), shipped)
    if dimension.integer:
        shipped = round(shipped)
    return choose(name, replace(dimension, low=min(dimension.low, shipped), high=max(dimension.high, shipped)), shipped)


def _at(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = getattr(node, part)
    return node
