"""One call of `compile`: the roles are wired to a program, its models and its data; nothing outlives the call."""

from __future__ import annotations

import hashlib
import inspect
import random
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import dspy

from dspy_dlpo import selection
from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.copying import NoCopying
from dspy_dlpo.core.freezing import FreezeText
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.loop import Run
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.result import Comparison, DLPOResult
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.runs import Runs
from dspy_dlpo.core.storage import RunDirectory
from dspy_dlpo.host.critic import Critic
from dspy_dlpo.host.evaluate import Evaluator, as_text
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricDoor
from dspy_dlpo.host.program import (
    EvaluationCopies,
    describe,
    editable,
    fields_of,
    protected_text,
    read_prompts,
    unset_models,
    with_prompts,
)
from dspy_dlpo.host.prompting import PromptModel
from dspy_dlpo.host.writer import Writer
from dspy_dlpo.settings import BATCH_SIZE, Data, Settings

# Share of the budget that is set aside for pruning.
PRUNING_SHARE = 0.05


class Compilation:
    """A student on its way to a better program.

    Args:
        settings: The optimizer's arguments.
        student: The program; not changed.
        data: Its examples.

    Raises:
        ValueError: If no language model is configured, or text to freeze is nowhere in the program.
        ProgramError: If the program has no instructions to optimize.
        RunDirectoryError: If the run directory cannot be used.
    """

    def __init__(self, settings: Settings, student: dspy.Module, data: Data) -> None:
        self._settings, self._student, self._data = settings, student, data
        self._start = read_prompts(student)
        self._predictors = editable(self._start, settings.frozen)
        self._frozen_text = self._find_frozen_text()
        lm = self._prompt_lm()
        self._check_task_models()
        self._copies, self._meter = EvaluationCopies(student), Meter()
        self._door = MetricDoor(settings.metric, settings.score_range)
        calls = settings.budget.metric_calls
        self._n_finalists, self._n_val = selection.plan_selection(calls, len(data.val), settings.judging.finalists)
        self._for_val = (self._n_finalists + 1) * self._n_val
        for_pruning = int(calls * PRUNING_SHARE) if settings.prunes else 0
        self._account = Account(calls, self._for_val + for_pruning)
        self._directory = RunDirectory(settings.log_dir) if settings.log_dir is not None else None
        self._model = PromptModel(lm, self._meter, settings.seed, self._on_reply)
        self._run = self._wired()
        if self._directory:
            self._directory.write_settings(self._fingerprint(lm))

    def run(self) -> dspy.Module:
        """Run, select, and return the program with its result."""
        try:
            self._run.go()
        except Exception:
            if self._directory and not self._run.history:
                self._directory.abandon()  # nothing was recorded: the corrected call may use the directory
            raise
        candidates = self._finalists()
        chosen, comparison = self._chosen(candidates)
        result = self._result(chosen, comparison)
        if self._directory:
            self._directory.write_json("result.json", result.to_dict())
        program = with_prompts(self._student, chosen)
        program.detailed_results = result
        return program

    def _chosen(self, candidates: list[dict[str, str]]) -> tuple[dict[str, str], Comparison]:
        """The best on the held-out examples; where nothing was held out, on the judging set and without a claim."""
        seed = self._settings.seed
        if self._n_val:
            runs = self._runs("val", self._data.val)
            scored = selection.compare(self._start, candidates, runs, self._val_examples())
            chosen, comparison = selection.choose(scored, seed)
        elif self._data.where:  # the budget leaves nothing to compare with
            return self._start, Comparison()
        else:
            scored = selection.judged(self._run, [self._start, *candidates])
            chosen, comparison = selection.choose(scored, seed)[0], Comparison()
        return chosen or self._start, comparison

    def _val_examples(self) -> list[int]:
        """The held-out examples that the budget allows to compare on, drawn at random."""
        order = list(range(len(self._data.val)))
        random.Random(f"{self._settings.seed}/valset").shuffle(order)
        return sorted(order[: self._n_val])

    def _finalists(self) -> list[dict[str, str]]:
        """The best prompts of the run, the first of them pruned."""
        self._account.reserved = min(self._for_val, self._account.limit - self._account.spent)
        chosen = selection.finalists(self._run, max(1, self._n_finalists))
        if chosen and self._settings.prunes and self._run.has_enough:
            shorter = selection.prune(self._run, chosen[0], self._account.reserved)
            chosen = [shorter, *(each for each in chosen[1:] if each != shorter)]
        self._account.release()
        return [prompts for prompts in chosen if prompts != self._start]

    def _result(self, chosen: dict[str, str], comparison: Comparison) -> DLPOResult:
        said = selection.verdict(
            comparison,
            changed=chosen != self._start,
            score_range=self._settings.score_range,
            where=self._where(),
        )
        return DLPOResult(
            verdict=said,
            start_prompts=self._start,
            best_prompts=chosen,
            comparison=comparison,
            history=self._run.history,
            spent={"metric_calls": self._account.spent, **self._meter.totals()},
            ended=self._run.ended,
            log_dir=str(self._directory.path) if self._directory else None,
        )

    def _where(self) -> str:
        """What was compared on, in words."""
        total, where = len(self._data.val), self._data.where
        if self._n_val == total or not where:
            return where
        return f"{self._n_val} of {total} valset examples" if where == "valset" else f"{self._n_val} of {where}"

    def _protected(self, name: str) -> tuple[FreezeText, ...]:
        """What a module of DSPy needs in a predictor's instructions."""
        text = protected_text(self._student, name)
        return (FreezeText((text,)),) if text else ()

    def _wired(self) -> Run:
        settings = self._settings
        inputs = [" ".join(as_text(example.inputs()).values()) for example in self._data.train]
        labels = [" ".join(as_text(example.labels()).values()) for example in self._data.train]
        constraints = (FreezeText(self._frozen_text), NoCopying(inputs, labels))
        plan = Plan(
            techniques=settings.techniques,
            acceptance=settings.acceptance,
            judging=settings.judging,
            stopping=settings.stopping,
            batch_size=settings.batch_size or min(BATCH_SIZE, len(self._data.train)),
            seed=settings.seed,
            high=settings.score_range[1] if settings.score_range else None,
            low=settings.low_high[0],
            constraints={name: (*constraints, *self._protected(name)) for name in self._predictors},
            examples=[f"{text} -> {label}" for text, label in zip(inputs, labels, strict=True)],
        )
        modules = {name: fields_of(self._student, name) for name in self._predictors}
        whole = settings.judging.proposals == "prompts"
        return Run(
            plan=plan,
            start=self._start,
            runs=self._runs("train", self._data.train),
            critique=Critic(self._model, describe(self._student), self._predictors, settings.threads),
            write=Writer(self._model, modules, self._start, settings.threads, whole),
            spent=self._spent,
            clock=time.monotonic,
            on_record=self._on_record,
        )

    def _runs(self, which: str, examples: Sequence[dspy.Example]) -> Runs:
        evaluator = Evaluator(
            self._copies,
            examples,
            self._door,
            self._meter,
            low=self._settings.score_range[0] if self._settings.score_range else None,
            task_model=self._settings.task_model,
            num_threads=self._settings.threads,
            on_row=lambda request, row: self._on_row(which, request, row),
        )
        return Runs(evaluator, self._account, self._settings.judging.wave)

    # --- what is checked before anything is spent --------------------------------------------------------------------

    def _find_frozen_text(self) -> tuple[str, ...]:
        texts = tuple(text for text in self._settings.frozen if text not in self._start)
        for text in texts:
            if not any(text in prompt for prompt in self._start.values()):
                raise ValueError(
                    f"frozen={text!r} is neither a predictor ({', '.join(self._start)}) nor text of any instructions. "
                    "Pass one of these names, or text as it stands in the instructions."
                )
        return texts

    def _prompt_lm(self) -> dspy.LM:
        lm = self._settings.prompt_model or dspy.settings.lm
        if lm is None:
            raise ValueError(
                "No language model is configured to write critiques and edits. Pass prompt_model=dspy.LM(...), or call "
                "dspy.configure(lm=...)."
            )
        return lm

    def _check_task_models(self) -> None:
        unset = unset_models(self._student)
        if self._settings.task_model is None and dspy.settings.lm is None and unset:
            raise ValueError(
                f"No language model is configured to run {', '.join(unset)}. Pass task_model=dspy.LM(...), or call "
                "dspy.configure(lm=...)."
            )

    # --- what is remembered ------------------------------------------------------------------------------------------

    def _fingerprint(self, lm: dspy.LM) -> Mapping[str, Any]:
        settings, data = self._settings, self._data
        task_model = settings.task_model or dspy.settings.lm
        return {
            "package": version("dspy-dlpo"),
            "dspy": version("dspy"),
            "prompt_model": lm.model,
            "task_model": getattr(task_model, "model", None),
            "settings": {
                "techniques": [repr(technique) for technique in settings.techniques],
                "acceptance": repr(settings.acceptance),
                "judging": settings.judging,
                "budget": settings.budget,
                "stopping": settings.stopping,
                "batch_size": settings.batch_size,
                "frozen": settings.frozen,
                "score_range": settings.score_range,
                "seed": settings.seed,
            },
            "program": {"prompts": self._start, "modules": describe(self._student)},
            "data": {"train": _digest(data.train), "val": _digest(data.val), "n_val": self._n_val},
            "metric": _source(settings.metric),
        }

    def _spent(self) -> Mapping[str, float]:
        """Running totals: program runs, and calls and tokens over all roles."""
        totals = self._meter.totals()
        spent = {"metric_calls": float(self._account.spent)}
        for role in ("task", "critic", "writer"):
            spent[f"{role}_calls"] = float(totals.get(role, {}).get("calls", 0))
        for side in ("input_tokens", "output_tokens"):
            spent[side] = float(sum(counts[side] for counts in totals.values()))
        return spent

    def _on_record(self, record: Record) -> None:
        if self._directory:
            self._directory.append_record(record)
        if self._settings.on_record:
            self._settings.on_record(record)

    def _on_row(self, which: str, request: RunRequest, row: Row) -> None:
        if self._directory:
            self._directory.append_run(which, request, row)

    def _on_reply(self, role: str, label: str, step: int, reply: Any) -> None:
        if self._directory:
            self._directory.append_call({"role": role, "predictor": label, "step": step, "reply": reply})


def _digest(examples: Sequence[dspy.Example]) -> str:
    text = "\n".join(repr(sorted(as_text(example).items())) for example in examples)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _source(metric: Any) -> str:
    """The name of a metric and a digest of its source, where it has one."""
    name = getattr(metric, "__qualname__", type(metric).__qualname__)
    try:
        source = inspect.getsource(metric)
    except (OSError, TypeError):
        return str(name)
    return f"{name} {hashlib.sha256(source.encode()).hexdigest()[:16]}"
