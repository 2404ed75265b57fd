"""The environments of the two engines, for processes of their own."""

import os
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

TAG = sys.implementation.cache_tag
FOLDERS = {"OTB": TAG, "OTBTF": f"{TAG}-otbtf"}


def file_of(engine: str) -> Path:
    """Return the file of variables that lead to a real OTB, "OTB" or "OTBTF"."""
    return ROOT / ".real-otb" / FOLDERS[engine] / "environment"


def needs(engine: str) -> pytest.MarkDecorator:
    """Return a mark that skips tests where an engine has not been built."""
    return pytest.mark.skipif(
        not file_of(engine).exists(),
        reason=f"no {engine} was built for {TAG} (make test-real-{engine.lower()})",
    )


def places(engine: str = "OTB") -> dict[str, str]:
    """Return the variables that lead to a real OTB."""
    lines = file_of(engine).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def environment(engine: str, **variables: str) -> dict[str, str]:
    """Return the variables of a process on an engine, and others.

    With a real one, freed memory is overwritten, so that its use shows.
    """
    inherited = dict(os.environ)
    path = inherited.get("PYTHONPATH", "")
    if engine in FOLDERS:
        # otblite sets this variable, to nothing, in the process of the tests.
        inherited.pop("OTB_APPLICATION_PATH", None)
        variables = variables if "OTB_ROOT" in variables else places(engine) | variables
        path = variables.get("PYTHONPATH", "")
        variables |= {"MALLOC_PERTURB_": "165"}
    path = os.pathsep.join(filter(None, [path, str(ROOT)]))
    return inherited | variables | {"PYTHONPATH": path}
