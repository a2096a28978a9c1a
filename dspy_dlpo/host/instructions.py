"""Instructions byte for byte, where DSPy would clean them once more."""

from __future__ import annotations

import inspect

import dspy


def cleaned(text: str) -> str:
    """A text as DSPy can hold it: without tabs, a margin and blank lines at its ends."""
    return inspect.cleandoc(f"\n{text}")


def instructed(signature: type[dspy.Signature], text: str) -> type[dspy.Signature]:
    """A signature with instructions that are a text byte for byte; the signature itself where they are so already.

    DSPy cleans instructions as Python cleans a docstring, again whenever a signature is made from another, and what is
    cleaned already loses the indentation of all lines but the first. A first line that is empty stands that off.
    """
    if signature.instructions == text:
        return signature
    whole: type[dspy.Signature] = signature.with_instructions(text if inspect.cleandoc(text) == text else f"\n{text}")
    return whole
