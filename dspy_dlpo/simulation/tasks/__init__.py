"""The tasks that the simulated language model understands."""

from dspy_dlpo.simulation.tasks.registry import STAGES, TASKS, TaskKind

__all__ = ["STAGES", "TASKS", "TaskKind"]
