"""Whether what is to be optimized is a program, and takes the inputs of its examples."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Sequence
from typing import Any, get_args

import dspy

from dspy_dlpo.run.examples import input_fields


def check_student(student: Any) -> None:
    """Check that a student is a program.

    Raises:
        TypeError: If it is none; it says how to make one.
    """
    if isinstance(student, dspy.Module):
        return
    if isinstance(student, type) and issubclass(student, dspy.Module):
        raise TypeError(f"student={student.__name__} is a class. Pass an object of it, such as {student.__name__}().")
    if isinstance(student, type) and issubclass(student, dspy.Signature):
        said = student.__name__
        raise TypeError(f"student={said} is a signature. Pass a program, such as dspy.Predict({said}).")
    if isinstance(student, str):
        raise TypeError(f"student={student!r} is a str. Pass a program, such as dspy.Predict({student!r}).")
    name = getattr(student, "__name__", None)
    said = "student=None" if student is None else f"student={name or type(student).__name__}"
    way_out = "Pass a dspy.Module, such as dspy.Predict('question -> answer')"
    if inspect.isroutine(student):
        way_out = "Put what it does into the forward method of a dspy.Module that holds its predictors, and pass that"
    raise TypeError(f"{said} is no dspy.Module. {way_out}.")


def check_inputs(student: dspy.Module, name: str, examples: Sequence[dspy.Example]) -> None:
    """Check that a program can be called with the inputs of its examples.

    Args:
        student: The program.
        name: What the examples are called.
        examples: The examples.

    Raises:
        ValueError: If it cannot.
    """
    for i, inputs in input_fields(examples):
        wrong = _refused(student, inputs)
        if wrong:
            marked = ", ".join(inputs) or "none"
            raise ValueError(
                f"{name}[{i}] has inputs that the program cannot take: {wrong}. Its inputs are {marked}; mark those of "
                "the program by .with_inputs(...)."
            )


def _refused(student: Any, inputs: Collection[str]) -> str:
    """Why a program cannot be called with such inputs; empty if it can, or that cannot be told."""
    signature = _signature(student)
    if signature is not None:
        return _slip(signature, inputs)
    forward, *own = _forward(student)
    if forward is None:
        return ""
    try:
        inspect.signature(forward, follow_wrapped=False).bind(*own, **dict.fromkeys(inputs))
    except TypeError as error:
        return f"its forward method says {str(error)!r}"
    except ValueError:  # it has no signature that Python can tell
        return ""
    return ""


def _slip(signature: Any, inputs: Collection[str]) -> str:
    """What is wrong with inputs for a signature: none of its fields is among them, or one is nearly.

    DSPy leaves out what is too much, and tells the model of a field that is missing: either may be meant.
    """
    fields = signature.input_fields
    missing = [name for name, field in fields.items() if name not in inputs and _is_required(field)]
    unknown = sorted(set(inputs) - set(fields))
    if missing and not set(inputs) & set(fields):
        return f"it takes {', '.join(fields)}"
    for name in unknown:
        near = difflib.get_close_matches(name, missing, n=1)
        if near:
            return f"it takes {near[0]!r}, not {name!r}"
    return ""


def _is_required(field: Any) -> bool:
    return field.is_required() and type(None) not in get_args(field.annotation)


def _forward(student: Any) -> tuple[Any, ...]:
    """What a call of the program runs, and the program itself where that is a method of its class.

    Read past the object, as DSPy warns of every other look at ``forward``.
    """
    for name in ("forward", "aforward"):
        if name in vars(student):
            return (vars(student)[name],)
        if hasattr(type(student), name):
            return getattr(type(student), name), student
    return (None,)


def _signature(student: Any) -> Any:
    """The signature whose fields a module of DSPy takes; None for another program, whatever it derives from."""
    module = getattr(_forward(student)[0], "__module__", None) or ""
    if not module.startswith("dspy."):
        return None
    if isinstance(student, (dspy.BestOfN, dspy.Refine)):
        return _signature(student.module)
    if isinstance(student, dspy.ChainOfThought):
        return student.predict.signature
    return student.signature if isinstance(student, (dspy.Predict, dspy.ReAct, dspy.ReActV2)) else None
