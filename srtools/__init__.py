"""Library of the five scripts, a package per subject.

`import srtools` sets environment variables that libraries read when they are first
imported.  Variables that the user has set stay; NO_PROXY is extended.
"""

import importlib.util
import os
from pathlib import Path

__version__ = "1.0.0"

try:
    import fcntl  # noqa: F401  (srtools.files locks folders with it)
except ImportError:
    raise SystemExit(
        "error: these programs need Linux or macOS; on Windows, run them in WSL (wsl "
        "--install) or in Docker, as docs/install.md says"
    ) from None

for _name, _value in {
    "PYOTB_LOGGER_LEVEL": "WARNING",
    "OTB_LOGGER_LEVEL": "CRITICAL",  # OTB logs on stdout, and raises its errors, too
    "CPL_LOG": os.devnull,  # OTB's GDAL prints links with their tokens, past Python
    "OPENBLAS_NUM_THREADS": "1",  # NumPy's matrices are small here; more threads idle
    # TensorFlow also raises its errors as exceptions; the rest is notices.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # GDAL does not list folders; it asks for side files (.aux.xml, .msk, .tfw...) by
    # name.  On a server only the extensions below, or none, can exist: GDAL asks for
    # no side file there.  EMPTY_DIR would also hide side files on the disk.
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.jp2,.vrt,{noext}",
    # Remote images: keep connections, retry if the server asks for it, never hang.
    "GDAL_HTTP_MAX_RETRY": "6",
    "GDAL_HTTP_RETRY_DELAY": "2",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2",
    # OTB, which reads links of the user in several passes, fetches each block once.
    "CPL_VSIL_CURL_CACHE_SIZE": str(2**30),
    "GDAL_CACHEMAX": "64",  # MB; by default GDAL takes a share of the RAM
}.items():
    os.environ.setdefault(_name, _value)

# OTB's `otbenv.profile`, and pyotb when it follows OTB_ROOT, point PROJ_LIB at OTB's
# database, which is often older than rasterio's wheel accepts.  PROJ from 9.1 on looks
# at PROJ_DATA first; the database of rasterio is new enough for OTB, too.
_rasterio = importlib.util.find_spec("rasterio")
_database = Path(_rasterio.origin).with_name("proj_data") if _rasterio else None
if _database and _database.is_dir():  # absent if rasterio uses the system's PROJ
    os.environ.setdefault("PROJ_DATA", str(_database))

# A proxy elsewhere cannot reach servers on this machine, such as the demo's.
_direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
if _direct != "*":  # "*" means all servers
    _hosts = dict.fromkeys([*_direct.split(","), "127.0.0.1", "localhost"])
    _direct = ",".join(filter(None, _hosts))
    os.environ.update(no_proxy=_direct, NO_PROXY=_direct)
