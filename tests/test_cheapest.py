"""Score against money: told where it is known, chosen by where that is asked for, and the same after a crash."""

import json
from dataclasses import replace

import dspy
import pytest
from dspy.lm15 import Usage
from event_logs import cut, events, places
from scripted import ScriptedEngine, fields, given

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter, EditJudge, ResumeError

# US dollars for a million tokens in and out: what is answered costs, and what is asked costs next to nothing.
PRICES = (0.001, 10.0)
SHORT, LONG = "Say yes.", "Say yes once and nothing else, whatever is asked of you."


class Billed(ScriptedEngine):
    """A token for every word."""

    def complete(self, request):
        response = super().complete(request)
        system, user = self.asked[-1]
        asked, said = (system + user).split(), (response.message.text or "").split()
        return replace(response, usage=Usage(input_tokens=len(asked), output_tokens=len(said)))


class World:
    """The short rule has the program answer at length, and so each run costs more than under the long one."""

    def __init__(self):
        self.rules = iter([SHORT, LONG])

    def __call__(self, system, user):
        if "[[ ## question ## ]]" not in user:
            return f"ADD: {next(self.rules, 'Be brief.')}\nCRITIQUE: The answers are wrong."
        number, said = int(given(user, "question")), "no"
        if SHORT in system or LONG in system:
            said = "no" if number % 10 == 0 else "yes"
        return fields(answer=" ".join([said] * (1 if LONG in system else 50)))


def compiled(cache=False, prices=PRICES, prefer="cheapest", **settings):
    """The result of a run whose writer proposes the short rule, then the long one."""
    lm = dspy.LM("scripted/billed", engine=Billed(World()), cache=cache, num_retries=0)
    examples = [dspy.Example(question=str(i)).with_inputs("question") for i in range(80)]
    budget = Budget(metric_calls=300, prices={} if prices is None else {lm.model: prices})
    optimizer = DLPOTeleprompter(
        lambda gold, pred, trace=None: pred.answer.startswith("yes"),
        task_model=lm,
        prompt_model=lm,
        budget=budget,
        judging=EditJudge(prefer=prefer),
        gradients=1,
        num_threads=1,
        verbose=False,
        **settings,
    )
    student = dspy.Predict(dspy.Signature("question -> answer", "Be kind."))
    return optimizer.compile(student, trainset=examples[:40], valset=examples[40:]).detailed_results


def test_a_short_prompt_may_be_dear_and_a_long_one_cheap(tmp_path):
    best, found = compiled(prefer="best"), compiled(log_dir=tmp_path)
    assert LONG not in best.best_prompts["self"], "of equal ones the shortest"
    assert LONG in found.best_prompts["self"]
    assert found.comparison.difference == best.comparison.difference
    assert "not known" not in found.verdict
    [short], [cheap] = found.front, found.cost_front
    assert short.score == cheap.score
    assert short.words < 5 < cheap.words
    assert (short.usd, cheap.usd) == (pytest.approx(6e-4, rel=0.01), pytest.approx(1.1e-4, rel=0.01))
    assert best.cost_front[0].usd == pytest.approx(cheap.usd, rel=0.01), "told whatever is preferred"
    again = DLPOResult.load(tmp_path)
    assert (again.front, again.cost_front) == (found.front, found.cost_front)
    (tmp_path / "result.json").unlink()
    assert DLPOResult.load(tmp_path).cost_front == found.cost_front, "of a run that has not ended, too"


@pytest.mark.few(1)
@pytest.mark.parametrize("after", ["StepsEnded", "SelectionPlanned", "RunDone"])
def test_a_run_that_was_killed_chooses_the_same(after, tmp_path):
    whole = compiled(log_dir=tmp_path / "whole")
    again = compiled(log_dir=cut(tmp_path / "whole", tmp_path / "cut", places(tmp_path / "whole", after)[-1] + 1))
    assert again.best_prompts == whole.best_prompts
    assert again.run_usd == whole.run_usd


def test_what_a_cache_answers_is_not_free(tmp_path):
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    try:
        first, second = (compiled(cache=True, log_dir=tmp_path / name) for name in "ab")
    finally:
        dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    assert LONG in first.best_prompts["self"]
    assert second.spent["task"]["cache_hits"] > 200, "all but one finalist, who was none before"
    assert LONG not in second.best_prompts["self"], "the best, as it is not known what it costs"
    assert "what a run costs is not known of all prompts, as a cache answered" in second.verdict
    assert (second.run_usd, second.cost_front) == ({}, ())
    assert [each.usd for each in second.front] == [None]


def test_a_price_must_be_known_before_anything_is_spent():
    with pytest.raises(ValueError, match=r"the price of 'scripted/billed' is unknown. Pass Budget\(..., prices="):
        compiled(prices=None)
    assert compiled(prices=None, prefer="best").cost_front == ()


def test_prices_are_those_of_the_start(tmp_path):
    compiled(log_dir=tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["prices"] == {"scripted/billed": list(PRICES)}
    with pytest.raises(
        ResumeError, match=r"prices.scripted/billed was \[0.001, 10.0\], now \[0.001, 20.0\]. Pass Budget"
    ):
        compiled(log_dir=tmp_path, prices=(0.001, 20.0))
    compiled(log_dir=tmp_path)


def test_a_run_that_does_not_choose_by_prices_goes_on_under_others(tmp_path):
    first = compiled(log_dir=tmp_path, prefer="best")
    assert "prices" not in json.loads((tmp_path / "run.json").read_text())
    again = compiled(log_dir=tmp_path, prefer="best", prices=(0.001, 20.0))
    assert again.run_usd == first.run_usd, "what was paid stays what was paid"
    assert not events(tmp_path, "BudgetRaised")
