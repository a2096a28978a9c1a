"""``python -m dspy_dlpo.cli`` is ``dlpo``."""

from dspy_dlpo.cli.main import main

main()
