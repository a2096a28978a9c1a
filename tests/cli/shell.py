"""The ``dlpo`` command in processes of its own: piped, and on a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from waiting import PATIENCE

COMMAND = [sys.executable, "-m", "dspy_dlpo.cli"]

MODULE = """
import os
import dspy
from dspy_dlpo import Task
from dspy_dlpo.simulation import simulated_lm, simulated_task

dspy.configure(lm=simulated_lm(latency=float(os.environ.get("LATENCY", 0))))
known = simulated_task("object_counting")
sets = known.trainset[:30], known.valset[:30], known.testset[:30]
task = Task(known.program, known.metric, *sets)

class Noisy(dspy.Module):
    def __init__(self):
        super().__init__()
        self.solve = known.program.solve

    def forward(self, question):
        print("noise of the program")
        os.write(1, b"noise below Python\\n")
        ask = dspy.Parallel(num_threads=2)
        return ask([(self.solve, {"question": question})] * 2)[0]

noisy = Task(Noisy(), known.metric, *sets)

def raising(gold, pred, trace=None):
    raise KeyError("no such label")

broken = Task(known.program, raising, *sets)

def percent(gold, pred, trace=None):
    return 100 * known.metric(gold, pred)

hundred = Task(known.program, percent, *sets)
lonely = Task(known.program, known.metric, known.trainset[:10], known.trainset[:10])

def crash():
    return {}["missing"]
"""


def environment(**more: str) -> dict[str, str]:
    names = ("NO_COLOR", "FORCE_COLOR", "DLPO_STORAGE", "COLUMNS")
    return {**{k: v for k, v in os.environ.items() if k not in names}, "TERM": "xterm-256color", **more}


def dlpo(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, env=env or environment(), stdin=-3
    )


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None, columns: int = 120) -> None:
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.execvpe(COMMAND[0], [*COMMAND, *arguments], env or environment())
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.shown = ""

    def read_until(self, text: str, seconds: float = PATIENCE) -> None:
        """Read what is shown until a text is; all of it for an empty one that never comes."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self._file], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} was not shown: {self.shown}"
            try:
                self.shown += os.read(self._file, 65536).decode(errors="replace")
            except OSError:
                return

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def end(self, number: int | None = None) -> int:
        """Its exit code, after a signal to it."""
        if number is not None:
            os.kill(self.pid, number)
        self.read_until("\0 the end of everything")
        os.close(self._file)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


INTERRUPT = signal.SIGINT
