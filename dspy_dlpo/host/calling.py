"""How a metric is called: by the names of its parameters, through whatever wraps it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter
from types import MethodType
from typing import Any

import dspy

# What DSPy's optimizers pass beside the example and the prediction, in the order of their places.
NAMES = ("trace", "pred_name", "pred_trace")
_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NONE = Parameter.empty


@dataclass(frozen=True)
class Calling:
    """How a metric is called beside the example and the prediction, which come first, by place.

    Args:
        places: What follows them by place: one of `NAMES`, or a default in a tuple of one.
        required: What else must be given, by name.
        optional: What may be given, by name.
        is_open: Whether it takes further arguments that it does not name, as a wrapper with ``*args`` does.
        first: The names of its first two parameters, as far as it has some.
        annotations: Their annotations.
    """

    places: tuple[str | tuple[Any], ...] = ()
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    is_open: bool = False
    first: tuple[str, ...] = ()
    annotations: tuple[Any, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """What of `NAMES` it takes."""
        return frozenset((*(each for each in self.places if isinstance(each, str)), *self.required, *self.optional))

    def with_places(self, count: int) -> Calling:
        """The same for an open one that has shown to need so many of `NAMES`, by place."""
        return replace(self, places=NAMES[:count])

    def arguments(self, given: Mapping[str, Any] | None = None) -> tuple[list[Any], dict[str, Any]]:
        """What to pass after the example and the prediction, by place and by name.

        Args:
            given: Values by name, for what a metric is to say of a predictor; None for a score, which passes no more
                than the metric requires, so that every default of its own holds.
        """
        values = dict.fromkeys(NAMES) if given is None else given
        places = [values[each] if isinstance(each, str) else each[0] for each in self.places]
        wanted = self.required if given is None else (*self.required, *self.optional)
        return places, {name: values[name] for name in wanted}


def calling_of(metric: Callable[..., Any]) -> Calling:
    """How a metric is to be called.

    Of `dspy.Module` objects the parameters are those of ``forward``; those of functions, methods, partials and callable
    objects are found through `functools.wraps`. Where a parameter without a default has a name that says nothing (an
    underscore, or up to two letters), its place decides, as it does in DSPy.

    Raises:
        TypeError: If it cannot be called with an example and a prediction, or requires anything that DSPy never passes.
    """
    if inspect.isclass(metric):
        name = metric.__name__
        raise TypeError(f"metric={name} is a class, and calling it scores nothing. Pass an object of it: {name}().")
    try:
        target = called_of(metric)
        parameters, is_open = _parameters(target)
    except (TypeError, ValueError):  # written in C, without a signature
        return Calling(is_open=True)
    by_place = [each for each in parameters if each.kind in _BY_PLACE]
    if len(by_place) < 2 and not is_open:
        raise TypeError(f"metric={metric!r} cannot be called as metric(gold, pred). Pass one that can.")
    rest = [each for each in parameters if each not in by_place[:2]]
    places = _places(by_place[2:])
    for each in rest:
        if _is_required(each) and each.name not in NAMES and each not in by_place[2 : 2 + len(places)]:
            raise TypeError(
                f"metric={metric!r} requires {each.name!r}, which DSPy does not pass. Give it a default, or pass "
                f"functools.partial(metric, {each.name}=...)."
            )
    named = [each for each in rest if each.name in NAMES and each not in by_place[2 : 2 + len(places)]]
    first = tuple(each.name for each in by_place[:2])
    return Calling(
        places,
        tuple(each.name for each in named if _is_required(each)),
        tuple(each.name for each in named if not _is_required(each) and each.kind in _BY_NAME),
        is_open and len(by_place) <= 2 and not named,
        first,
        tuple(_annotation(target, name) for name in first),
    )


_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def _places(extra: list[Parameter]) -> tuple[str | tuple[Any], ...]:
    """What is passed by place after the first two: up to the last parameter that can be reached in no other way."""
    reached: list[str | tuple[Any]] = []
    last = 0
    for i, each in enumerate(extra):
        nameless = _is_required(each) and i < len(NAMES) and _says_nothing(each.name)
        only_by_place = each.kind is Parameter.POSITIONAL_ONLY and each.name in NAMES
        if nameless or only_by_place:
            last = i + 1
        elif _is_required(each) and each.name not in NAMES:
            break  # nothing to pass: no place behind it can be reached
        reached.append(NAMES[i] if nameless else each.name if each.name in NAMES else (each.default,))
    return tuple(reached[:last])


def _is_required(parameter: Parameter) -> bool:
    return parameter.default is _NONE


def _says_nothing(name: str) -> bool:
    return name not in NAMES and (name.startswith("_") or len(name) <= 2)


def called_of(metric: Any) -> Any:
    """What holds the parameters of a metric: ``forward`` of a module, ``__call__`` of another object."""
    if isinstance(metric, functools.partial):
        return functools.partial(called_of(metric.func), *metric.args, **metric.keywords)
    if isinstance(metric, dspy.Module):
        return _forward_of(metric)
    if inspect.ismethod(metric):
        is_call = isinstance(metric.__self__, dspy.Module) and metric.__func__ is dspy.Module.__call__
        return _forward_of(metric.__self__) if is_call else metric
    if inspect.isroutine(metric) or hasattr(metric, "__wrapped__"):
        return metric
    return metric.__call__


def _forward_of(module: dspy.Module) -> Any:
    """The method that a call of a module ends in; looked up so that DSPy does not take it for a call of it."""
    kind = type(module)
    if kind.__call__ is not dspy.Module.__call__:
        return MethodType(kind.__call__, module)
    if "forward" in vars(module):
        return vars(module)["forward"]
    for name in ("forward", "aforward"):
        if hasattr(kind, name):
            return MethodType(getattr(kind, name), module)
    return MethodType(kind.acall, module)


def _parameters(target: Any) -> tuple[list[Parameter], bool]:
    """The parameters of a callable, those that it hands on to what it wraps among them, and whether it takes others."""
    inner = _wrapped_by(target)
    try:
        signature = inspect.signature(target, follow_wrapped=False)
    except (TypeError, ValueError):
        if inner is None:
            raise
        return _parameters(inner)  # such as `functools.cache`, which hands all on
    own = list(signature.parameters.values())
    takes_args = any(each.kind is Parameter.VAR_POSITIONAL for each in own)
    takes_names = any(each.kind is Parameter.VAR_KEYWORD for each in own)
    found = [each for each in own if each.kind in (*_BY_PLACE, Parameter.KEYWORD_ONLY)]
    if inner is None or not (takes_args or takes_names):
        return found, takes_args
    handed, is_open = _parameters(inner)
    return [*found, *_handed_on(found, handed, takes_args, takes_names)], takes_args and is_open


def _handed_on(own: list[Parameter], inner: list[Parameter], takes_args: bool, takes_names: bool) -> list[Parameter]:
    """The parameters of what is wrapped that a wrapper with ``*args`` or ``**kwargs`` lets through."""
    known = {each.name for each in own}
    by_place = [each for each in inner if each.kind in _BY_PLACE]
    beyond = by_place[sum(each.kind in _BY_PLACE for each in own) :]
    found = []
    for each in inner:
        if each.name in known:
            continue
        place, name = takes_args and each in beyond, takes_names and each.kind in _BY_NAME
        if place and name:
            found.append(each)
        elif place:
            found.append(each.replace(kind=Parameter.POSITIONAL_ONLY))
        elif name:
            found.append(each.replace(kind=Parameter.KEYWORD_ONLY))
    return found


def _wrapped_by(target: Any) -> Any:
    """What a callable wraps, bound as the callable is; None if it says of nothing."""
    if isinstance(target, functools.partial):
        inner = _wrapped_by(target.func)
        return None if inner is None else functools.partial(inner, *target.args, **target.keywords)
    if inspect.ismethod(target):
        inner = getattr(target.__func__, "__wrapped__", None)
        return None if inner is None else MethodType(inner, target.__self__)
    inner = getattr(target, "__wrapped__", None)
    return inner if callable(inner) else None


def _annotation(target: Any, name: str) -> Any:
    try:
        return inspect.signature(target).parameters[name].annotation
    except (KeyError, TypeError, ValueError):
        return _NONE
