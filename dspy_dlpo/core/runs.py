"""Every real run of the program: made once, remembered, repeated where noise must be told from change."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from dspy_dlpo.core.acceptance import TOLERANCE
from dspy_dlpo.core.budget import Account, BudgetSpent, RunEnds
from dspy_dlpo.core.errors import MetricError, ModelError
from dspy_dlpo.core.events import What, run_key
from dspy_dlpo.core.history import Prompts, Scored, prompts_key
from dspy_dlpo.core.roles import Failure, Forward, Row, RunRequest
from dspy_dlpo.core.unscored import Unscored

# Prompts, and an example that they run on; and the same by the key of the prompts.
Pair = tuple[Prompts, int]
Key = tuple[str, int]


class RunCache:
    """The runs made so far on one set of examples.

    A run that the metric gave no score counts as the lowest where any prompts have a score on its example: so none wins
    by breaking the metric. Where none has, it is the metric or the label that is to blame, and the example is left out.

    Args:
        forward: Makes the runs of a wave.
        account: Pays for them, before they are made.
        wave: Runs between two decisions. Decisions read finished waves, so the number of threads changes nothing.
        which: What the examples are called in the log; what its records rest on is there from the beginning.
        width: Runs that go out together at most, where no decision stands between them, in whole waves; None for all.
        low: The lowest legal score; None for the lowest so far.
    """

    scores_sets = False  # whether only whole sets have a score, and examples contribute to it

    def __init__(
        self,
        forward: Forward,
        account: Account,
        wave: int = 8,
        which: str = "train",
        *,
        width: int | None = None,
        low: float | None = 0.0,
    ) -> None:
        self.account = account
        self.wave = wave
        self._width = None if width is None else max(1, width // wave) * wave
        self._forward = forward
        self._which = which
        self._rows: dict[Key, list[Row]] = {}
        self._scores: dict[Key, tuple[float, ...]] = {}
        self._unscored = Unscored(low)
        for prompts, example, row in account.log.state.rows(which, settled=True):
            self._restore(prompts, example, row)

    def failures(self) -> Counter[str]:
        """How many runs the program failed in, by the exception, and where if it is a mistake of its own code."""
        rows = [row for rows in self._rows.values() for row in rows if row.failure == Failure.PROGRAM]
        return Counter(row.mistake or row.error.partition(":")[0] for row in rows)

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def rows(self, prompts: Prompts, example: int) -> list[Row]:
        """The runs of prompts on an example, in order."""
        return self._rows.get((prompts_key(prompts), example), [])

    def scores(self, prompts: Prompts, example: int) -> tuple[float, ...]:
        """The scores of the runs that were not lost in transport, in order; then those that the metric owes."""
        return self._scored((prompts_key(prompts), example))

    def _scored(self, key: Key) -> tuple[float, ...]:
        return (*self._scores.get(key, ()), *self._unscored.counted(key))

    def is_unscored(self, prompts: Prompts, example: int) -> bool:
        """Whether prompts ran on an example, and the metric gave no score in any of the runs."""
        key = prompts_key(prompts), example
        return bool(self._unscored.count(key)) and key not in self._scores

    def has_score(self, prompts: Prompts, example: int) -> bool:
        """Whether prompts have a score on an example."""
        return bool(self.scores(prompts, example))

    @property
    def unscored(self) -> int:
        """Runs that the metric gave no score."""
        return self._unscored.total

    def means(self, prompts: Prompts, examples: Sequence[int]) -> dict[int, float]:
        """Mean score by example, for the examples that have run."""
        return {x: math.fsum(scores) / len(scores) for x, scores in self.all_scores(prompts, examples).items()}

    def all_scores(self, prompts: Prompts, examples: Sequence[int]) -> Mapping[int, tuple[float, ...]]:
        """The score of each run by example, for the examples that have run."""
        key = prompts_key(prompts)
        return {x: scores for x in examples if (scores := self._scored((key, x)))}

    def failing(self, prompts: Prompts, examples: Sequence[int], high: float | None) -> tuple[int, ...]:
        """Examples on which prompts are below the best score, the worst first; all that ran if it is unknown."""
        scores = self.means(prompts, examples)
        below = [x for x in scores if high is None or scores[x] < high - TOLERANCE]
        return tuple(sorted(below, key=lambda x: scores[x]))

    def changes(self, old: Prompts, new: Prompts, examples: Sequence[int]) -> dict[int, float]:
        """Signed changes of score by example, of the runs made so far; none where it is equal."""
        before, after = self.means(old, examples), self.means(new, examples)
        both = [x for x in examples if x in after and x in before]
        return {x: after[x] - before[x] for x in both if abs(after[x] - before[x]) > TOLERANCE}

    def net(self, old: Prompts, new: Prompts, examples: Sequence[int]) -> float:
        """The sum of these changes."""
        return math.fsum(self.changes(old, new, examples).values())

    def told(self, prompts: Prompts, examples: Sequence[int], among: Sequence[int]) -> list[Row]:
        """The runs of prompts on examples as critics are told of them, in order.

        Args:
            prompts: The prompts.
            examples: The examples.
            among: The set that they are part of.
        """
        return [row for x in examples for row in self.rows(prompts, x)]

    def scored(self, prompts: Prompts, examples: Sequence[int]) -> Scored:
        """Prompts with their scores on the examples that have run."""
        return Scored(prompts, self.means(prompts, examples))

    def unscored_sets(self, judged: Sequence[tuple[Prompts, Sequence[int]]] | None = None) -> int:
        """How many prompts have no score, where whole sets are scored.

        Args:
            judged: Prompts and the sets that they were judged on; None for all that were scored.
        """
        return 0

    def try_metric(self, prompts: Prompts, example: int) -> None:
        """Show early that the metric cannot work, where its first run has not shown it."""

    def ensure(self, requests: Sequence[Pair]) -> None:
        """Make the first run of each pair of prompts and example that has none, and try once more what was lost.

        Raises:
            BudgetSpent: When a wave cannot be paid for; the waves before it are kept.
            MetricError: When the metric has given no score too often.
        """
        pairs = _by_key(requests)
        for _ in range(2):
            self._make([pair for key, pair in pairs.items() if not self._answered(key)])

    def _answered(self, key: Key) -> int:
        """Runs that were not lost in transport: one that the metric cannot score is not paid for again."""
        return len(self._scores.get(key, ())) + self._unscored.count(key)

    def _restore(self, key: str, example: int, row: Row) -> None:
        """Take a run in that was made before, under the key of its prompts; it is not paid for again."""
        self._rows.setdefault((key, example), []).append(row)
        self._unscored.add(key, example, row)
        if row.score is None:
            return
        self._scores[key, example] = (*self._scores.get((key, example), ()), row.score)

    def _is_recorded(self, request: RunRequest) -> bool:
        """Whether a run was paid for by an earlier process, and will be answered at no cost."""
        return run_key(self._which, request) in self.account.log.state.open

    def _make(self, pairs: Sequence[Pair]) -> None:
        """Make runs, as many together as may be; of what cannot all be paid for, the first waves."""
        size = len(pairs) if self._width is None else self._width
        for start in range(0, len(pairs), max(1, size)):
            self._send(pairs[start : start + size])

    def _send(self, pairs: Sequence[Pair]) -> None:
        requests: list[RunRequest] = []
        ended: RunEnds | None = None
        sent = 0
        for start in range(0, len(pairs), self.wave):
            wave = [
                RunRequest(prompts, x, len(self.rows(prompts, x))) for prompts, x in pairs[start : start + self.wave]
            ]
            made = [each for each in wave if self._is_recorded(each)]
            try:
                if len(made) < len(wave):
                    self.account.check(sent + len(wave) - len(made))
            except RunEnds as end:
                # An earlier process may have made a part of this wave before its money ended: that counts here too.
                requests += made
                ended = end
                break
            requests += wave
            sent += len(wave) - len(made)
        rows = self._made(requests, sent) if requests else []
        for request, row in zip(requests, rows, strict=True):
            if row is not None:
                self._restore(prompts_key(request.prompts), request.example, row)
        self._unscored.check()
        missing = sum(row is None for row in rows)
        if missing:
            self.account.send(-missing)
            self.account.check()
            raise BudgetSpent
        if ended is not None:
            raise ended

    def _made(self, requests: Sequence[RunRequest], sent: int) -> Sequence[Row | None]:
        """Make runs; what a dead model or metric refused is not in flight any more."""
        state = self.account.log.state
        before = state.count(What.RUN)
        self.account.send(sent)
        try:
            return self._forward(requests)
        except (ModelError, MetricError):
            self.account.send(state.count(What.RUN) - before - sent)
            raise


def _by_key(pairs: Sequence[Pair]) -> dict[Key, Pair]:
    """The pairs, each once."""
    found: dict[Key, Pair] = {}
    last, key = None, ""
    for prompts, example in pairs:
        if prompts is not last:
            last, key = prompts, prompts_key(prompts)
        found[key, example] = prompts, example
    return found
