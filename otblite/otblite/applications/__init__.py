"""The applications, one class each, by name."""

from otblite.application import Application
from otblite.applications.bandmath import BandMath, BandMathX
from otblite.applications.info import ReadImageInfo
from otblite.applications.measuring import (
    CompareImages,
    ComputeImagesStatistics,
    PixelValue,
)
from otblite.applications.patches import PatchesExtraction, PatchesSelection
from otblite.applications.resampling import BundleToPerfectSensor, Superimpose
from otblite.applications.serve import TensorflowModelServe
from otblite.applications.stacking import ConcatenateImages, ExtractROI, Mosaic

APPLICATIONS: dict[str, type[Application]] = {
    application.__name__: application
    for application in (
        BandMath,
        BandMathX,
        BundleToPerfectSensor,
        CompareImages,
        ComputeImagesStatistics,
        ConcatenateImages,
        ExtractROI,
        Mosaic,
        PatchesExtraction,
        PatchesSelection,
        PixelValue,
        ReadImageInfo,
        Superimpose,
        TensorflowModelServe,
    )
}
