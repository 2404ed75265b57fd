"""A stand-in for the `otbtf` Python package where OTBTF is not installed.

Same names, signatures and behaviour as `otbtf` 4.3, written anew on rasterio,
NumPy and TensorFlow; it runs with Keras 2 and with Keras 3.
"""

from otbtf import layers, ops
from otbtf.dataset import (
    Dataset,
    DatasetFromPatchesImages,
    IteratorBase,
    PatchesImagesReader,
    PatchesReaderBase,
    RandomIterator,
)
from otbtf.model import ModelBase
from otbtf.tfrecords import TFRecords
from otbtf.utils import gdal_open, read_as_np_arr

__version__ = "4.3.1+otblite"

__all__ = [
    "Dataset",
    "DatasetFromPatchesImages",
    "IteratorBase",
    "ModelBase",
    "PatchesImagesReader",
    "PatchesReaderBase",
    "RandomIterator",
    "TFRecords",
    "gdal_open",
    "layers",
    "ops",
    "read_as_np_arr",
]
