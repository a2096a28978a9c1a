import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import dspy
import pytest
from dspy.lm15 import RateLimitError
from dspy.utils.usage_tracker import UsageTracker
from scripted import fields, scripted_lm

from dspy_dlpo.host.meter import Meter, ModelMeter
from dspy_dlpo.host.prices import Prices, tokens_of


@pytest.mark.parametrize("disable_history", [False, True])
def test_calls_and_tokens_are_exact_under_many_threads(disable_history):
    meter, lm = Meter(), scripted_lm(lambda system, user: fields(answer="x"))
    predict = dspy.Predict("question -> answer")

    def call(i):
        with meter.role("task" if i % 3 else "critic", lm=lm, disable_history=disable_history):
            predict(question=str(i))

    with ThreadPoolExecutor(32) as pool:
        for future in [pool.submit(copy_context().run, call, i) for i in range(90)]:
            future.result()
    totals = meter.totals()
    counts = {"calls": 60, "cache_hits": 0, "failures": 0, "input_tokens": 600, "output_tokens": 120}
    assert totals["task"] == {**counts, "usd": None}
    assert totals["critic"]["calls"] == 30


def test_failures_are_counted_apart():
    def fail(system, user):
        raise RateLimitError("busy")

    meter = Meter()
    with meter.role("task", lm=scripted_lm(fail)), pytest.raises(dspy.utils.exceptions.LMRateLimitError):
        dspy.Predict("question -> answer")(question="q")
    assert meter.totals()["task"]["failures"] == 1
    assert meter.totals()["task"]["cache_hits"] == 0


def test_the_users_own_callbacks_stay():
    seen = []

    class Mine(dspy.utils.callback.BaseCallback):
        def on_lm_start(self, call_id, instance, inputs):
            seen.append(call_id)

    lm = scripted_lm(lambda system, user: fields(answer="x"))
    with dspy.context(callbacks=[Mine()]), Meter().role("task", lm=lm):
        dspy.Predict("question -> answer")(question="q")
    assert len(seen) == 1


@pytest.mark.few(3)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("disable_history", [False, True])
@pytest.mark.parametrize("kind", ["native", "litellm", "custom"])
def test_calls_tokens_and_cache_hits_are_exact_for_every_kind_of_engine(kind, disable_history, address, tmp_path):
    model = f"openai/gpt-4o-mini-{kind}-{disable_history}"
    lm = {
        "native": lambda: dspy.LM(model, api_base=address, api_key="none", engine="lm15"),
        "litellm": lambda: dspy.LM(model, api_base=address, api_key="none", engine="litellm"),
        "custom": lambda: scripted_lm(lambda system, user: fields(answer="x"), name=model).copy(cache=True),
    }[kind]()
    before = dspy.cache
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    meter, predict = Meter(Prices({model: (1.0, 2.0)})), dspy.Predict("question -> answer")

    def call(i):
        with meter.role("task", lm=lm, disable_history=disable_history):
            predict(question=f"I have {i} cars. How many objects do I have?")

    try:
        with ThreadPoolExecutor(32) as pool:
            for _ in range(2):  # the second time the cache answers
                for future in [pool.submit(copy_context().run, call, i) for i in range(40)]:
                    future.result()
    finally:
        dspy.cache = before
    totals = meter.totals()["task"]
    assert (totals["calls"], totals["cache_hits"], totals["failures"]) == (80, 40, 0)
    if kind == "custom":
        assert (totals["input_tokens"], totals["output_tokens"]) == (400, 80)
    assert totals["input_tokens"] > 40
    assert totals["usd"] == pytest.approx((totals["input_tokens"] + 2 * totals["output_tokens"]) / 1e6)


def test_what_one_piece_of_work_spends_is_told_apart():
    meter, lm = Meter(), scripted_lm(lambda system, user: fields(answer="x"))
    with meter.role("task", lm=lm) as first:
        dspy.Predict("question -> answer")(question="a")
    with meter.role("task", lm=lm) as second:
        for question in "bc":
            dspy.Predict("question -> answer")(question=question)
    assert (first.tally.calls, second.tally.calls) == (1, 2)
    assert meter.total().calls == 3


def test_calls_of_dspys_own_threads_are_charged_to_the_work_that_started_them():
    meter, lm = Meter(), scripted_lm(lambda system, user: fields(answer="x"))
    predict = dspy.Predict("question -> answer")
    with meter.role("task", lm=lm) as spent:
        dspy.Parallel(num_threads=8, disable_progress_bar=True)([(predict, {"question": str(i)}) for i in range(20)])
    assert (spent.tally.calls, spent.tally.input_tokens) == (20, 200)


def test_a_program_with_a_usage_tracker_of_its_own_is_counted_too():
    meter, lm = Meter(), scripted_lm(lambda system, user: fields(answer="x"))
    with meter.role("task", lm=lm):
        for i in range(3):
            with dspy.track_usage() as tracker:
                dspy.Predict("question -> answer")(question=str(i))
            assert tracker.get_total_tokens()["scripted/one"]["prompt_tokens"] == 10
    totals = meter.totals()["task"]
    assert (totals["calls"], totals["cache_hits"], totals["input_tokens"]) == (3, 0, 30)


class Forwarding(UsageTracker):
    """One of a program's own that tells the tracker around it too."""

    def __init__(self, around):
        super().__init__()
        self.around = around

    def add_usage(self, lm_name, usage_entry):
        super().add_usage(lm_name, usage_entry)
        self.around.add_usage(lm_name, usage_entry)


def test_usage_that_a_tracker_passes_on_itself_is_counted_once():
    meter, lm = Meter(), scripted_lm(lambda system, user: fields(answer="x"))
    with meter.role("task", lm=lm):
        for i in range(3):
            with dspy.context(usage_tracker=Forwarding(dspy.settings.usage_tracker)):
                dspy.Predict("question -> answer")(question=str(i))
    totals = meter.totals()["task"]
    assert (totals["calls"], totals["input_tokens"]) == (3, 30)


def test_a_program_that_takes_callbacks_away_is_counted_by_its_usage():
    meter, lm = Meter(Prices({"scripted/one": (1e6, 0.0)})), scripted_lm(lambda system, user: fields(answer="x"))
    with meter.role("task", lm=lm), dspy.context(callbacks=[]):
        for i in range(3):
            dspy.Predict("question -> answer")(question=str(i))
    totals = meter.totals()["task"]
    assert (totals["calls"], totals["cache_hits"], totals["input_tokens"], totals["usd"]) == (3, 0, 30, 30.0)


def test_usage_that_is_not_reported_is_unknown_not_0():
    meter = Meter()
    meter.add_usage("some/model", {})
    assert meter.total().unreported == 1
    assert meter.totals()["other"]["usd"] is None
    assert tokens_of({"prompt_tokens": 3}) is None


def test_models_are_counted_apart():
    one, two = (scripted_lm(lambda system, user: fields(answer="x"), name=f"scripted/{i}") for i in (1, 2))
    meter = ModelMeter()
    for lm in (one, two, one):
        with meter.role("task", lm=lm):
            dspy.Predict("question -> answer")(question="q")
    assert meter.models == [one, two]
    assert [meter.tallies()[str(i)].calls for i in (0, 1)] == [2, 1]


# --- prices ---


def test_a_price_of_dspys_own_is_that_of_its_history():
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "prompt_tokens_details": {"cached_tokens": 200}}
    cost = Prices().cost(dspy.LM("openai/gpt-4o-mini"), usage)
    assert 0.0001 < cost < 0.001
    uncached = Prices().cost(dspy.LM("openai/gpt-4o-mini"), {**usage, "prompt_tokens_details": None})
    assert cost < uncached, "cached tokens are cheaper"


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "openai/gpt-4o"])
def test_known_models_have_a_price(model):
    assert Prices().cost(dspy.LM(model), {"prompt_tokens": 1000, "completion_tokens": 1000}) > 0


def test_your_own_price_goes_before_all_others():
    prices = Prices({"openai/gpt-4o": (10.0, 20.0)})
    assert prices.cost(dspy.LM("openai/gpt-4o"), {"prompt_tokens": 100, "completion_tokens": 10}) == 1.2e-3


def test_a_custom_engine_has_no_price_even_under_a_known_name():
    lm = scripted_lm(lambda system, user: "", name="openai/gpt-4o")
    assert Prices().cost(lm, {"prompt_tokens": 100, "completion_tokens": 10}) is None


def test_prices_import_litellm_only_where_dspy_has_none():
    script = """
import sys, dspy, dspy_dlpo
from dspy_dlpo.host.prices import Prices
usage = {"prompt_tokens": 10, "completion_tokens": 10}
Prices().cost(dspy.LM("openai/gpt-4o-mini"), usage)
print("litellm" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning")
def test_litellm_gives_the_price_where_dspy_has_none():
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000}
    assert Prices().cost(dspy.LM("mistral/mistral-large-latest"), usage) > 0
    assert Prices().cost(dspy.LM("nobody/knows"), usage) is None
