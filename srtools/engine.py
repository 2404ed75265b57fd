"""The engine behind pyotb: a real Orfeo ToolBox, or otblite.

This module imports pyotb first, so that a broken installation is an error of one line.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy  # noqa: F401 - without it pyotb would name another reason

from srtools import signals
from srtools.errors import PixelError, SRError

try:
    import pyotb
except (ImportError, OSError, SystemError, SystemExit) as _error:
    _root = os.environ.get("OTB_ROOT")
    _fault = f"OTB_ROOT is {_root}: correct it" if _root else "it needs its bindings"
    raise SRError(
        f"the Orfeo ToolBox cannot be loaded ({_error}); {_fault}, or use the embedded "
        "engine: unset OTB_ROOT, pip install -r requirements.txt, and set OTBLITE=1"
    ) from None


def require(*applications: str) -> None:
    """Raise if the engine lacks one of these OTB applications."""
    missing = [name for name in applications if not hasattr(pyotb, name)]
    if missing:
        raise SRError(
            f"the Orfeo ToolBox that pyotb found has no {' and no '.join(missing)}; "
            "use a Docker image mdl4eo/otbtf, which has OTB and OTBTF, or set "
            "OTBLITE=1 for the embedded engine"
        )


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn errors of the engine in the block into `PixelError`, and defer signals.

    `doing` is the work, for messages ("extracting patches").
    """
    try:
        with signals.deferred():
            yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        # TensorFlow ends its errors with the names of nodes: `[[{{node ...`.
        reasons = ["no reason given", *(x for x in lines if x and x[:2] != "[[")]
        raise PixelError(f"{doing} failed: {reasons[-1]}") from None
