"""The engine that pyotb finds: a real Orfeo ToolBox, whole or not, or otblite.

pyotb is imported here first, so that a broken installation is told in one line.
"""

import os

from srtools.errors import SRError

try:
    import pyotb
except (ImportError, OSError, SystemError) as _error:
    raise SystemExit(
        f"error: the Orfeo ToolBox cannot be loaded ({_error}); OTB_ROOT is "
        f"{os.environ.get('OTB_ROOT', 'not set')}: correct it, or unset it to use the "
        "embedded engine"
    ) from None

OTBTF = ("PatchesSelection", "PatchesExtraction", "TensorflowModelServe")


def need(*applications: str) -> None:
    """Check that the engine has these applications.

    Raises:
        SRError: naming what is missing, and how to get it.
    """
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
