"""The lists of packages agree: for pip alone, and for the course's Docker images."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def packages(name: str, python: str) -> dict[str, str]:
    """Return the range of each package that a list asks for on a version of Python."""
    lines = [line.partition("#")[0] for line in (ROOT / name).read_text().splitlines()]
    required = [Requirement(x) for x in lines if x.strip() and x[0] not in ".-"]
    return {
        r.name: str(r.specifier)
        for r in required
        if not r.marker or r.marker.evaluate({"python_version": python})
    }


@pytest.mark.parametrize("python", ["3.10", "3.12"])
def test_docker_images_lack_what_pip_installs_beside_tensorflow(python):
    pip = packages("requirements.txt", python)
    del pip["tensorflow"]
    assert pip == packages("requirements-otbtf.txt", python)


def test_python_3_13_has_numpy_2_and_installs_pyotb_by_itself():
    old, new = (packages("requirements.txt", python) for python in ("3.12", "3.13"))
    assert old.pop("pyotb") and old.pop("numpy") == "<2,>=1.23"
    assert new.pop("numpy") == "<3,>=2.1"
    assert new == old
