"""Orfeo ToolBox as it is found: which applications there are, and how they differ."""

import importlib.util
import os
from pathlib import Path

from srtools.errors import SRError

OTBTF = ("PatchesSelection", "PatchesExtraction", "TensorflowModelServe")


def keep_own_projections() -> None:
    """Have rasterio use its own PROJ database, whatever OTB's environment says.

    OTB's `otbenv.profile`, and pyotb when it follows `OTB_ROOT`, point PROJ_LIB at the
    database of OTB, which is often older than rasterio's wheel accepts.  PROJ from 9.1
    on looks at PROJ_DATA first; the database of rasterio is new enough for OTB, too.
    """
    rasterio = importlib.util.find_spec("rasterio")
    own = Path(rasterio.origin).with_name("proj_data") if rasterio else None
    if own and own.is_dir():  # rasterio is a wheel, not linked with the system's PROJ
        os.environ["PROJ_DATA"] = str(own)


def need(*applications: str) -> None:
    """Check that the engine has these applications.

    Raises:
        SRError: naming what is missing, and how to get it.
    """
    import pyotb

    missing = [name for name in applications if not hasattr(pyotb, name)]
    if not missing:
        return
    whose = "OTBTF" if set(missing) <= set(OTBTF) else "OTB"
    raise SRError(
        f"the Orfeo ToolBox that pyotb found has no {' and no '.join(missing)}: "
        f"{whose} is not complete in {os.environ.get('OTB_APPLICATION_PATH') or 'it'}; "
        "use a Docker image mdl4eo/otbtf, or an environment without that OTB, in which "
        "the scripts run on the embedded engine"
    )
