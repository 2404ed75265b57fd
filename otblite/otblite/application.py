"""`Application`: the methods of OTB's Python bindings, on lazy images.

An application of `otblite.applications` declares its parameters and describes its
outputs in `run`; nothing is computed until pixels are read.
"""

import os
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from affine import Affine
from otblite import image_files, vectors
from otblite.bindings_extras import IMAGES, Extras
from otblite.image import Grid, Image, Window, from_array
from otblite.itk import (
    ImageMetadata,
    itkIndex,
    itkMetaDataDictionary,
    itkPoint,
    itkRegion,
    itkSize,
    itkVector,
)
from otblite.parameters import LISTS, RAM, Parameter, Pixel, Type
from rasterio.crs import CRS

# Types of the entries of an exported image, besides its array.
EXPORTED = {
    "origin": itkPoint,
    "spacing": itkVector,
    "size": itkSize,
    "region": itkRegion,
    "metadata": ImageMetadata,
}
# Names of the sides of an image, and where they are: 0 first, 1 last.
CORNERS = (("Upper", 0), ("Lower", 1)), (("Left", 0), ("Right", 1))


class Application(Extras):
    """One run of an application.  Method names are those of OTB's bindings."""

    def __init__(self, progress: bool = True):
        self._progress = progress
        self._parameters = {p.key: p for p in self.declare()}
        self._outputs: dict[str, Image] = {}
        self._points: dict[str, vectors.Points] = {}
        self._files: dict[str, Image] = {}
        self._regions: dict[str, Window] = {}
        self._stale = False  # a parameter was set, and others may depend on it

    # Methods that each application implements.

    def declare(self) -> Iterable[Parameter]:
        """Declare the parameters."""
        raise NotImplementedError

    def run(self) -> None:
        """Check the parameters and describe the outputs with `output`."""
        raise NotImplementedError

    def fail(self, message: str) -> None:
        """Raise an error that names the application, as all errors here do."""
        raise RuntimeError(f"{self.name}: {message}")

    # Methods that applications call.

    def __getitem__(self, key: str) -> Any:
        """Return the value of a parameter, or its default."""
        parameter = self._parameter(key)
        return parameter.current if parameter.enabled else parameter.default

    def single(self, key: str) -> float | None:
        """Return a number as OTB keeps it, in float32; None if there is none."""
        return None if self[key] is None else float(np.float32(self[key]))

    def has(self, key: str) -> bool:
        """Check whether a parameter has a value (a default counts)."""
        parameter = self._parameter(key)
        if not parameter.enabled:
            return parameter.default is not None
        return bool(parameter.images) or parameter.current is not None

    def images(self, key: str) -> list[Image]:
        """Return the input images of a parameter, opening files."""
        parameter = self._parameter(key)
        images = parameter.images if parameter.enabled else []
        return [self._open(i) if isinstance(i, str) else i for i in images]

    def _open(self, name: str) -> Image:
        if name not in self._files:
            self._files[name] = image_files.open_image(name)
        return self._files[name]

    def image(self, key: str) -> Image:
        """Return the one input image of a parameter."""
        return self.images(key)[0]

    def output(self, key: str, value: Any) -> None:
        """Set an output: an image, points, or a plain value."""
        if isinstance(value, Image):
            self._outputs[key] = replace(value, in_memory=False)
        elif isinstance(value, vectors.Points):
            self._points[key] = value
        else:
            self._parameter(key).value = value

    # Execution.

    def Execute(self) -> int:
        """Check the parameters and prepare the outputs; pixels come later."""
        for key in self.missing():
            if self._parameter(key).type not in (
                Type.OutputImage,
                Type.OutputVectorData,
            ):
                self.fail(f"parameter '{key}' is mandatory")
        # Inputs and parameters may have changed since the last time.
        for parameter in self._parameters.values():
            parameter.automatic = None
        self._stale = False
        for entries in (self._files, self._outputs, self._points, self._regions):
            entries.clear()
        try:
            self.run()
        except (ValueError, OSError) as error:
            self.fail(str(error))
        return 0

    def WriteOutput(self) -> None:
        """Write the outputs that were values a file name."""
        for key, parameter in self._parameters.items():
            if parameter.value is None:
                continue
            try:
                if parameter.type is Type.OutputImage and key in self._outputs:
                    memory = self["ram"] if "ram" in self._parameters else RAM
                    image_files.write(
                        self._outputs[key],
                        parameter.value,
                        parameter.pixel.numpy,
                        memory,
                        self._progress,
                    )
                elif key in self._points:
                    vectors.write(self._points[key], parameter.value)
                elif parameter.type is Type.OutputVectorData:
                    self.fail(
                        f"no input to writer: nothing fills '{key}' here; "
                        "do not give it a file name"
                    )
            except (ValueError, OSError) as error:
                self.fail(str(error))

    def ExecuteAndWriteOutput(self) -> int:
        """Execute, then write the outputs."""
        self.Execute()
        self.WriteOutput()
        return 0

    # Names and kinds of parameters.

    def GetParametersKeys(self, recursive: bool = True) -> tuple[str, ...]:
        """List the keys of the parameters that are supported."""
        return tuple(self._parameters)

    def GetParameterType(self, key: str) -> int:
        """Return one of `ParameterType_*`."""
        return self._parameter(key).type

    def GetParameterRole(self, key: str) -> int:
        """Return 1 for a value that the application computes, else 0, as for files."""
        return self._parameter(key).role

    def GetChoiceKeys(self, key: str) -> tuple[str, ...]:
        """List the values of a choice."""
        return self._parameter(key).choices

    def IsParameterEnabled(self, key: str) -> bool:
        """Check whether a parameter is in use: it is mandatory or has a value."""
        parameter = self._parameter(key)
        return parameter.enabled and (parameter.mandatory or self.has(key))

    def IsMandatory(self, key: str) -> bool:
        """Check whether a parameter must have a value."""
        return self._parameter(key).mandatory

    def HasValue(self, key: str) -> bool:
        """Check whether a parameter has a value (a default counts)."""
        return self.has(key)

    def HasUserValue(self, key: str) -> bool:
        """Check whether the user gave a value."""
        parameter = self._parameter(key)
        has_value = bool(parameter.images) or parameter.value is not None
        return has_value and parameter.of_user

    def HasAutomaticValue(self, key: str) -> bool:
        """Check whether the application chose the value."""
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
        """Set a parameter of any type.

        Raises:
            TypeError: if the value is not of the parameter's type.
        """
        self._set(key, lambda parameter: parameter.check(value))

    # The last argument of setters is false for values that count as automatic.

    def SetParameterInt(self, key: str, value: int, of_user: bool = True) -> None:
        """Set an integer, a number or a switch."""
        self._set(key, lambda parameter: parameter.from_integer(value), of_user)

    def SetParameterFloat(self, key: str, value: float, of_user: bool = True) -> None:
        """Set a number."""
        self._set(key, lambda parameter: parameter.from_float(value), of_user)

    SetParameterDouble = SetParameterFloat

    def SetParameterString(self, key: str, value: str, of_user: bool = True) -> None:
        """Set a parameter from text, a list of bands from one name."""
        self._set(key, lambda parameter: parameter.from_text(value), of_user)

    def SetParameterStringList(
        self, key: str, value: Iterable[str], of_user: bool = True
    ) -> None:
        """Set a list."""
        self._set(key, lambda parameter: parameter.from_list(value), of_user)

    def _set(
        self, key: str, convert: Callable[[Parameter], Any], of_user: bool = True
    ) -> None:
        parameter = self._parameter(key)
        try:
            value = convert(parameter)
        except ValueError as error:
            self.fail(f"parameter '{key}': {error}")
        except TypeError as error:
            raise TypeError(f"{self.name}: parameter '{key}': {error}") from None
        if parameter.type in (Type.InputImage, Type.InputImageList):
            parameter.images = value if isinstance(value, list) else [value]
        else:
            parameter.value = value
        parameter.of_user, self._stale = bool(of_user), True

    def AddParameterStringList(self, key: str, value: str) -> None:
        """Append to a list."""
        parameter = self._parameter(key)
        images = parameter.type is Type.InputImageList
        values = parameter.images if images else parameter.value or []
        self._set(key, lambda parameter: [*values, *parameter.from_list([value])])

    def ClearValue(self, key: str) -> None:
        """Reset the value to the default."""
        parameter = self._parameter(key)
        parameter.value = parameter.automatic = None
        parameter.images = []

    def GetParameterValue(self, key: str) -> Any:
        """Return the value of a parameter, file names for images."""
        parameter = self._parameter(key)
        if self._stale:
            self._stale = False
            with suppress(RuntimeError):  # Execute raises it again
                self.UpdateParameters()
        if parameter.type in (Type.InputImage, Type.InputImageList):
            names = [image for image in parameter.images if isinstance(image, str)]
            return names if parameter.type is Type.InputImageList else "".join(names)
        return parameter.current

    def GetParameterString(self, key: str) -> str:
        """Return a value as text, empty if there is none."""
        value = self.GetParameterValue(key)
        if isinstance(value, list):
            return " ".join(value)
        return "" if value is None else str(value)

    GetParameterAsString = GetParameterString

    def GetParameterStringList(self, key: str) -> list[str]:
        """Return a list."""
        self._of_type(key, *LISTS)
        return list(self.GetParameterValue(key) or [])

    def GetParameterInt(self, key: str) -> int:
        """Return a whole number."""
        return int(self._number(key))

    def GetParameterFloat(self, key: str) -> float:
        """Return a number."""
        return float(self._number(key))

    GetParameterDouble = GetParameterFloat

    def _number(self, key: str) -> float:
        value = self.GetParameterValue(key)
        if not isinstance(value, (int, float)):
            self.fail(f"parameter '{key}' has no number")
        return value

    # Images in memory.

    def ConnectImage(self, key: str, other: "Application", other_key: str) -> bool:
        """Use an output of another application as input, without a file."""
        self.put_image(key, other._image(other_key))
        self._stale = True
        return True

    # The index is that of an image in a list; of other parameters it has no effect.

    def _image(self, key: str, index: int = 0) -> Image:
        """Return an output image, executing if need be, or an input image."""
        kind = self._parameter(key).type
        if kind is Type.InputImageList:
            images = self.images(key)
            if not 0 <= index < len(images):
                self.fail(f"parameter '{key}' has {len(images)} images, no {index}")
            return images[index]
        if kind is not Type.OutputImage:
            return self.image(key)
        if key not in self._outputs:
            self.Execute()
        if key not in self._outputs:
            self.fail(f"parameter '{key}' has no image")
        return self._outputs[key]

    def GetImageSize(self, key: str, index: int = 0) -> itkSize:
        """Return (width, height) in pixels."""
        grid = self._image(key, index).grid
        return itkSize.of(grid.width, grid.height)

    def GetImageNbBands(self, key: str, index: int = 0) -> int:
        """Return the number of bands."""
        return self._image(key, index).bands

    def GetImageSpacing(self, key: str, index: int = 0) -> itkVector:
        """Return the pixel size (x, y); y is negative for a north-up image."""
        return itkVector.of(*self._image(key, index).grid.spacing)

    def GetImageOrigin(self, key: str, index: int = 0) -> itkPoint:
        """Return the coordinates (x, y) of the centre of the first pixel."""
        return itkPoint.of(*self._image(key, index).grid.origin)

    def GetImageRequestedRegion(self, key: str, index: int = 0) -> itkRegion:
        """Return the region that an export returns, which is the whole image."""
        row, col, height, width = self._region(key, index)
        return itkRegion.of(itkIndex.of(col, row), itkSize.of(width, height))

    def _region(self, key: str, index: int = 0) -> Window:
        return self._regions.get(key, self._image(key, index).grid.window)

    def PropagateRequestedRegion(
        self, key: str, region: itkRegion, index: int = 0
    ) -> int:
        """Choose the region that exports return; return its size in bytes."""
        image = self._image(key, index)
        (col, row), (width, height) = region["index"], region["size"]
        window = Window(row, col, height, width)
        if window.intersect(image.grid.window) != window:
            self.fail(f"the region {region} is not inside the image of '{key}'")
        self._regions[key] = window
        return height * width * image.bands * np.dtype(np.float32).itemsize

    def GetImageProjection(self, key: str, index: int = 0) -> str:
        """Return the CRS as WKT, empty if there is none."""
        crs = self._image(key, index).grid.crs
        return crs.to_wkt() if crs else ""

    def GetImageMetadata(self, key: str, index: int = 0) -> ImageMetadata:
        """Return the sensor metadata, which lives as long as this application."""
        return ImageMetadata(self, self.GetImageProjection(key, index))

    def GetMetadataDictionary(self, key: str, index: int = 0) -> itkMetaDataDictionary:
        """Return the metadata that describes the grid."""
        grid = self._image(key, index).grid
        place, size = grid.transform, (grid.width, grid.height)
        entries = {
            "GeoTransform": place.to_gdal(),
            "ProjectionRef": self.GetImageProjection(key, index),
        }
        for (down, bottom), (right, side) in product(CORNERS[0], CORNERS[1]):
            corner = place @ (side * size[0], bottom * size[1])
            entries[f"{down}{right}Corner"] = tuple(corner)
        return itkMetaDataDictionary(entries)

    def GetImageBasePixelType(self, key: str, index: int = 0) -> Pixel:
        """Return the pixel type in memory: float, but for imported arrays theirs."""
        image = self._image(key, index)
        return Pixel.of(image.dtype) if image.in_memory else Pixel.float

    def GetParameterOutputImagePixelType(self, key: str) -> Pixel:
        """Return the pixel type in which an output image will be written."""
        return self._parameter(key).pixel

    def SetParameterOutputImagePixelType(self, key: str, pixel: int) -> None:
        """Choose the pixel type in which an output image will be written."""
        self._parameter(key).pixel = Pixel(pixel)

    @staticmethod
    def ConvertPixelTypeToNumpy(pixel: int) -> str:
        """Return the numpy name of a pixel type."""
        return Pixel(pixel).numpy.name

    def ExportImage(self, key: str) -> dict[str, Any]:
        """Return the pixels [h, w, bands] of the region, and where the image lies."""
        return {
            "array": self.GetVectorImageAsNumpyArray(key),
            "origin": self.GetImageOrigin(key),
            "spacing": self.GetImageSpacing(key),
            "size": self.GetImageSize(key),
            "region": self.GetImageRequestedRegion(key),
            "metadata": self.GetImageMetadata(key),
        }

    def ImportVectorImage(
        self, key: str, exported: dict[str, Any], index: int = 0
    ) -> None:
        """Use a dict like `ExportImage`'s, its array perhaps replaced, as input.

        The memory of the array is borrowed, as in OTB: the array must be there until
        the pixels are no longer needed.

        Raises:
            TypeError, ValueError: for input that OTB's bindings do not take.
            RuntimeError: where OTB crashes, because the application that exported the
                image is gone, or goes on without a word, because sizes differ.
        """
        self._of_type(key, *IMAGES)
        array = exported["array"]
        self._check_pixels(key, array)
        for name, kind in EXPORTED.items():
            if not isinstance(exported[name], kind):
                raise TypeError(
                    f"{self.name}: parameter '{key}': {name} is an {kind.__name__} in "
                    f"the dict of ExportImage, got {type(exported[name]).__name__}; "
                    "export an image of this size and replace its array"
                )
        try:
            wkt = exported["metadata"].projection
        except RuntimeError as error:
            self.fail(f"parameter '{key}': {error}")
        height, width = array.shape[:2]
        size = tuple(exported["region"]["size"])
        if size != (width, height) or size != tuple(exported["size"]):
            self.fail(
                f"parameter '{key}': an array of {width} x {height} pixels came with "
                f"the region of {size[0]} x {size[1]} of an image of "
                f"{exported['size'][0]} x {exported['size'][1]}"
            )
        (x, y), (dx, dy) = exported["origin"], exported["spacing"]
        transform = Affine(dx, 0, x - dx / 2, 0, dy, y - dy / 2)
        grid = Grid(CRS.from_wkt(wkt) if wkt else None, transform, width, height)
        image = borrow(array, grid, f"{self.name}: parameter '{key}'")
        self.put_image(key, image, index)

    def _check_pixels(self, key: str, array: np.ndarray) -> None:
        words = f"{self.name}: parameter '{key}': "
        if array.ndim not in (2, 3):
            raise ValueError(
                f"{words}an array [h, w] or [h, w, bands] is expected, "
                f"got {array.ndim} dimensions"
            )
        names = [pixel.numpy.name for pixel in Pixel]
        if array.dtype.name not in names:
            raise ValueError(
                f"{words}pixels of {', '.join(names)} are expected, got {array.dtype}"
            )
        if not (array.flags.c_contiguous and array.dtype.isnative):
            raise TypeError(
                f"{words}an array in one piece of memory, rows first, is expected; "
                "pass numpy.ascontiguousarray(array) and keep it"
            )

    def ImportImage(self, key: str, exported: dict[str, Any], index: int = 0) -> None:
        """Import an array of one band."""
        self._check_one_band(key, exported["array"])
        self.ImportVectorImage(key, exported, index)

    def _check_one_band(self, key: str, array: np.ndarray) -> None:
        if array.ndim == 3 and array.shape[2] > 1:
            raise ValueError(
                f"{self.name}: parameter '{key}': one band is expected, got "
                f"{array.shape[2]}; use the method for vector images"
            )

    def GetVectorImageAsNumpyArray(self, key: str, dt: str = "float") -> np.ndarray:
        """Return the pixels [h, w, bands] as float32; `dt` has no effect."""
        image, region = self._image(key), self._region(key)
        whole = region == image.grid.window
        pixels = image.read_all() if whole else image.read(region)
        return pixels.astype(np.float32, order="C")

    def GetImageAsNumpyArray(self, key: str, dt: str = "float") -> np.ndarray:
        """Return the pixels [h, w] of an image of one band."""
        pixels = self.GetVectorImageAsNumpyArray(key)
        self._check_one_band(key, pixels)
        return pixels[:, :, 0]


def borrow(array: np.ndarray, grid: Grid, place: str) -> Image:
    """Wrap an array without keeping it alive, as OTB does, if its memory is its own.

    Arguments:
        array: [h, w] or [h, w, bands].
        grid: where its pixels lie.
        place: where it is used, for the error when it is read and gone.
    """
    borrowed = weakref.ref(array) if array.base is None else lambda: array

    def read(window: Window) -> np.ndarray:
        pixels = borrowed()
        if pixels is None:
            raise RuntimeError(
                f"{place}: the array that was imported is gone; OTB reads freed memory "
                "here: keep the array in a variable as long as it is an input"
            )
        return np.atleast_3d(pixels)[window.slices]

    image = from_array(np.atleast_3d(array), grid)
    return replace(image, read=read, in_memory=True)


def source_names() -> list[str]:
    """List the groups "source1"...; OTBTF takes their number from the environment."""
    count = max(1, int(os.environ.get("OTB_TF_NSOURCES") or 1))
    return [f"source{number + 1}" for number in range(count)]
