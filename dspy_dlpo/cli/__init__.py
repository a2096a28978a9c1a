"""The ``dlpo`` command."""

from dspy_dlpo.cli.main import main

__all__ = ["main"]
