"""The small examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import otblite

import srtools


def test_examples():
    attempted = 0
    for package in (otblite, srtools):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "bindings" not in module.name:
                results = doctest.testmod(importlib.import_module(module.name))
                assert results.failed == 0, module.name
                attempted += results.attempted
    assert attempted >= 30
