"""The parts of the five scripts that the lesson does not dwell on.

Importing this package quietens the libraries below it: it sets environment
variables that pyotb, TensorFlow and GDAL read once, when they are first imported.
Whoever has set one of them keeps it.
"""

import os

from srtools.engine import keep_own_projections

for _name, _value in {
    "PYOTB_LOGGER_LEVEL": "WARNING",
    "OTB_LOGGER_LEVEL": "WARNING",
    # Its errors are raised as exceptions as well; the rest is notices.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Remote Cloud Optimized GeoTIFFs: do not list the folder or look for side
    # files, keep connections, retry what the server asks to retry, never hang.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.jp2,.vrt",
    "GDAL_HTTP_MAX_RETRY": "6",
    "GDAL_HTTP_RETRY_DELAY": "2",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2",
    "VSI_CACHE": "TRUE",
}.items():
    os.environ.setdefault(_name, _value)
keep_own_projections()
