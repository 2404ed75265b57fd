"""Read rasters of patches as NumPy arrays."""

import os
import threading
import warnings
from typing import Any

import numpy as np
import rasterio
import rasterio.errors
from rasterio.windows import Window


class Raster:
    """An open raster with the few members of a GDAL data set that otbtf uses.

    Unlike a GDAL data set it may be read from several threads.

    Raises:
        ValueError: if the file is missing or not a raster.

    Attributes:
        name: the file it was opened from.
        RasterXSize, RasterYSize: columns and rows.
        RasterCount: bands.
        dtype: NumPy type of the pixels, wide enough for all bands.
    """

    def __init__(self, filename: str):
        self.name = os.fspath(filename)
        self._lock = threading.Lock()
        with warnings.catch_warnings():
            # A patches image lies nowhere on Earth.
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            try:
                self._file = rasterio.open(self.name)
            except rasterio.errors.RasterioIOError as error:
                raise ValueError(
                    f"unable to open {self.name} as a raster: {error}"
                ) from None
        self.RasterXSize = self._file.width
        self.RasterYSize = self._file.height
        self.RasterCount = self._file.count
        self.dtype = np.result_type(*self._file.dtypes)

    def ReadAsArray(  # noqa: N802 (GDAL's name)
        self,
        xoff: int = 0,
        yoff: int = 0,
        xsize: int | None = None,
        ysize: int | None = None,
    ) -> np.ndarray:
        """Read a window: `[bands, rows, columns]`, or `[rows, columns]` if one band."""
        xsize = self.RasterXSize - xoff if xsize is None else xsize
        ysize = self.RasterYSize - yoff if ysize is None else ysize
        with self._lock:
            pixels = self._file.read(window=Window(xoff, yoff, xsize, ysize))
        return pixels[0] if self.RasterCount == 1 else pixels


gdal_open = Raster


def number_of_patches(raster: Any) -> int:
    """Count the square patches that are stacked downwards in `raster`.

    Raises:
        ValueError: if the height is not a multiple of the width.
    """
    count, rest = divmod(raster.RasterYSize, raster.RasterXSize)
    if rest:
        raise ValueError(
            f"{getattr(raster, 'name', 'the raster')} is {raster.RasterXSize} x "
            f"{raster.RasterYSize} pixels: the height of a patches image must be a "
            "multiple of its width"
        )
    return count


def read_as_np_arr(
    gdal_ds: Any, as_patches: bool = True, dtype: np.dtype | None = None
) -> np.ndarray:
    """Read a whole raster as an array of four dimensions.

    Arguments:
        gdal_ds: raster of `gdal_open`.
        as_patches: cut the raster into its square patches.
        dtype: if given, the type to convert to.

    Returns:
        `[n, width, width, bands]`, or `[1, height, width, bands]` if not
        `as_patches`.
    """
    count = number_of_patches(gdal_ds) if as_patches else 1
    height = gdal_ds.RasterXSize if as_patches else gdal_ds.RasterYSize
    pixels = gdal_ds.ReadAsArray().reshape(
        (gdal_ds.RasterCount, count, height, gdal_ds.RasterXSize)
    )
    pixels = np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
    return pixels if dtype is None else pixels.astype(dtype)
