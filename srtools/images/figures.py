"""Pictures of images; those of one row share one stretch, so that they compare."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from matplotlib.figure import Figure
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from srtools.conventions import S2_SPACING_METRES
from srtools.files import whole_file
from srtools.images.grid import Grid
from srtools.images.raster import describe


def stretch(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of each band of [h, w, bands]: its percentiles 1 and 99.

    Pixels that are 0 in all bands are nodata and do not count.
    """
    known = image[image.any(axis=-1)]
    low, high = np.percentile(known if len(known) else [[0.0]], (1, 99), axis=0)
    return low, np.maximum(high, low + 1e-6)


def to_display(image: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Map [h, w, 3] to 0-1, with a gamma of 1.5 that brightens dark ground."""
    low, high = limits
    return np.clip((image - low) / (high - low), 0, 1) ** (1 / 1.5)


def save_rows(path: str | Path, rows: list[dict[str, np.ndarray]], title: str) -> None:
    """Save a picture with one row per scene and one column per version of it.

    Arguments:
        path: PNG file.
        rows: for each row {column title: image [h, w, bands]}; the first three bands
            are shown as red, green, blue, with the stretch of the first image.
        title: line above the picture.
    """
    columns = list(rows[0])
    side = 13.0 / len(columns)  # inches
    height = side * len(rows) + 0.7
    figure = Figure(figsize=(side * len(columns), height), dpi=110)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, row_axes in zip(rows, axes, strict=True):
        limits = stretch(row[columns[0]][..., :3])
        for name, axis in zip(columns, row_axes, strict=True):
            axis.imshow(to_display(row[name][..., :3], limits), interpolation="nearest")
            axis.set_axis_off()
    for name, axis in zip(columns, axes[0], strict=True):
        axis.set_title(name, fontsize=11)
    figure.suptitle(title, fontsize=12)
    figure.tight_layout(pad=0.4, rect=(0, 0, 1, 1 - 0.3 / height))
    save(figure, path)


def save(figure: Figure, path: str | Path) -> None:
    """Save a figure as PNG, completely or not at all."""
    with whole_file(path) as partial:
        # A twentieth larger than with level 6, and written in half the time.
        figure.savefig(partial, pil_kwargs={"compress_level": 3})


def save_preview(
    path: str | Path,
    read_s2: Callable[[Grid], np.ndarray],
    sr_path: str | Path,
    size: int = 900,
) -> None:
    """Save a picture of input and output over the same area, and of their middle.

    Arguments:
        path: PNG file.
        read_s2: reads Sentinel-2 on a grid.
        size: largest side of a picture, pixels.
    """
    with rasterio.open(sr_path) as sr:
        crs, bounds = sr.crs, tuple(sr.bounds)
    rows = [
        {
            "Sentinel-2, 10 m": read_s2(_grid_over(crs, area, size)),
            "super-resolution": read_area([str(sr_path)], crs, area, size),
        }
        for area in (bounds, middle(bounds, 1280.0))
    ]
    save_rows(path, rows, f"{Path(sr_path).name}: all of it, and its middle")


def _grid_over(crs: CRS, bounds: tuple, size: int) -> Grid:
    """Return a grid of pixels of 10 m, or of larger ones if `size` are too few."""
    left, bottom, right, top = bounds
    sides = right - left, top - bottom
    spacing = max(S2_SPACING_METRES, max(sides) / size)
    width, height = (max(1, round(side / spacing)) for side in sides)
    place = Affine(sides[0] / width, 0, left, 0, -sides[1] / height, top)
    return Grid(crs, place, width, height)


def quicklook(path: str | Path, size: int = 900) -> np.ndarray:
    """Read an image with at most `size` pixels a side, [h, w, bands] float."""
    with rasterio.open(path) as file:
        crs, bounds = file.crs, tuple(file.bounds)
    return read_area([str(path)], crs, bounds, size)


def middle(bounds: tuple, metres: float) -> tuple[float, float, float, float]:
    """Return the middle of bounds, at most so many metres across."""
    left, bottom, right, top = bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    half = min(metres, right - left, top - bottom) / 2
    return x - half, y - half, x + half, y + half


def read_area(paths: list[str], crs: CRS, bounds: tuple, size: int) -> np.ndarray:
    """Read the bands of one or more files over an area, [h, w, bands] float.

    Arguments:
        paths: one file with several bands, or several with one.
        crs: CRS of the bounds; an image in another one is warped.
        bounds: left, bottom, right, top.
        size: largest side of the result, pixels.
    """
    bands = []
    for path in paths:
        with rasterio.open(path) as file, _in_crs(file, crs, bounds) as image:
            window = image.window(*bounds)
            scale = max(1.0, max(window.width, window.height) / size)
            shape = [max(1, round(n / scale)) for n in (window.height, window.width)]
            part = image.read(
                window=window,
                out_shape=(image.count, *shape),
                boundless=image is file,  # a warped one knows its bounds
                resampling=Resampling.average if scale > 1 else Resampling.nearest,
            )
            bands.append(part)
    return np.moveaxis(np.concatenate(bands), 0, -1).astype(float)


def _in_crs(file: rasterio.DatasetReader, crs: CRS, bounds: tuple):
    """Return the image, warped over bounds at its own spacing if in another CRS."""
    if file.crs == crs:
        return nullcontext(file)
    left, bottom, right, top = bounds
    spacing = describe(file.name, "the image").spacing_in(crs)
    width, height = (math.ceil(side / spacing) for side in (right - left, top - bottom))
    grid = Affine(spacing, 0, left, 0, -spacing, top)
    return WarpedVRT(file, crs=crs, transform=grid, width=width, height=height)
