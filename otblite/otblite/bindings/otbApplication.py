"""The stand-in for OTB's Python bindings; see `otblite.finder` for when it is used."""

import logging
import os
import sys
from typing import Any

from otblite import __version__  # noqa: F401
from otblite.application import Application
from otblite.applications import APPLICATIONS
from otblite.bindings_extras import ApplicationProxy  # noqa: F401
from otblite.itk import (  # noqa: F401
    ImageMetadata,
    itkIndex,
    itkMetaDataDictionary,
    itkPoint,
    itkRegion,
    itkSize,
    itkVector,
)
from otblite.parameters import Pixel, Type

# `ParameterType_InputImage` and so on; `ImagePixelType_uint16` and so on.
globals().update({f"ParameterType_{kind.name}": kind.value for kind in Type})
globals().update({f"ImagePixelType_{pixel.name}": pixel.value for pixel in Pixel})


def _not_supported(name: str) -> str:
    return (
        f"application '{name}' is not supported by otblite; "
        f"supported are {', '.join(APPLICATIONS)}"
    )


def _missing_in_pyotb(name: str) -> Any:
    """List the applications when pyotb is asked for one, `pyotb.Name`."""
    is_application = name[:1].isupper() and name.isalnum()
    reason = f": {_not_supported(name)}" if is_application else ""
    raise AttributeError(f"module 'pyotb' has no attribute '{name}'{reason}")


class Registry:
    """Makes applications by name."""

    @staticmethod
    def GetAvailableApplications() -> tuple[str, ...]:
        """List the applications that exist here."""
        if "pyotb" in sys.modules:  # which asks while it is imported
            vars(sys.modules["pyotb"]).setdefault("__getattr__", _missing_in_pyotb)
        return tuple(APPLICATIONS)

    @staticmethod
    def SetApplicationPath(path: str) -> None:
        """Set the folder of plugins; there are none here."""

    AddApplicationPath = SetApplicationPath

    @staticmethod
    def CreateApplication(name: str, progress: bool = True) -> Application:
        """Create an application that reports progress on a terminal.

        Raises:
            RuntimeError: naming the application, if it does not exist here.
        """
        if name not in APPLICATIONS:
            raise RuntimeError(_not_supported(name))
        return APPLICATIONS[name](progress)

    @staticmethod
    def CreateApplicationWithoutLogger(name: str) -> Application:
        """Create an application that is quiet."""
        return Registry.CreateApplication(name, progress=False)


# The same as a plain function, as SWIG makes it.
Registry_GetAvailableApplications = Registry.GetAvailableApplications


# pyotb looks for the plugins of an OTB installation unless this is set.
os.environ.setdefault("OTB_APPLICATION_PATH", "")

logging.getLogger("otblite").setLevel(os.environ.get("OTB_LOGGER_LEVEL") or "INFO")
