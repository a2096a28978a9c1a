"""An offline simulation of a language model for demos, tests and benchmarks: free, fast and repeatable."""

from dspy_dlpo.simulation.engine import Counts, Settings, SimulatedEngine
from dspy_dlpo.simulation.faults import Faults
from dspy_dlpo.simulation.landscape import Landscape
from dspy_dlpo.simulation.model import engine_of, simulated_lm
from dspy_dlpo.simulation.server import create_app, serve
from dspy_dlpo.simulation.settings import Noise, Reader, Writer
from dspy_dlpo.simulation.task import SimulatedTask, simulated_task, task_names

__all__ = [
    "Counts",
    "Faults",
    "Landscape",
    "Noise",
    "Reader",
    "Settings",
    "SimulatedEngine",
    "SimulatedTask",
    "Writer",
    "create_app",
    "engine_of",
    "serve",
    "simulated_lm",
    "simulated_task",
    "task_names",
]
