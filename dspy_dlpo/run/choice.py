"""What is returned in the end: the best finalists, pruned, are compared on held-out examples."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.events import SelectionPlanned
from dspy_dlpo.core.front import judged_points
from dspy_dlpo.core.history import Prompts, Scored, prompts_key
from dspy_dlpo.core.judges import CHEAPEST
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.loop import FAILURES, Run
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.core.run_costs import CostsByPrompts, costs_of_runs, judged_costs, mean_cost
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.host.evaluation import EvaluateCallbacks
from dspy_dlpo.run import selection
from dspy_dlpo.run.lengths import Pair
from dspy_dlpo.run.setup import Setup


@dataclass(frozen=True)
class Chosen:
    """What was chosen.

    Args:
        prompts: The prompts to return.
        comparison: How they were compared.
        uncompared: Why they were not, in words; empty if they were, or nothing was to be compared.
        pairs: The first runs of the user's own prompts and of these, by example, where both were made.
        remark: What the user must know of the choice, in words; empty if there is nothing.
    """

    prompts: Prompts
    comparison: Comparison = Comparison()
    uncompared: str = ""
    pairs: Sequence[Pair] = ()
    remark: str = ""


class Selection:
    """Chooses what a run returns.

    Args:
        setup: What the run is given.
        run: The run.
        log: Its log.
        val_runs: Gives the runs on the held-out examples.
    """

    def __init__(self, setup: Setup, run: Run, log: RunLog, val_runs: Callable[[], RunCache]) -> None:
        self._setup, self._run, self._log, self._val_runs = setup, run, log, val_runs
        self._n_finalists, self._n_val = selection.planned_selection(setup.settings, setup.data)
        self._candidates: Sequence[Prompts] = ()

    def choose(self) -> Chosen:
        """Choose, once the steps have ended.

        Where nothing was held out, or the model died before it could be compared, it is the best on the judging set,
        and nothing is claimed. Where the run failed and nothing was found, nothing more is spent.
        """
        setup, ended = self._setup, self._run.ended
        candidates = self._finalists()
        if not candidates and ended is not None and ended.by.is_failure:
            return Chosen(setup.start)
        examples = self._val_examples()
        if examples:
            return self._compared(candidates, examples)
        if setup.data.where:  # the budget leaves nothing to compare with
            return Chosen(setup.start)
        return Chosen(self.best_judged(candidates, complete=True))

    def best_judged(self, candidates: Sequence[Prompts] | None = None, *, complete: bool = False) -> Prompts:
        """The best of the candidates on the judging set, or of all prompts that were judged to the end."""
        if candidates is None:
            candidates = [scored.prompts for scored in self._run.history.ranked()]
        scored = selection.judged(self._run, [self._setup.start, *candidates], complete=complete)
        return selection.choose(scored, self._setup.settings.seed)[0] or self._setup.start

    @cached_property
    def _held_out(self) -> RunCache:
        """The runs on the held-out examples, made when there is something to compare."""
        return self._val_runs()

    def where(self) -> str:
        """What is compared on, in words."""
        total, where = len(self._setup.data.val), self._setup.data.where
        if self._n_val == total or not where:
            return where
        return f"{self._n_val} of {total} valset examples" if where == "valset" else f"{self._n_val} of {where}"

    def _compared(self, candidates: Sequence[Prompts], examples: Sequence[int]) -> Chosen:
        self._candidates = candidates
        scored, failure = self._scored(candidates, examples)
        if len(scored) < 2 and candidates:
            why = str(failure) if failure else "the budget did not pay for it"
            return Chosen(self.best_judged(candidates), uncompared=why)
        settings = self._setup.settings
        prefer = settings.judging.prefer
        costs = costs_of_runs(self._log.state, "val") if prefer == CHEAPEST else {}
        chosen, comparison = selection.choose(scored, settings.seed, prefer=prefer, costs=costs)
        found = self._chosen(chosen or self._setup.start, comparison, examples)
        return replace(found, remark=self._unknown_costs(scored[1:], examples, costs)) if prefer == CHEAPEST else found

    def _unknown_costs(self, finalists: Sequence[Scored], examples: Sequence[int], costs: CostsByPrompts) -> str:
        """What is to be said where the cheapest is asked for, and it is not known of all prompts what a run costs."""
        judged = judged_points(self._run.history, judged_costs(self._log.state))
        known = [point.usd for point in judged if point.prompts != self._setup.start]
        known += [mean_cost(costs.get(prompts_key(each.prompts), {}), examples) for each in finalists]
        if None not in known:
            return ""
        return (
            "what a run costs is not known of all prompts, as a cache answered or no usage was reported, so a cheaper "
            "one may be among them"
        )

    def compared_anew(self, prompts: Prompts) -> Chosen:
        """The claim for what a person has left of the chosen prompts; the user's own where it is no better.

        What was chosen from counts in the interval, as that was drawn from these.
        """
        setup, examples = self._setup, self._val_examples()
        if prompts == setup.start or not examples:
            return Chosen(prompts)
        scored, _ = self._scored([*self._candidates, prompts], examples)
        if all(each.prompts != prompts for each in scored):
            return Chosen(setup.start, uncompared="the budget did not pay for comparing what the review has left")
        chosen, comparison = selection.choose(scored, setup.settings.seed, wanted=prompts)
        return self._chosen(chosen or setup.start, comparison, examples)

    def _scored(self, candidates: Sequence[Prompts], examples: Sequence[int]) -> tuple[list[Scored], DLPOError | None]:
        """The user's prompts and candidates on held-out examples, and what failed for good: that ends the run."""
        setup, runs, failures = self._setup, self._held_out, list[DLPOError]()
        held_out = {x: setup.data.val[x] for x in examples}
        callbacks = EvaluateCallbacks(setup.program, held_out, runs, setup.settings.threads)
        scored = selection.compare(setup.start, candidates, runs, examples, failures.append, callbacks)
        if failures:  # how the steps ended is in the log already: a later call selects anew
            self._run.ended, self._run.error = Ending(FAILURES[type(failures[0])], str(failures[0])), failures[0]
        return scored, failures[0] if failures else None

    def _chosen(self, prompts: Prompts, comparison: Comparison, examples: Sequence[int]) -> Chosen:
        start, runs = self._setup.start, self._held_out
        made = [(runs.rows(start, x), runs.rows(prompts, x)) for x in examples]
        return Chosen(prompts, comparison, pairs=[(a[0], b[0]) for a, b in made if a and b])

    def _val_examples(self) -> list[int]:
        """The held-out examples that the budget allows to compare on, drawn at random."""
        order = list(range(len(self._setup.data.val)))
        random.Random(f"{self._setup.settings.seed}/valset").shuffle(order)
        return sorted(order[: self._n_val])

    def _finalists(self) -> list[Prompts]:
        """The best prompts of the run, the first of them pruned."""
        run, start, plan = self._run, self._setup.start, self._log.state.plan
        account, for_val = run.runs.account, self._planned()
        # What an earlier process compared is part of this choice only if that had begun: where the user stopped that
        # process and steps went on, its finalists are not those of now.
        known = self._count_val(None if plan else start)
        account.reserve(max(0, for_val - known))
        if plan:  # it was settled: whatever else the budget pays for now, it is made from the log again
            account.heed(lambda: Ending(EndedBy.NOT_ENDED))
        prefer = self._setup.settings.judging.prefer
        chosen = selection.finalists(run, max(1, self._n_finalists), prefer)
        if chosen and self._setup.settings.prunes and run.has_enough and run.ended_for_good:
            shorter = selection.prune(run, chosen[0])
            chosen = [shorter, *(each for each in chosen[1:] if each != shorter)]
        account.heed(lambda: None)
        account.release()
        self._settle(plan, chosen, account)
        return [prompts for prompts in chosen if prompts != start][: max(1, self._n_finalists)]

    def _settle(self, plan: tuple[int, int] | None, chosen: Sequence[Prompts], account: Account) -> None:
        """Compare less where the resources other than program runs do not pay for what was planned."""
        if plan is not None:
            self._n_finalists, self._n_val = plan
            return
        runs = account.affordable() + sum(map(self._count_val, [self._setup.start, *chosen]))
        if runs < self._planned():
            share = (self._n_finalists + 1) * self._n_val / self._planned()
            found = selection.within(runs * share, len(self._setup.data.val), self._n_finalists)
            self._n_finalists, self._n_val = found
        if self._run.ended_for_good:
            self._log.add(SelectionPlanned(self._n_finalists, self._n_val))

    def _planned(self) -> int:
        """Runs on held-out examples that are planned."""
        return self._setup.settings.compared(self._n_finalists) * self._n_val

    def _count_val(self, prompts: Prompts | None) -> int:
        """How many runs on held-out examples were paid for: of some prompts, or of all."""
        return self._log.state.count_runs("val", None if prompts is None else prompts_key(prompts))
