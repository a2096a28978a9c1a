"""``dlpo review``: a person goes through the edits of a finished run, in the browser."""

from __future__ import annotations

import json
import webbrowser
from dataclasses import dataclass, replace
from pathlib import Path

import click
import dspy

from dspy_dlpo.cli.claiming import cost_of_claim
from dspy_dlpo.cli.loading import load_task
from dspy_dlpo.cli.options import UserPath, address_option, run_argument
from dspy_dlpo.cli.review_server import Answers, ReviewServer, as_data
from dspy_dlpo.core.edits import Edits
from dspy_dlpo.core.history import Prompts, digits_of
from dspy_dlpo.core.result import Comparison, DLPOResult
from dspy_dlpo.core.review import Suggestion, changes, left, reviewed
from dspy_dlpo.core.task import Task
from dspy_dlpo.run import selection
from dspy_dlpo.run.claim import score_on_test
from dspy_dlpo.run.noise import noise_remark

FILE = "reviewed.json"


@dataclass
class _Session:
    """What is reviewed, and what was scored last.

    Args:
        result: The result of the run.
        suggestions: Its edits.
        task: The task, to score with; None if none was named.
        target: The file that is written.
    """

    result: DLPOResult
    suggestions: list[Suggestion]
    task: Task | None
    target: Path
    scored: tuple[Prompts, Comparison] | None = None

    def answered(self, answers: Answers) -> tuple[Edits, Edits]:
        """The edits that the answers leave, and those that they decline."""
        given = dict(zip((suggestion.key for suggestion in self.suggestions), answers, strict=True))
        return reviewed(self.suggestions, lambda suggestion: given[suggestion.key])

    def left(self, answers: Answers) -> Prompts:
        """The prompts that the answers leave."""
        kept, declined = self.answered(answers)
        return left(self.result.start_prompts, kept) if declined else dict(self.result.best_prompts)

    def examples(self) -> list[dspy.Example]:
        """What is scored on."""
        return [] if self.task is None else list(self.task.testset or self.task.valset or ())

    def price(self) -> str:
        """What scoring costs, in words."""
        count = len(self.examples())
        if not count:
            return "To score what is left, name the task: dlpo review RUN --task MODULE:TASK."
        usd = cost_of_claim(self.result, count)
        money = "price unknown" if usd is None else f"about ${usd:.2g}"
        return f"Scoring takes at most {2 * count} runs of the program ({money})."

    def score(self, answers: Answers) -> str:
        """Score the start and what is left, and say what came of it."""
        assert self.task is not None
        prompts = self.left(answers)
        result = replace(self.result, best_prompts=prompts)
        self.scored = prompts, score_on_test(self.task.program, result, self.task.metric, self.examples())
        return self._verdict(prompts)

    def save(self, answers: Answers) -> str:
        """Write the result that the answers leave; returns where."""
        prompts = self.left(answers)
        result = replace(
            self.result,
            best_prompts=prompts,
            comparison=self._comparison(prompts),
            verdict=f"{self._verdict(prompts)} (reviewed by hand)",
            declined=(*self.result.declined, *self.answered(answers)[1]),
        )
        result.save(self.target)
        return str(self.target)

    def _comparison(self, prompts: Prompts) -> Comparison:
        """What is known of prompts: as they were scored here, or in the run."""
        if self.scored is not None and self.scored[0] == prompts:
            return self.scored[1]
        return self.result.comparison if prompts == self.result.best_prompts else Comparison()

    def _verdict(self, prompts: Prompts) -> str:
        comparison = self._comparison(prompts)
        if comparison is self.result.comparison:
            return self.result.verdict
        known = [score for scores in comparison.scores for score in scores.values()]
        if self.result.history.of_sets:  # those are contributions
            known = [each for each in (comparison.start, comparison.best) if each is not None]
        score_range = (0.0, 1.0) if all(0 <= score <= 1 for score in known) else None
        said = selection.verdict(
            comparison,
            changed=prompts != self.result.start_prompts,
            score_range=score_range,
            where="testset" if self.task and self.task.testset else "valset",
            uncompared="" if known else "not scored after the review",
            digits=digits_of(self.result.history),
        )
        noise = noise_remark(replace(self.result, comparison=comparison), score_range)
        return f"{said} ({noise})" if noise else said


@click.command()
@run_argument
@click.option("--task", "task_path", metavar="MODULE:TASK", help="The task, to score what is left on its testset.")
@click.option("--output", type=UserPath(dir_okay=False), help=f"File to write; {FILE} in the run directory.")
@click.option("--port", default=0, show_default=True, help="Port of the page, on this machine; 0: a free one.")
@click.option("--no-browser", is_flag=True, help="Print the address of the page, and open no browser.")
@address_option
def review(run: str, task_path: str | None, output: str | None, port: int, no_browser: bool, as_json: bool) -> None:
    """Go through the edits of a run in the browser: untick them, reword them, score what is left, save.

    RUN is a run directory (log_dir), or a file that result.save() wrote. Scoring runs the program and is paid for; its
    price stands on the page. What is saved is a result, for `dlpo diff`, `dlpo apply` and `dlpo report`.
    """
    result = DLPOResult.load(run)
    suggestions = changes(result.start_prompts, result.best_prompts, result.history)
    if not suggestions:
        raise ValueError(f"{run} changed nothing, so there is nothing to review. Pass another run.")
    task = None if task_path is None else load_task(task_path)
    session = _Session(result, suggestions, task, Path(output) if output else _beside(Path(run)))
    content = {
        "verdict": result.verdict,
        "price": session.price(),
        "edits": [as_data(suggestion) for suggestion in suggestions],
    }
    try:
        server = ReviewServer(port, content, session.score if session.examples() else None, session.save)
    except OSError as error:
        raise ValueError(f"port {port} cannot be used: {error.strerror}. Pass another one as --port.") from error
    with server:
        if as_json:
            click.echo(json.dumps({"url": server.address, "output": str(session.target)}))
        else:
            click.echo(f"The page is at {server.address} until you save (Ctrl-C ends it).", err=True)
        if not no_browser:
            webbrowser.open(server.address)
        saved = server.run()
    if not as_json:
        click.echo(saved)


def _beside(run: Path) -> Path:
    return run / FILE if run.is_dir() else run.with_name(FILE)
