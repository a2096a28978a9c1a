"""The templates of the page and of the summary, and the page's style and script."""

from dspy_dlpo.report.templates.loading import environment, read_asset

__all__ = ["environment", "read_asset"]
