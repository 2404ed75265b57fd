"""The small examples in the docstrings of otblite are true."""

import doctest
import importlib
import pkgutil

import otblite
import pytest

MODULES = [
    module.name
    for module in pkgutil.walk_packages(otblite.__path__, "otblite.")
    if "bindings" not in module.name
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_there_are_examples():
    found = [
        doctest.testmod(importlib.import_module(name)).attempted for name in MODULES
    ]
    assert sum(found) >= 6
