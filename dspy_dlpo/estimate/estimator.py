"""What a run will cost, before anything is spent: calls, tokens and money of both models, as ranges.

The upper end of the program runs is the budget, which is never exceeded. All else is estimated: the length of requests
is counted, the growth of prompts is bounded by the techniques, the length of answers is guessed from the labels, and
the number of steps that a budget pays for was measured on the simulated model. A few probe runs replace what is guessed
of the program by measurements.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.rates import Rate, rate_of
from dspy_dlpo.estimate.estimate import Estimate, ModelEstimate, Span
from dspy_dlpo.estimate.hidden_tokens import hidden_notes, image_tokens, thinking_tokens
from dspy_dlpo.host.adapters import PlainAdapter
from dspy_dlpo.host.answers import account_of_answers, expected_answers
from dspy_dlpo.host.async_parts import keep_on_loop
from dspy_dlpo.host.critic import FOR_WRITER, CritiqueModule
from dspy_dlpo.host.evidence import line_of, with_fields
from dspy_dlpo.host.failures import RIGHT
from dspy_dlpo.host.fitting import CHARACTERS_PER_TOKEN, LEAST_TOKENS, most_tokens
from dspy_dlpo.host.forms import WriteLines
from dspy_dlpo.host.loops import one_loop
from dspy_dlpo.host.meter import ModelMeter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import PLACES, explained
from dspy_dlpo.host.prices import Prices
from dspy_dlpo.host.program import call, copy_program, describe
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.solved import SolvedExamples
from dspy_dlpo.host.values import as_text
from dspy_dlpo.run.preflight import Preflight, word_limit
from dspy_dlpo.run.selection import planned_selection
from dspy_dlpo.run.settings import BATCH_SIZE, Data, RunSettings

# No end of a range is further from the other than this factor, but for tokens that no text shows.
WIDEST = 3.0
MOST_PROBES = 3
# Tokens of a word of instructions, the space included.
TOKENS_PER_WORD = 1.4
# A predictor's prompt is longer by so many words than the user's own, on average over a run of 300; with the fourth
# root of longer ones. A limit of words matters only where it is near: 400 and none made no difference to 200, and below
# 80 words prompts took 0.7 of the room that was left. Last, the ends of the range relative to the growth.
GROWTH, MOST_OF_ROOM, GROWTH_RANGE = 70, 0.7, (0.5, 2.0)
# Steps of a run: STEPS * runs ** 0.5, of at most so many runs an example. On 30 drawn worlds, at 300 and 600 runs, nine
# in ten runs made 0.8 to 1.7 times as many, whatever the number of examples; on the two simulated tasks 0.6 to 1.5.
STEPS, MOST_RUNS_PER_EXAMPLE = 0.36, 25
# A run uses nearly all of its budget, unless every example is right before; that takes so many runs an example.
NEARLY_ALL, RUNS_PER_EXAMPLE = 0.8, 6
# A field of which no example tells anything is taken to be so many tokens long: the answers of inner predictors.
UNKNOWN_FIELD = 40
# Modules that call their predictors as often as they need.
LOOPS = (dspy.ReAct, dspy.ReActV2, dspy.BestOfN, dspy.Refine)
# Characters in which the confusions of answers are told.
CONFUSED = 300
# Requests to the writer for each text gradient, as one reply in six is of no use and another form is tried then: 76 for
# 61 in simulated runs. A model that cannot answer in the first form takes more, until that is known.
REPLIES = 1.2
# Tokens that critic and writer answer.
CRITIQUE, EDITS = 100, 100


@dataclass(frozen=True)
class _Use:
    """What one run of the program asks of one predictor."""

    lm: Any
    calls: float
    tokens_in: float
    tokens_out: float
    images: Span = Span(0, 0)
    thinking: Span = Span(0, 0)


class Estimator:
    """Estimates what a run will cost.

    Args:
        settings: The optimizer's arguments.
        student: The program; not run unless probes are asked for, and not changed.
        data: Its examples.

    Raises:
        ValueError: If no language model is configured, or a price is needed and unknown.
        ProgramError: If the program has no instructions to optimize.
    """

    def __init__(self, settings: RunSettings, student: dspy.Module, data: Data) -> None:
        self._settings, self._student, self._data = settings, student, data
        self._preflight = Preflight(settings, student, data)
        self._prices = Prices(settings.budget.prices)
        self._task_model = settings.task_model or dspy.settings.lm

    def estimate(self, probes: int = 0) -> Estimate:
        """Estimate, after at most `probes` runs of the program.

        Raises:
            ValueError: If `probes` is not 0 to 3, or nothing but time limits the run and no probe tells how much of it
                a run takes.
        """
        if isinstance(probes, bool) or not isinstance(probes, int) or not 0 <= probes <= MOST_PROBES:
            raise ValueError(f"probe={probes!r} must be a whole number from 0 to {MOST_PROBES}. Pass such a number.")
        uses, seconds = self._probed(probes) if probes else (self._counted(), math.nan)
        runs = self._runs(uses, seconds)
        task = [self._task(use, runs) for use in _by_model(uses)]
        notes = [*map(_sentence, self._data.notes), *self._hidden(uses, probes), *([] if probes else self._warnings())]
        notes += [self._calls_of_f(runs.high)] if self._settings.scores_sets else []
        notes += [*self._preflight.without_room(), *self._preflight.unknown_rates()]
        models = (*task, self._prompt(runs.high))
        time_taken = self._time(models, runs, seconds)
        return Estimate(runs, models, min(probes, len(self._data.train)), tuple(notes), time_taken)

    def allowed(self) -> dict[str, float]:
        """How many runs of the program each limit of the budget pays for, if it paid for nothing else; by name."""
        return self._allowed(self._settings.budget, self._counted(), math.nan)

    def plain_runs(self, runs: int) -> tuple[ModelEstimate, ...]:
        """What each model is asked in so many runs of the program as it is."""
        found, made = [], Span(runs, runs)
        for use in _by_model(self._counted()):
            calls, tokens_in, tokens_out = (
                Span(0.8 * runs * each, 1.2 * runs * each) for each in (use.calls, use.tokens_in, use.tokens_out)
            )
            tokens_in, tokens_out = _more(tokens_in, made, use.images), _more(tokens_out, made, use.thinking)
            found.append(self._model("task", use.lm, calls, tokens_in, tokens_out))
        return tuple(found)

    # --- one run of the program ------------------------------------------------------------------------------------

    def _counted(self) -> list[_Use]:
        """What a run of the program asks, from the texts of its requests: each predictor is taken to be called once."""
        examples = [as_text(example) for example in self._data.train[:20]]
        uses = []
        for _, predictor in self._student.named_predictors():
            signature, lm = predictor.signature, predictor.lm or self._task_model
            inputs = {name: _typical(name, examples) for name in signature.input_fields}
            adapter = dspy.settings.adapter or dspy.ChatAdapter()
            tokens_in = _rendered(adapter, signature, list(predictor.demos), inputs)
            tokens_out = 5.0 + sum(
                6 + len(_typical(name, examples)) / CHARACTERS_PER_TOKEN for name in signature.output_fields
            )
            images = image_tokens(
                [*self._inputs(signature.input_fields), *([predictor.demos] if predictor.demos else [])]
            )
            thinking = thinking_tokens(lm, predictor.config) or Span(0, 0)
            uses.append(_Use(lm, 1.0, tokens_in, tokens_out, images, thinking))
        return uses

    def _probed(self, probes: int) -> tuple[list[_Use], float]:
        """What a run of the program asks, and how many seconds it takes, measured on a few examples."""
        program, meter, began = self._fresh_program(), ModelMeter(), time.monotonic()
        metric = MetricAdapter(self._settings.metric, None)
        general = {} if self._settings.task_model is None else {"lm": self._settings.task_model}
        examples = self._data.train[:probes]
        for example in examples:
            with one_loop(), meter.role("task", trace=None, **general) as scope:
                try:
                    prediction = call(program, example.inputs())
                    scope.note_usage(prediction)
                    metric(example, prediction)
                except Exception as error:  # noqa: BLE001 - whatever a user's program raises: told, not hidden
                    said = Redactor(self._preflight.models).error(error)
                    raise ValueError(f"The program failed on a probe: {type(error).__name__}: {said}") from None
        count, tallies = len(examples), meter.tallies()
        used = [(lm, tallies[str(i)]) for i, lm in enumerate(meter.models)]
        if any(tally.cache_hits or tally.unreported for _, tally in used):
            return self._counted(), math.nan  # a cache answered, or no tokens were told: nothing was measured
        uses = [_Use(lm, t.calls / count, t.input_tokens / count, t.output_tokens / count) for lm, t in used]
        return uses, (time.monotonic() - began) / count

    def _fresh_program(self) -> dspy.Module:
        """A copy of the program whose predictors ask past any cache."""
        program = copy_program(self._student)
        for _, predictor in program.named_predictors():
            predictor.config = {**predictor.config, "rollout_id": time.time_ns() % 2**31}
        keep_on_loop(program)
        return program

    def _inputs(self, names: Collection[str]) -> list[dict[str, Any]]:
        """Some fields of the first examples."""
        return [{name: value for name, value in example.items() if name in names} for example in self._data.train[:20]]

    def _hidden(self, uses: Sequence[_Use], probes: int) -> list[str]:
        """What is to be said of tokens that no text shows; probes measure those of the program."""
        measured = probes and all(use.thinking.high == use.images.high == 0 for use in uses)
        models = [] if measured else [use.lm for use in uses if use.thinking.high]
        if thinking_tokens(self._preflight.prompt_model):
            models.append(self._preflight.prompt_model)
        demos = [predictor.demos for _, predictor in self._student.named_predictors()]
        values = [] if measured else [*(example.inputs() for example in self._data.train[:20]), demos]
        return hidden_notes(list(dict.fromkeys(str(lm.model) for lm in models)), values)

    def _warnings(self) -> list[str]:
        """What counting cannot see; a metric that asks a model is one of them, and does not show."""
        loops = [name for name, module in self._student.named_sub_modules() if isinstance(module, LOOPS)]
        if not loops:
            return []
        return [f"{', '.join(loops)} may call a model many times in one run: pass probe=3 to count how often."]

    # --- the run ---------------------------------------------------------------------------------------------------

    def _runs(self, uses: Sequence[_Use], seconds: float) -> Span:
        """How many runs of the program the budget allows, and how many it will be at least."""
        high = min(self._allowed(self._settings.budget, uses, seconds).values(), default=math.inf)
        if not math.isfinite(high):
            raise ValueError(
                "Only the time is limited, and how long a run of the program takes is not known. Pass probe=3, or "
                "another limit."
            )
        high = max(1.0, math.floor(high))
        enough = RUNS_PER_EXAMPLE * len(self._data.train)
        return Span(math.floor(max(high / WIDEST, min(NEARLY_ALL * high, enough))), high)

    def _allowed(self, budget: Budget, uses: Sequence[_Use], seconds: float) -> dict[str, float]:
        """How many runs of the program each limit allows."""
        least = [(use.tokens_in + use.images.low, use.tokens_out + use.thinking.low) for use in uses]
        tokens = sum(map(sum, least))
        costs = [self._cost(use.lm, use.calls, *each) for use, each in zip(uses, least, strict=True)]
        each = {
            "metric_calls": 1.0,
            "lm_calls": sum(use.calls for use in uses),
            "tokens": tokens,
            "usd": math.nan if None in costs else math.fsum(cost or 0.0 for cost in costs),
            "seconds": self._seconds_a_run(uses, seconds),
        }
        return {name: limit / each[name] for name, limit in budget.limits.items() if each[name] > 0}

    def _seconds_a_run(self, uses: Sequence[_Use], seconds: float) -> float:
        """Seconds between the ends of two runs: as measured, and no less than the rates allow; NaN if neither says."""
        paced = [60 * rate.minutes(calls, tokens) for rate, calls, tokens in self._paced(uses)]
        return max((each for each in (seconds / self._settings.threads, *paced) if each == each), default=math.nan)

    def _paced(self, asked: Sequence[_Use]) -> list[tuple[Rate, float, float]]:
        """Each rate with the calls and tokens that are charged to it; models of one name share it."""
        by_name: dict[str, list[_Use]] = {}
        for use in asked:
            by_name.setdefault(str(getattr(use.lm, "model", "")), []).append(use)
        return [
            (rate, sum(use.calls for use in group), sum(use.tokens_in + use.tokens_out for use in group))
            for name, group in by_name.items()
            if (rate := rate_of(self._settings.rates, name)) is not None
        ]

    def _time(self, models: Sequence[ModelEstimate], runs: Span, seconds: float) -> Span | None:
        """Seconds that the run takes where rates slow it: each end as if all calls of that end waited for them."""
        if not self._settings.rates:
            return None
        ends = []
        for end in ("low", "high"):
            asked = [
                _Use(each, *(getattr(span, end) for span in (each.calls, each.input_tokens, each.output_tokens)))
                for each in models
            ]
            measured = 0.0 if math.isnan(seconds) else getattr(runs, end) * seconds / self._settings.threads
            ends.append(max([measured, *(60 * rate.minutes(*used) for rate, *used in self._paced(asked))]))
        return Span(*ends)

    def _task(self, use: _Use, runs: Span) -> ModelEstimate:
        grown = [self._growth(runs.high, share) * use.calls for share in GROWTH_RANGE]
        tokens_in = _narrow(runs.low * (use.tokens_in + grown[0]), runs.high * (use.tokens_in + grown[1]))
        tokens_out = _narrow(0.8 * runs.low * use.tokens_out, 1.2 * runs.high * use.tokens_out)
        calls = _narrow(runs.low * use.calls, runs.high * use.calls)
        return self._model(
            "task", use.lm, calls, _more(tokens_in, runs, use.images), _more(tokens_out, runs, use.thinking)
        )

    def _growth(self, runs: float, share: float = 1.0) -> float:
        """Tokens by which instructions grow on average over a run, and over all predictors."""
        found = word_limit(self._settings.techniques)
        limit = math.inf if found is None else found
        words = share * GROWTH * (runs / 300) ** 0.25
        prompts, editable = self._preflight.prompts, self._preflight.predictors
        grown = [min(words, MOST_OF_ROOM * max(0, limit - self._preflight.own_words(name))) for name in editable]
        return TOKENS_PER_WORD * float(sum(grown)) / len(prompts)

    @property
    def _gradients(self) -> int:
        return self._settings.n_gradients(len(self._preflight.predictors))

    @property
    def _asks_critic(self) -> bool:
        return self._settings.asks_critic(len(self._preflight.predictors))

    def _prompt(self, runs: float) -> ModelEstimate:
        """What is asked for each predictor and gradient: the writer, again if a reply is of no use; a critic if any."""
        n = len(self._data.train)
        steps = max(1.0, STEPS * math.sqrt(min(runs, MOST_RUNS_PER_EXAMPLE * n)))
        critic, writer = self._asked(runs)
        low, high = steps / math.sqrt(WIDEST), steps * math.sqrt(WIDEST)
        updated = len(self._preflight.predictors) if self._settings.update == "all" else 1  # in a step
        critics, parts = int(self._asks_critic), self._gradients * updated
        read, written = parts * (critics * critic + REPLIES * writer), parts * (critics * CRITIQUE + REPLIES * EDITS)
        asked = parts * (critics + REPLIES)
        tokens_in, tokens_out = Span(low * read, high * read), Span(low * written, high * written)
        calls, model = Span(asked * low, asked * high), self._preflight.prompt_model
        tokens_out = _more(tokens_out, calls, thinking_tokens(model) or Span(0, 0))
        return self._model("prompt", model, calls, tokens_in, tokens_out)

    def _calls_of_f(self, runs: float) -> str:
        """How often a `CorpusMetric` is called, at most about: n + 1 times for each set, and for the interval."""
        n, metric = len(self._data.train), self._settings.metric
        finalists, held_out = planned_selection(self._settings, self._data)
        compared = self._settings.compared(finalists) if held_out else 0
        sets, chosen = runs / n, compared * (metric.resamples + held_out + 1)  # type: ignore[attr-defined]
        return (
            f"The f of the CorpusMetric asks no model and is called about {Span(sets * (n + 1), sets * 2 * (n + 1))} "
            f"times to judge and {Span(chosen, chosen)} to select: with 1 ms a call that is "
            f"{(sets * 2 * (n + 1) + chosen) / 1000:.0f} s at most."
        )

    def _asked(self, runs: float) -> tuple[float, float]:
        """Tokens of a typical request to the critic, and to the writer."""
        batch = math.ceil((self._settings.batch_size or min(BATCH_SIZE, len(self._data.train))) / self._gradients)
        example = max((_shown(example) for example in self._data.train[:20]), key=len)
        name, prompt = max(self._preflight.prompts.items(), key=lambda item: len(item[1]))
        prompt += " word" * int(self._growth(runs) / TOKENS_PER_WORD)
        aim = {} if self._settings.aim is None else self._settings.aim.texts
        critic = {"program": "", "module": "", "current_instructions": prompt, "failures": example * batch, **aim}
        labels = [as_text(each.labels()) for each in self._data.train]
        expected = expected_answers(labels)
        solved = SolvedExamples(self._student, self._data.train, labels, expected)("")
        more = {"solved": "\n".join(map(line_of, solved))} if solved else {"successes": example * RIGHT}
        if expected:
            more["answers"] = account_of_answers(expected, []) + " " * CONFUSED
        if len(self._preflight.predictors) > 1 and not self._asks_critic:
            more["around"] = describe(self._student)
        said = CRITIQUE if self._asks_critic else 0
        words = "x" * (said + 150) * CHARACTERS_PER_TOKEN  # the critique, the advice of the techniques, the limits
        writer = {"module": "", "purpose": "", "current_instructions": prompt, "advice": words, "limits": "", **aim}
        if about := explained(self._student, self._settings.parameters):  # each heading is a line of the limits, too
            headings = "".join(rule.text for rule in self._preflight.freezing(name))
            writer |= {"module": about + PLACES, "limits": headings}
            critic["program"] = about
        seen = {"failures": example * (min(FOR_WRITER, batch) if said else batch)}
        bound = most_tokens(self._preflight.prompt_model)
        marks = dspy.ChatAdapter(use_json_adapter_fallback=False)
        asked_in = ((marks, CritiqueModule, critic), (PlainAdapter(), WriteLines, {**writer, **seen}))
        requests = [
            (adapter, with_fields(signature, (*aim, *more)), {**inputs, **more})
            for adapter, signature, inputs in asked_in
        ]
        # Examples are left out of requests that would be longer, instructions are not.
        least = [
            _rendered(adapter, asked, [], {**inputs, **dict.fromkeys(("failures", *more), "")}) + LEAST_TOKENS
            for adapter, asked, inputs in requests
        ]
        most = [_rendered(adapter, asked, [], inputs) for adapter, asked, inputs in requests]
        found = [min(high, max(bound, low)) for low, high in zip(least, most, strict=True)]
        return found[0], found[1]

    def _model(self, role: str, lm: Any, calls: Span, tokens_in: Span, tokens_out: Span) -> ModelEstimate:
        costs = [
            self._cost(lm, getattr(calls, end), getattr(tokens_in, end), getattr(tokens_out, end))
            for end in ("low", "high")
        ]
        usd = None if costs[0] is None or costs[1] is None else Span(costs[0], costs[1])
        name = str(getattr(lm, "model", "unknown"))
        return ModelEstimate(role, name, _whole(calls), _whole(tokens_in), _whole(tokens_out), usd)

    def _cost(self, lm: Any, calls: float, tokens_in: float, tokens_out: float) -> float | None:
        """US dollars of so many calls, priced as calls of average length."""
        count = max(1.0, calls)
        usage = {"prompt_tokens": round(tokens_in / count), "completion_tokens": round(tokens_out / count)}
        each = self._prices.cost(lm, usage)
        return None if each is None else each * calls


def _by_model(uses: Sequence[_Use]) -> list[_Use]:
    """Uses of the same model together."""
    by_model: dict[int, list[_Use]] = {}
    for use in uses:
        by_model.setdefault(id(use.lm), []).append(use)
    return [
        _Use(
            group[0].lm,
            sum(use.calls for use in group),
            sum(use.tokens_in for use in group),
            sum(use.tokens_out for use in group),
            Span(sum(use.images.low for use in group), sum(use.images.high for use in group)),
            Span(sum(use.thinking.low for use in group), sum(use.thinking.high for use in group)),
        )
        for group in by_model.values()
    ]


def _rendered(adapter: Any, signature: Any, demos: list[Any], inputs: Mapping[str, str]) -> float:
    """Tokens of a request as the adapter writes it."""
    try:
        messages = adapter.format(signature, demos, dict(inputs))
    except Exception:  # noqa: BLE001 - an adapter of the user's own may want inputs of certain types
        return (len(signature.instructions) + sum(map(len, inputs.values()))) / CHARACTERS_PER_TOKEN + 100
    return sum(_length(message.get("content")) for message in messages) / CHARACTERS_PER_TOKEN


def _length(content: Any) -> int:
    """Characters of a message; of what is no text none, as an image is not paid for by the length of its code."""
    if isinstance(content, list):
        return sum(len(str(part.get("text") or "")) for part in content if isinstance(part, Mapping))
    return len(str(content or ""))


def _typical(name: str, examples: Sequence[Mapping[str, str]]) -> str:
    """Text as long as a field is on average in the examples; of a guessed length where they do not have it."""
    found = [len(example[name]) for example in examples if name in example]
    return "x" * int(sum(found) / len(found) if found else UNKNOWN_FIELD * CHARACTERS_PER_TOKEN)


def _shown(example: dspy.Example) -> str:
    """An example as long as the critic sees it: inputs, labels, outputs, and the labels of the lines."""
    labels = " ".join(as_text(example.labels()).values())
    return " ".join([*as_text(example.inputs()).values(), labels, labels, " " * 60])


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def _more(tokens: Span, calls: Span, each: Span) -> Span:
    """Tokens, and so many more for each call."""
    return Span(tokens.low + calls.low * each.low, tokens.high + calls.high * each.high)


def _whole(span: Span) -> Span:
    return Span(math.ceil(span.low), max(math.ceil(span.low), math.floor(span.high)))


def _narrow(low: float, high: float) -> Span:
    """A range no wider than `WIDEST`, with the same upper end."""
    return Span(max(low, high / WIDEST), high)
