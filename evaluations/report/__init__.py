"""The report of a grid: one Markdown page and one self-contained HTML page."""

from evaluations.report.page import write_report

__all__ = ["write_report"]
