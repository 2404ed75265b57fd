"""An engine that is incomplete, or has a database that rasterio refuses."""

import os
import re
from pathlib import Path

import pytest

from srtools import cards, engine, errors
from srtools.errors import SRError
from tests.processes import ROOT, run_python

import pyotb

PLACES = """
import threading
import srtools
from rasterio.warp import transform

def look():
    (x,), (y,) = transform("EPSG:4326", "EPSG:32631", [3.0], [0.0])
    print(round(x), round(y))

look()
thread = threading.Thread(target=look)
thread.start()
thread.join()
"""


def test_an_otb_without_otbtf_is_one_line(monkeypatch):
    engine.require("PatchesSelection", "Superimpose")
    monkeypatch.delattr(pyotb, "PatchesSelection")
    with pytest.raises(SRError, match="has no PatchesSelection; use a Docker image"):
        engine.require("PatchesSelection", "Superimpose")


def test_the_reason_of_the_engine_is_one_line():
    message = "\nOTB: bad input\n  cannot open it\n\t [[{{node serve}}]]\n"
    with pytest.raises(SRError, match="^stacking failed: cannot open it$"):
        with engine.engine_errors("stacking"):
            raise RuntimeError(message)
    with pytest.raises(SRError, match="stacking failed: no reason given"):
        with engine.engine_errors("stacking"):
            raise RuntimeError


def test_rasterio_keeps_its_own_projections(tmp_path):
    """A PROJ database that is none stands for one that is too old."""
    (tmp_path / "proj.db").write_bytes(b"")
    environment = {**os.environ, "PROJ_LIB": str(tmp_path)}
    environment.pop("PROJ_DATA")  # which this process has set
    done = run_python("-c", PLACES, env=environment)
    assert done.stdout.split("\n")[:2] == 2 * ["500000 0"], done.stderr


def test_a_clone_of_otbtf_beside_the_scripts_is_one_line(tmp_path):
    """Python takes the folder for the package."""
    (tmp_path / "otbtf" / "otbtf").mkdir(parents=True)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run_python("sr_model.py", cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    folder = tmp_path / "otbtf"
    reason = f"the folder {folder} hides the package of its name; rename it"
    assert (done.returncode, done.stderr) == (1, f"error: {reason}\n")


def test_an_otb_without_the_python_package():
    error = ModuleNotFoundError("No module named 'otbtf'", name="otbtf")
    assert re.search("otbtf is not installed .*OTBLITE=1", errors.line_of(error))


class ReadyOTB:
    """Binding of OTB that only knows its version."""

    def CreateApplicationWithoutLogger(self, name):  # noqa: N802
        return self

    def SaveParametersToXML(self, path):  # noqa: N802
        Path(path).write_text("<OTB>\n    <version>9.1.1</version>\n</OTB>")


def test_the_version_of_otb_is_on_cards(monkeypatch):
    assert "otb" not in cards.versions() and "otblite" in cards.versions()
    monkeypatch.setattr("otbApplication.Registry", ReadyOTB())
    versions = cards.versions()
    assert versions["otb"] == "9.1.1" and "otblite" not in versions
