"""One item ahead, no more, and errors where they belong."""

import threading

import pytest

from srtools.ahead import ahead


def test_next_item_is_made_while_this_one_is_used():
    """Each item waits for a sign from the user of the one before: no deadlock."""
    used = [threading.Event() for _ in range(4)]
    used[0].set()
    made = []

    def items():
        for number in range(3):
            assert used[number].wait(timeout=60)
            made.append(number)
            yield number

    for number in ahead(items()):
        # This one is in use and not done; the next one is being made.
        used[number + 1].set()
    assert made == [0, 1, 2]


def test_never_more_than_one_ahead():
    made = []
    for number in ahead(made.append(n) or n for n in range(6)):
        assert len(made) <= number + 2


def test_errors_are_raised_after_the_items_before():
    def items():
        yield 1
        raise KeyError("two")

    seen = []
    with pytest.raises(KeyError, match="two"):
        for item in ahead(items()):
            seen.append(item)
    assert seen == [1]


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    for item in ahead(range(100)):
        if item == 3:
            break
    del item
    assert threading.active_count() == before
