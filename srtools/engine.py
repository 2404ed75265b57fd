"""The engine behind pyotb: a real Orfeo ToolBox, or otblite.

pyotb is imported here first, so that a broken installation is told in one line.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy  # noqa: F401 - if it is missing, pyotb would name another reason

from srtools import signals
from srtools.errors import PixelError, SRError

try:
    import pyotb
except (ImportError, OSError, SystemError, SystemExit) as _error:
    raise SRError(
        f"the Orfeo ToolBox cannot be loaded ({_error}); OTB_ROOT is "
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
        "use a Docker image mdl4eo/otbtf, or set OTBLITE=1 for the embedded engine"
    )


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Run the engine: its errors become one line, signals wait for the end.

    Arguments:
        doing: the work, for messages ("extracting patches").

    Raises:
        PixelError: saying what was being done, and the engine's reason.
    """
    try:
        with signals.held():
            yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # TensorFlow ends its errors with the names of nodes: `[[{{node ...`.
        reasons = [line for line in lines if not line.startswith("[[")]
        reason = reasons[-1] if reasons else "no reason given"
        raise PixelError(f"{doing} failed: {reason}") from None
