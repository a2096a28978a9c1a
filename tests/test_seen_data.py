"""No gain is claimed on examples that were learned from."""

import dspy
import pytest

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge
from dspy_dlpo.run.examples import input_keys
from dspy_dlpo.run.settings import check_data
from dspy_dlpo.simulation import simulated_lm, simulated_task

TASK = simulated_task("object_counting", n_train=40, n_val=20)


def right(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


def divided(trainset, valset=None, **judging):
    settings = DLPOTeleprompter(right, **({"judging": EditJudge(**judging)} if judging else {})).settings
    return check_data(settings, trainset, valset)


def again(example, **changes):
    return dspy.Example(**{**dict(example.items()), **changes}).with_inputs("question")


def pictured(number):
    picture = dspy.Image(f"data:image/png;base64,AAAA{number}")
    return dspy.Example(picture=picture, answer="a").with_inputs("picture")


def test_valset_examples_that_are_learned_from_are_left_out_whatever_their_labels():
    valset = [*TASK.valset, *(again(each, answer="another") for each in TASK.trainset[:3])]
    data = divided(TASK.trainset, valset)
    assert data.val == list(TASK.valset)
    assert data.train == list(TASK.trainset)
    assert data.notes == (
        "3 of the 23 valset examples have inputs that are in the trainset too; the comparison leaves them out",
    )
    assert divided(TASK.trainset, TASK.valset).notes == ()


def test_inputs_are_compared_by_content():
    data = divided([pictured(i) for i in range(4)], [pictured(i) for i in range(3, 9)])
    assert len(data.val) == 5
    assert len(set(input_keys([pictured(i) for i in range(9)]))) == 9


def test_copies_stay_on_one_side_of_a_split():
    trainset = [again(each) for each in TASK.trainset for _ in range(3)]
    data = divided(trainset)
    assert not {each.question for each in data.train} & {each.question for each in data.val}
    assert len(data.train) + 3 * len(data.val) == len(trainset)
    assert 50 <= 3 * len(data.val) <= 60, "each is compared once"
    assert data.notes == (
        "80 of the 120 trainset examples repeat the inputs of another; those with the same inputs are on one side of "
        "what is held out",
    )


def test_copies_in_a_valset_are_compared_once():
    data = divided(TASK.trainset, [again(each) for each in TASK.valset for _ in range(3)])
    assert [each.question for each in data.val] == [each.question for each in TASK.valset]
    assert data.notes == ("40 of the valset examples repeat another; the comparison counts each once",)


def test_copies_of_one_example_leave_nothing_to_hold_out():
    data = divided([again(TASK.trainset[0])] * 10)
    assert (len(data.train), data.val, data.where) == (10, [], "")
    assert "nothing is held out" in data.notes[0]


def test_copies_that_are_not_split_are_no_ones_business():
    assert divided([again(TASK.trainset[0])] * 10, TASK.valset).notes == ()
    assert divided([again(TASK.trainset[0])] * 10, holdout=0).notes == ()


def test_examples_without_inputs_are_not_all_the_same():
    assert len(divided([dspy.Example(answer=str(i)).with_inputs() for i in range(10)]).val) == 5


def test_a_trainset_that_is_also_the_valset_runs_and_claims_nothing(caplog):
    lm = simulated_lm(0)
    optimizer = DLPOTeleprompter(right, budget=Budget(200), task_model=lm, prompt_model=lm)
    better = optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.trainset)
    result = better.detailed_results
    assert result.comparison.start is None
    assert result.comparison.examples == 0
    assert "nothing is held out, as the inputs of all 40 valset examples are in the trainset too" in caplog.text
    assert "reliable" not in result.verdict
    assert result.best_prompts != result.start_prompts, "it learns all the same"


def test_only_what_is_left_is_compared_on(caplog):
    lm = simulated_lm(0)
    optimizer = DLPOTeleprompter(right, budget=Budget(200), task_model=lm, prompt_model=lm)
    valset = [*TASK.trainset[:5], *TASK.valset]
    result = optimizer.compile(TASK.program, trainset=TASK.trainset, valset=valset).detailed_results
    assert result.comparison.examples <= 20
    assert "5 of the 25 valset examples have inputs that are in the trainset too" in caplog.text


@pytest.mark.parametrize("seed", range(3))
def test_without_copies_the_split_is_as_it_was(seed):
    import random

    order = list(range(40))
    random.Random(f"{seed}/holdout").shuffle(order)
    held = sorted(order[:20])
    settings = DLPOTeleprompter(right, seed=seed, judging=EditJudge(holdout=0.5)).settings
    assert check_data(settings, TASK.trainset, None).val == [TASK.trainset[i] for i in held]
