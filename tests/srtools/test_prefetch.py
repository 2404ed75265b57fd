"""Prefetching: one item ahead, no more, and errors in order."""

import threading

import pytest

from srtools.prefetch import prefetch


def test_one_item_is_computed_while_another_is_used():
    """Each item waits for a sign from the user of the one before: no deadlock."""
    used = [threading.Event() for _ in range(7)]
    used[0].set()
    computed = []

    def items():
        for number in range(6):
            assert used[number].wait(timeout=60)
            computed.append(number)
            yield number

    for number in prefetch(items()):
        assert len(computed) <= number + 2
        used[number + 1].set()
    assert computed == [0, 1, 2, 3, 4, 5]


def test_errors_are_raised_after_the_items_before():
    def items():
        yield 1
        raise KeyError("two")

    seen = []
    with pytest.raises(KeyError, match="two"):
        for item in prefetch(items()):
            seen.append(item)
    assert seen == [1]


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    for item in prefetch(range(100)):
        if item == 3:
            break
    del item
    assert threading.active_count() == before
