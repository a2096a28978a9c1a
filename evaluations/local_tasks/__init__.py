"""Ten short tasks for the comparison on a small real model."""

from evaluations.local_tasks.catalogue import PREFIX, TASKS
from evaluations.local_tasks.kind import LocalTask
from evaluations.local_tasks.parts import Parts, parts_of
from evaluations.local_tasks.references import REFERENCES

__all__ = ["PREFIX", "REFERENCES", "TASKS", "LocalTask", "Parts", "parts_of"]
