"""`python -m otblite` describes the engine and the machine, for bug reports."""

import contextlib
import importlib
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("pyotb", "tensorflow", "keras", "numpy", "rasterio")
FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def engine() -> str:
    """Describe the OTB that Python finds."""
    try:
        import otbApplication
    except (ImportError, OSError, SystemError) as error:
        return f"an Orfeo ToolBox that cannot be loaded ({error})"
    applications = otbApplication.Registry.GetAvailableApplications()
    place = Path(otbApplication.__file__)
    if "otblite" in place.parts:
        return f"otblite {otbApplication.__version__}, {len(applications)} applications"
    otbtf = "with" if "TensorflowModelServe" in applications else "without"
    return (
        f"Orfeo ToolBox at {place.parent}, {len(applications)} applications, {otbtf} "
        "those of OTBTF"
    )


def otbtf() -> str:
    """Describe the otbtf package that Python finds."""
    try:
        place = Path(importlib.import_module("otbtf").__file__)
    except (ImportError, OSError) as error:
        return f"cannot be imported ({error})"
    return "of otblite" if "otblite" in place.parts else f"OTBTF's, {place.parent}"


def version(package: str) -> str:
    """Return the version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"


def processor() -> str:
    """Describe the processor and its instructions for networks."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"{platform.machine()}, {os.cpu_count()} cores"
    entries = dict(re.findall(r"^(flags|model name)\s*: (.*)$", text, re.MULTILINE))
    flags = entries.get("flags", "").split()
    has = [feature for feature in FEATURES if feature in flags]
    name = entries.get("model name", platform.machine())
    return f"{name}, {os.cpu_count()} cores, {' '.join(has) or 'no AVX2'}"


def devices() -> str:
    """List the GPUs that TensorFlow sees."""
    try:
        tf = importlib.import_module("tensorflow")
    except ImportError as error:
        return f"unknown, TensorFlow cannot be imported ({error})"
    gpus = tf.config.list_physical_devices("GPU")
    return ", ".join(device.name for device in gpus) or "none"


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """Silence the standard error: TensorFlow's libraries print there when they load."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def main() -> int:
    """Print the report."""
    with without_notices():
        lines = {
            "engine": engine(),
            "otbtf": otbtf(),
            "Python": f"{platform.python_version()}, {platform.platform()}",
            **{package: version(package) for package in PACKAGES},
            "GDAL": importlib.import_module("rasterio").__gdal_version__,
            "processor": processor(),
            "GPU": devices(),
        }
    for name in ("OTB_APPLICATION_PATH", "OTB_ROOT", "TF_USE_LEGACY_KERAS"):
        if os.environ.get(name):
            lines[name] = os.environ[name]
    for name, value in lines.items():
        print(f"{name:12} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
