"""A watched predictor tells of its calls by itself, and is else what it was."""

import asyncio
import copy
import inspect

import cloudpickle
import dspy
import pytest
from dspy.utils.exceptions import AdapterParseError, LMTransportError
from scripted import fields, scripted_lm

from dspy_dlpo.core.roles import RunRequest
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import EvaluationCopies
from dspy_dlpo.host.tracing import Trace, is_watched, watch

ADAPTER = dspy.ChatAdapter(use_json_adapter_fallback=False)


def watched(on_call=lambda predictor: None):
    predictor = dspy.Predict("question -> answer")
    assert watch(predictor, on_call)
    return predictor


def test_it_looks_like_what_it_was():
    predictor, plain = watched(), dspy.Predict("question -> answer")
    assert is_watched(predictor)
    assert not is_watched(plain)
    assert isinstance(predictor, dspy.Predict)
    assert repr(predictor) == repr(plain)
    assert type(predictor).__module__ == type(plain).__module__
    assert inspect.getsource(type(predictor)) == inspect.getsource(dspy.Predict), "as `dspy.Refine` shows it to a model"
    assert predictor.dump_state() == plain.dump_state()
    assert [name for name, _ in predictor.named_predictors()] == ["self"]


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda each: each.deepcopy(), lambda each: cloudpickle.loads(cloudpickle.dumps(each))],
    ids=["copy", "deepcopy", "dspy", "pickle"],
)
def test_copies_of_it_are_not_watched(copied):
    predictor = watched()
    predictor.demos = [dspy.Example(question="1", answer="2")]
    other = copied(predictor)
    assert type(other) is dspy.Predict
    assert vars(other).keys() == vars(dspy.Predict("question -> answer")).keys()
    assert other.demos[0].answer == "2"
    assert is_watched(predictor)


class Failing(dspy.ChatAdapter):
    """Every call under it fails."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def __call__(self, *args, **kwargs):
        raise self.error

    async def acall(self, *args, **kwargs):
        raise self.error


PARSING = AdapterParseError("ChatAdapter", dspy.Signature("question -> answer"), "no field at all")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("error", [PARSING, LMTransportError("later")], ids=["unreadable", "transport"])
def test_it_tells_of_calls_and_leaves_those_that_failed_in_the_trace(error, is_async):
    told, trace = [], Trace()
    predictor = watched(told.append)
    with dspy.context(lm=scripted_lm(str), adapter=Failing(error), trace=trace), pytest.raises(type(error)):
        asyncio.run(predictor.acall(question="1")) if is_async else predictor(question="1")
    assert told == [predictor]
    seen = [(predictor, {"question": "1"}, {"unreadable reply": "no field at all"})]
    assert trace == (seen if error is PARSING else []), "what failed in transport says nothing of the instructions"


class Positional(dspy.Predict):
    """A predictor that may be called with its question alone."""

    def __call__(self, *args, **kwargs):
        return super().__call__(question=args[0]) if args else super().__call__(**kwargs)


class Again(dspy.Predict):
    """A predictor that makes another of its kind for each call."""

    def forward(self, **kwargs):
        made = type(self)(self.signature)
        made.lm = self.lm
        return dspy.Predict.forward(made, **kwargs)


def replaced(signature):
    """A predictor whose `forward` is an attribute of its own."""
    predictor = dspy.Predict(signature)
    predictor.forward = lambda **kwargs: dspy.Predict.forward(predictor, **kwargs)
    return predictor


@pytest.mark.parametrize("kind", [dspy.Predict, Positional, Again, replaced])
def test_predictors_of_any_class_run_and_their_failed_calls_are_seen(kind):
    def answer(system, user):
        return "no field at all" if "question 3" in user else fields(answer="yes")

    class One(dspy.Module):
        def __init__(self):
            super().__init__()
            self.answer = kind("question -> answer")

        def forward(self, question):
            return self.answer(question=question)

    examples = [dspy.Example(question=f"question {i}", answer="YES").with_inputs("question") for i in range(30)]
    meter, program, lm = Meter(), One(), scripted_lm(answer)
    copies = EvaluationCopies(program, listening=meter.listening)
    metric = MetricAdapter(lambda gold, pred, trace=None: float(pred.answer.upper() == gold.answer), (0, 1))
    evaluate = Evaluator(copies, examples, metric, meter, task_model=lm)
    with dspy.context(adapter=ADAPTER), meter.listening.attached([lm]):
        rows = [evaluate([RunRequest(read_prompts(program), i)])[0] for i in range(30)]
    assert [row.score for row in rows] == [float(i != 3) for i in range(30)]
    assert rows[3].trace[0].outputs == {"unreadable reply": "no field at all"}
    assert meter.totals()["task"]["calls"] == 30
    assert not is_watched(program.answer)
