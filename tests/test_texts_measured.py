"""What texts beside instructions bring on two scripted tasks: ``python -m evaluations.texts`` measures ten seeds."""

import pytest

from evaluations.texts import TASKS, measured


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_hangs_on_such_texts_is_learned_with_them_and_only_in_part_without(name) -> None:
    start, without = measured(name, ("instructions",), seed=0, runs=300)
    again, with_them = measured(name, TASKS[name].kinds, seed=0, runs=300)
    assert start == again
    assert start < without < with_them
