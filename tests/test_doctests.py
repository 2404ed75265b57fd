"""The small examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import otblite
import pytest

import srtools

MODULES = [
    module.name
    for package in (otblite, srtools)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
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
    assert sum(found) >= 30
