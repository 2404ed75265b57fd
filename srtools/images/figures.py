"""Pictures of images: contrast stretch, rows of pictures, previews, quicklooks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import from_bounds

from srtools.conventions import S2_SPACING_METRES
from srtools.files import whole_file
from srtools.images import raster
from srtools.images.grid import Bounds, Grid

SIDE = 900  # largest side of a picture of one image, pixels
LENGTHS = [n * 10.0**e for e in range(-1, 6) for n in (1, 2, 5)]  # scale bars, metres


def stretch(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentiles 1 and 99 of [h, w, bands], as limits (low, high) [bands].

    Pixels that are 0 in all bands are nodata and do not count.
    """
    pixels = image[image.any(axis=-1)]
    low, high = np.percentile(pixels if len(pixels) else [[0.0]], (1, 99), axis=0)
    return low, np.maximum(high, low + 1e-6)


def to_display(image: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Map [h, w, 3] between `limits` to 0-1; a gamma of 1.5 brightens dark ground."""
    low, high = limits
    return np.clip((image - low) / (high - low), 0, 1) ** (1 / 1.5)


def save_rows(
    path: str | Path, rows: dict[str, dict[str, np.ndarray]], widths: list[float]
) -> None:
    """Save a picture with one row per scene and one column per image of the scene.

    Arguments:
        path: PNG file.
        rows: by label of the row, {column title: image [h, w, bands]}; the first three
            bands are shown as red, green, blue, with the stretch of the first image.
        widths: of the ground in each row, metres; the row has a scale bar.
    """
    columns = list(next(iter(rows.values())))
    side = 13.0 / len(columns)  # inches
    figure = Figure(figsize=(side * len(columns), side * len(rows) + 0.3), dpi=110)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for (label, row), row_axes, width in zip(rows.items(), axes, widths, strict=True):
        limits = stretch(row[columns[0]][..., :3])
        for name, axis in zip(columns, row_axes, strict=True):
            axis.imshow(to_display(row[name][..., :3], limits), interpolation="nearest")
            axis.set(xticks=[], yticks=[], frame_on=False)
        row_axes[0].set_ylabel(label, fontsize=11)
        _draw_scale(row_axes[0], width)
    for name, axis in zip(columns, axes[0], strict=True):
        axis.set_title(name, fontsize=11)
    figure.tight_layout(pad=0.4)
    save(figure, path)


def _draw_scale(axis: Axes, width: float) -> None:
    """Draw a bar of a round length over an image of ground `width` metres wide."""
    length = max(x for x in LENGTHS if x <= width / 3)
    look = {"transform": axis.transAxes, "color": "white"}
    rim = [withStroke(linewidth=3, foreground="black")]
    ends, text = (0.04, 0.04 + length / width), f"{length:g} m"
    axis.plot(ends, (0.04, 0.04), lw=3, path_effects=[withStroke(linewidth=6)], **look)
    axis.text(0.04, 0.07, text, fontsize=11, path_effects=rim, **look)


def save(figure: Figure, path: str | Path) -> None:
    """Save a figure as PNG, completely or not at all."""
    with whole_file(path) as partial:
        # Level 3 halves the time of level 6; files are a twentieth larger.
        figure.savefig(partial, pil_kwargs={"compress_level": 3})


def save_preview(
    path: str | Path, read_s2: Callable[[Grid], np.ndarray], sr_path: str | Path
) -> None:
    """Save a picture of Sentinel-2 and the output, whole and in the middle 768 m.

    `read_s2` reads Sentinel-2 on a grid; `sr_path` is the output.
    """
    sr = raster.describe(sr_path, "the image")
    areas = {"the whole image": sr.bounds, "its middle": middle(sr.bounds, 768.0)}
    rows = {
        label: {
            "Sentinel-2, 10 m": read_s2(_grid(sr.crs, area, S2_SPACING_METRES, SIDE)),
            "super-resolution": read_area([sr.path], sr.crs, area, SIDE),
        }
        for label, area in areas.items()
    }
    save_rows(path, rows, [right - left for left, _, right, _ in areas.values()])


def _grid(crs: CRS, bounds: Bounds, spacing: float, size: int) -> Grid:
    """Return a grid over bounds, coarser than `spacing` beyond `size` pixels a side."""
    left, bottom, right, top = bounds
    sides = right - left, top - bottom
    width, height = (
        max(1, round(side / max(spacing, max(sides) / size))) for side in sides
    )
    return Grid(crs, from_bounds(*bounds, width, height), width, height)


def quicklook(image: raster.ImageInfo) -> np.ndarray:
    """Read a whole image with at most `SIDE` pixels a side, [h, w, bands] float."""
    scale = max(1.0, max(image.width, image.height) / SIDE)
    shape = [max(1, round(side / scale)) for side in (image.height, image.width)]
    average = Resampling.average
    return raster.read([image], shape=shape, resampling=average).astype(float)


def middle(bounds: Bounds, metres: float) -> Bounds:
    """Return a square in the middle of bounds, at most `metres` wide."""
    left, bottom, right, top = bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    reach = min(metres, right - left, top - bottom) / 2
    return x - reach, y - reach, x + reach, y + reach


def read_area(paths: list[str], crs: CRS, bounds: Bounds, size: int) -> np.ndarray:
    """Read the bands of files over bounds in the CRS `crs`, [h, w, bands] float.

    `size` is the longest possible side of the result, pixels.
    """
    images = [raster.describe(path, "the image") for path in paths]
    spacing = min(image.spacing_in(crs) for image in images)
    grid = _grid(crs, bounds, spacing, size)
    coarser = grid.transform.a > 1.01 * spacing
    resampling = Resampling.average if coarser else Resampling.nearest
    return raster.read(images, grid, resampling=resampling).astype(float)
