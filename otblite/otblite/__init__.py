"""The embedded engine: eleven OTB and OTBTF applications on GDAL and TensorFlow.

Nothing is imported here, because this runs whenever Python starts (see `finder`).
"""

__version__ = "0.1.0"
