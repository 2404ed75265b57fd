"""`Application`: the methods of OTB's Python bindings, on lazy images.

An application of `otblite.applications` declares its parameters and says in `run`
what its outputs are; nothing is computed until pixels are asked for.
"""

import logging
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from affine import Affine
from otblite import files, vectors
from otblite.image import Grid, Image, from_array
from otblite.parameters import INPUT, RAM, Parameter, Pixel, Type
from rasterio.crs import CRS
from rasterio.errors import CRSError

log = logging.getLogger("otblite")


class ImageMetadata:
    """The sensor metadata of an image; a GeoTIFF that GDAL made has none."""

    @staticmethod
    def has(key: str) -> bool:
        """Tell whether a key is known."""
        return False

    @staticmethod
    def _keys() -> str:
        return ""

    GetKeyListNum = GetKeyListStr = GetKeyListL1D = GetKeyListTime = _keys


class Application:
    """One run of an application.  Method names are those of OTB's bindings."""

    name = ""
    """Name in the registry."""

    def __init__(self, progress: bool = True):
        self._progress = progress
        self._parameters = {p.key: p for p in self.declare()}
        self._outputs: dict[str, Image] = {}
        self._points: dict[str, vectors.Points] = {}
        self._files: dict[str, Image] = {}

    # What an application says.

    def declare(self) -> Iterable[Parameter]:
        """Declare the parameters."""
        raise NotImplementedError

    def run(self) -> None:
        """Check the parameters and describe the outputs with `output`."""
        raise NotImplementedError

    def fail(self, message: str) -> None:
        """Raise an error that names the application, as all errors here do."""
        raise RuntimeError(f"{self.name}: {message}")

    # What an application asks.

    def __getitem__(self, key: str) -> Any:
        """Give the value of a parameter, or its default."""
        return self._parameter(key).current

    def has(self, key: str) -> bool:
        """Tell whether a parameter has a value (a default counts)."""
        parameter = self._parameter(key)
        return bool(parameter.images) or parameter.current is not None

    def images(self, key: str) -> list[Image]:
        """Give the input images of a parameter, opening files."""
        images = self._parameter(key).images
        return [self._open(i) if isinstance(i, str) else i for i in images]

    def _open(self, name: str) -> Image:
        if name not in self._files:
            self._files[name] = files.open_image(name)
        return self._files[name]

    def image(self, key: str) -> Image:
        """Give the one input image of a parameter."""
        return self.images(key)[0]

    def output(self, key: str, value: Any) -> None:
        """Say what an output is: an image, points, or a plain value."""
        if isinstance(value, Image):
            self._outputs[key] = value
        elif isinstance(value, vectors.Points):
            self._points[key] = value
        else:
            self._parameter(key).value = value

    # Execution.

    def Execute(self) -> int:
        """Check the parameters and prepare the outputs; pixels come later."""
        for parameter in self._parameters.values():
            is_output = parameter.type in (Type.OutputImage, Type.OutputVectorData)
            if parameter.mandatory and not is_output and parameter.role == INPUT:
                if not self.has(parameter.key):
                    self.fail(f"parameter '{parameter.key}' is mandatory")
        # Inputs and parameters may have changed since the last time.
        for found in (self._files, self._outputs, self._points):
            found.clear()
        try:
            self.run()
        except (ValueError, OSError) as error:
            self.fail(str(error))
        return 0

    def WriteOutput(self) -> None:
        """Write the outputs that were given a file name."""
        for key, parameter in self._parameters.items():
            if parameter.value is None:
                continue
            try:
                if parameter.type is Type.OutputImage and key in self._outputs:
                    memory = self["ram"] if "ram" in self._parameters else RAM
                    files.write(
                        self._outputs[key],
                        parameter.value,
                        parameter.pixel.numpy,
                        memory,
                        self._progress,
                    )
                elif key in self._points:
                    vectors.write(self._points[key], parameter.value)
            except (ValueError, OSError) as error:
                self.fail(str(error))

    def ExecuteAndWriteOutput(self) -> int:
        """Do both."""
        self.Execute()
        self.WriteOutput()
        return 0

    # Names and kinds of parameters.

    def GetName(self) -> str:
        """Give the name of the application."""
        return self.name

    def GetParametersKeys(self, recursive: bool = True) -> tuple[str, ...]:
        """List the keys of the parameters that are supported."""
        return tuple(self._parameters)

    def GetParameterType(self, key: str) -> int:
        """Give one of `ParameterType_*`."""
        return self._parameter(key).type

    def GetParameterRole(self, key: str) -> int:
        """Give 0 for an input, 1 for an output."""
        return self._parameter(key).role

    def GetChoiceKeys(self, key: str) -> tuple[str, ...]:
        """List what a choice can be."""
        return self._parameter(key).choices

    def IsParameterEnabled(self, key: str) -> bool:
        """Tell whether a parameter is in use: it is mandatory or has a value."""
        return self._parameter(key).mandatory or self.has(key)

    def IsMandatory(self, key: str) -> bool:
        """Tell whether a parameter must have a value."""
        return self._parameter(key).mandatory

    def HasValue(self, key: str) -> bool:
        """Tell whether a parameter has a value (a default counts)."""
        return self.has(key)

    def HasUserValue(self, key: str) -> bool:
        """Tell whether the user gave a value."""
        parameter = self._parameter(key)
        return bool(parameter.images) or parameter.value is not None

    def HasAutomaticValue(self, key: str) -> bool:
        """Tell whether the application chose the value."""
        return not self.HasUserValue(key) and self.has(key)

    def _parameter(self, key: str) -> Parameter:
        if key not in self._parameters:
            self.fail(
                f"parameter '{key}' is not supported; "
                f"supported are {', '.join(self._parameters)}"
            )
        return self._parameters[key]

    # Values.

    def SetParameterValue(self, key: str, value: Any) -> None:
        """Set a parameter of any type."""
        parameter = self._parameter(key)
        try:
            value = parameter.check(value)
        except ValueError as error:
            self.fail(f"parameter '{key}': {error}")
        if parameter.type in (Type.InputImage, Type.InputImageList):
            parameter.images = value if isinstance(value, list) else [value]
        else:
            parameter.value = value

    SetParameterInt = SetParameterFloat = SetParameterDouble = SetParameterValue
    SetParameterString = SetParameterStringList = SetParameterValue

    def AddParameterStringList(self, key: str, value: str) -> None:
        """Append to a list."""
        parameter = self._parameter(key)
        if parameter.type is Type.InputImageList:
            parameter.images.append(str(value))
        else:
            parameter.value = [*(parameter.value or []), str(value)]

    def ClearValue(self, key: str) -> None:
        """Forget the value."""
        parameter = self._parameter(key)
        parameter.value, parameter.images = None, []

    def GetParameterValue(self, key: str) -> Any:
        """Give the value of a parameter, file names for images."""
        parameter = self._parameter(key)
        if parameter.type in (Type.InputImage, Type.InputImageList):
            names = [image for image in parameter.images if isinstance(image, str)]
            return names if parameter.type is Type.InputImageList else "".join(names)
        return parameter.current

    def GetParameterString(self, key: str) -> str:
        """Give a value as text, empty if there is none."""
        value = self.GetParameterValue(key)
        return "" if value is None else str(value)

    GetParameterAsString = GetParameterString

    def GetParameterStringList(self, key: str) -> list[str]:
        """Give a list."""
        return list(self.GetParameterValue(key) or [])

    def GetParameterInt(self, key: str) -> int:
        """Give a whole number."""
        return int(self._number(key))

    def GetParameterFloat(self, key: str) -> float:
        """Give a number."""
        return float(self._number(key))

    def _number(self, key: str) -> float:
        value = self.GetParameterValue(key)
        if not isinstance(value, (int, float)):
            self.fail(f"parameter '{key}' has no number")
        return value

    # Images in memory.

    def ConnectImage(self, key: str, other: "Application", other_key: str) -> None:
        """Use an output of another application as input, without a file."""
        image = other._image(other_key)
        parameter = self._parameter(key)
        if parameter.type is Type.InputImageList:
            parameter.images.append(image)
        elif parameter.type is Type.InputImage:
            parameter.images = [image]
        else:
            self.fail(f"parameter '{key}' is not an input image")

    def _image(self, key: str) -> Image:
        """Give an output image, executing if need be, or an input image."""
        if self._parameter(key).type is not Type.OutputImage:
            return self.image(key)
        if key not in self._outputs:
            self.Execute()
        if key not in self._outputs:
            self.fail(f"parameter '{key}' has no image")
        return self._outputs[key]

    def GetImageSize(self, key: str) -> tuple[int, int]:
        """Give (width, height) in pixels."""
        grid = self._image(key).grid
        return grid.width, grid.height

    def GetImageNbBands(self, key: str) -> int:
        """Give the number of bands."""
        return self._image(key).bands

    def GetImageSpacing(self, key: str) -> tuple[float, float]:
        """Give the pixel size (x, y); y is negative for a north-up image."""
        return self._image(key).grid.spacing

    def GetImageOrigin(self, key: str) -> tuple[float, float]:
        """Give the coordinates (x, y) of the centre of the first pixel."""
        return self._image(key).grid.origin

    def GetImageProjection(self, key: str) -> str:
        """Give the CRS as WKT, empty if there is none."""
        crs = self._image(key).grid.crs
        return crs.to_wkt() if crs else ""

    def GetImageMetadata(self, key: str) -> ImageMetadata:
        """Give the (empty) sensor metadata."""
        return ImageMetadata()

    def GetMetadataDictionary(self, key: str) -> dict[str, str]:
        """Give the metadata that describes the grid."""
        return {"ProjectionRef": self.GetImageProjection(key)}

    def GetImageBasePixelType(self, key: str) -> Pixel:
        """Give the pixel type that an image has before it is written."""
        return Pixel.of(self._image(key).dtype)

    def GetParameterOutputImagePixelType(self, key: str) -> Pixel:
        """Give the pixel type in which an output image will be written."""
        return self._parameter(key).pixel

    def SetParameterOutputImagePixelType(self, key: str, pixel: int) -> None:
        """Choose the pixel type in which an output image will be written."""
        self._parameter(key).pixel = Pixel(pixel)

    @staticmethod
    def ConvertPixelTypeToNumpy(pixel: int) -> str:
        """Give the numpy name of a pixel type."""
        return Pixel(pixel).numpy.name

    def ExportImage(self, key: str) -> dict[str, Any]:
        """Give the pixels [h, w, bands] as float32 or float64, and where they lie."""
        image = self._image(key)
        kind = self._parameter(key).pixel.numpy
        pixels = image.read_all()
        return {
            "array": pixels.astype(kind if kind.kind == "f" else np.float32),
            "origin": image.grid.origin,
            "spacing": image.grid.spacing,
            "size": (image.grid.width, image.grid.height),
            "region": {"index": (0, 0), "size": (image.grid.width, image.grid.height)},
            "metadata": {"ProjectionRef": self.GetImageProjection(key)},
        }

    def ImportVectorImage(self, key: str, exported: dict[str, Any]) -> None:
        """Use a dict like `ExportImage`'s, its array perhaps replaced, as input."""
        array = np.asarray(exported["array"])
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim != 3:
            self.fail(f"parameter '{key}': an array [h, w, bands] is expected")
        height, width = array.shape[:2]
        size = tuple(exported.get("size", (width, height)))
        if size != (width, height):
            self.fail(
                f"parameter '{key}': an array of {width} x {height} pixels came with "
                f"the description of {size[0]} x {size[1]}"
            )
        (x, y), (dx, dy) = exported["origin"], exported["spacing"]
        transform = Affine(dx, 0, x - dx / 2, 0, dy, y - dy / 2)
        wkt = dict(exported.get("metadata") or {}).get("ProjectionRef") or None
        try:
            crs = CRS.from_wkt(wkt) if wkt else None
        except CRSError as error:
            self.fail(f"parameter '{key}': {error}")
        grid = Grid(crs, transform, width, height)
        self._parameter(key).images = [from_array(array, grid)]

    ImportImage = ImportVectorImage

    def GetVectorImageAsNumpyArray(self, key: str, kind: str = "float") -> np.ndarray:
        """Give the pixels [h, w, bands]."""
        return self._image(key).read_all().astype(Pixel[kind].numpy)

    def GetImageAsNumpyArray(self, key: str, kind: str = "float") -> np.ndarray:
        """Give the pixels [h, w] of the first band."""
        return self.GetVectorImageAsNumpyArray(key, kind)[:, :, 0]


def sources() -> int:
    """Give the number of `source*` groups, which OTBTF takes from the environment."""
    return max(1, int(os.environ.get("OTB_TF_NSOURCES") or 1))
