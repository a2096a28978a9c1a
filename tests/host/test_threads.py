"""Parallel work: what is in flight when something fails has been paid for, so it is waited for and told of."""

import threading

import pytest

from dspy_dlpo.host.threads import in_threads


@pytest.mark.parametrize("threads", [2, 4])
def test_what_is_in_flight_as_a_result_is_refused_is_told_of_too(threads: int) -> None:
    all_run, told, begun = threading.Barrier(threads), [], []

    def work(item: int) -> int:
        begun.append(item)
        all_run.wait()  # all threads are in flight before the first of them ends
        return item

    def refused(index: int, result: int) -> None:
        told.append(index)
        if len(told) == 1:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        in_threads(work, range(3 * threads), threads, on_done=refused)
    assert sorted(told) == sorted(begun) == list(range(threads))


def test_one_by_one_nothing_more_is_begun_after_a_result_is_refused() -> None:
    begun: list[int] = []

    def refused(index: int, result: None) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        in_threads(begun.append, range(5), 1, on_done=refused)
    assert begun == [0]
