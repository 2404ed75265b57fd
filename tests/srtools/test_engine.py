"""An engine that is incomplete, or has a database that rasterio refuses."""

import os

import pytest

from srtools import engine
from srtools.errors import SRError
from tests.processes import run_python

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
