"""Stages that overlap keep order, bounds and errors."""

import threading
import time

import pytest

from amt_perception.infer.ahead import ahead, ahead_of


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers):
    def slow_at_first(number):
        time.sleep(0.02 if number < 3 else 0.0)
        return number**2

    assert list(ahead(slow_at_first, range(12), workers)) == [n**2 for n in range(12)]
    assert list(ahead(abs, [], workers)) == []


def test_only_a_few_results_wait():
    begun = []
    results = ahead(begun.append, range(100), 2)
    next(results)
    time.sleep(0.05)
    assert len(begun) == 3
    results.close()
    assert len(begun) == 3


def test_an_error_comes_after_the_results_before_it():
    def fail_at_three(number):
        if number == 3:
            raise ValueError("three")
        return number

    def items():
        yield from range(3)
        raise KeyError("the source broke")

    for results, error in (
        (ahead(fail_at_three, range(9), 2), ValueError),
        (ahead_of(items()), KeyError),
    ):
        seen = []
        with pytest.raises(error):
            for number in results:
                seen.append(number)
        assert seen == [0, 1, 2]


def test_items_are_fetched_in_another_thread_while_one_is_in_use():
    fetched_by = []

    def items():
        for number in range(4):
            fetched_by.append(threading.get_ident())
            yield number

    results = ahead_of(items())
    assert next(results) == 0
    time.sleep(0.05)
    assert len(fetched_by) >= 2
    assert list(results) == [1, 2, 3]
    assert len(set(fetched_by)) == 1 and threading.get_ident() not in fetched_by
