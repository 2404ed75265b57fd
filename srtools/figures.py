"""Pictures: the same stretch for every image of a row, so that they compare."""

from pathlib import Path

import numpy as np

from srtools.cards import whole_file

DISPLAY_MAX = 0.30
"""Reflectance shown as white where no other stretch is given."""


def stretch(*images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find per-band limits, percentiles 1 and 99, from images [h, w, 3] together."""
    pixels = np.concatenate([image.reshape(-1, image.shape[-1]) for image in images])
    low, high = np.percentile(pixels, (1, 99), axis=0)
    return low, np.maximum(high, low + 1e-6)


def to_display(image: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Map [h, w, 3] to 0-1 with a gamma of 1.5, as screens like it."""
    low, high = limits
    return np.clip((image - low) / (high - low), 0, 1) ** (1 / 1.5)


def save_rows(path: str | Path, rows: list[dict[str, np.ndarray]], title: str) -> None:
    """Save a picture with one row per scene and one column per version of it.

    Arguments:
        path: PNG file.
        rows: for each row {column title: image [h, w, bands]}; the first three bands
            are shown as red, green, blue, with one stretch per row.
        title: line above the picture.
    """
    # Without a display, and without touching the user's own figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = list(rows[0])
    figure = Figure(figsize=(3.0 * len(columns), 3.05 * len(rows) + 0.5), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, row_axes in zip(rows, axes, strict=True):
        # The truth, last, sets the stretch: it has the largest contrast.
        limits = stretch(row[columns[-1]][..., :3])
        for name, axis in zip(columns, row_axes, strict=True):
            axis.imshow(to_display(row[name][..., :3], limits), interpolation="nearest")
            axis.set_axis_off()
    for name, axis in zip(columns, axes[0], strict=True):
        axis.set_title(name, fontsize=10)
    figure.suptitle(title, fontsize=11)
    figure.tight_layout(pad=0.4)
    with whole_file(path) as partial:
        figure.savefig(partial)


def save_preview(
    path: str | Path, s2_paths: list[str], offset: int, sr_path: str, size: int = 900
) -> None:
    """Save a picture of input and output over the same area, and of their middle.

    Arguments:
        path: PNG file.
        s2_paths: Sentinel-2, four files with one band or one with four.
        offset: what to subtract from its DN.
        sr_path: the super-resolved image.
        size: side of the pictures in pixels, at most.
    """
    import rasterio
    from rasterio.warp import transform_bounds

    with rasterio.open(sr_path) as sr:
        left, bottom, right, top = sr.bounds
        # The middle: 128 Sentinel-2 pixels across, or all there is.
        x, y = (left + right) / 2, (bottom + top) / 2
        half = min(640.0, (right - left) / 2, (top - bottom) / 2)
        areas = {"all": sr.bounds, "middle": (x - half, y - half, x + half, y + half)}
        rows = []
        for bounds in areas.values():
            output = _read_area(sr, (1, 2, 3), bounds, size)
            inputs = []
            for source_path in s2_paths[:3]:
                with rasterio.open(source_path) as source:
                    indexes = (1, 2, 3) if source.count > 1 else (1,)
                    there = transform_bounds(sr.crs, source.crs, *bounds)
                    inputs.append(_read_area(source, indexes, there, size) - offset)
            image = np.concatenate(inputs, axis=2)[..., :3]
            rows.append({"Sentinel-2, 10 m": image, "super-resolution": output})
    save_rows(path, rows, f"{Path(sr_path).name}: all of it, and its middle")


def _read_area(source, indexes: tuple[int, ...], bounds, size: int) -> np.ndarray:
    """Read bands over `bounds`, at most `size` pixels a side, [h, w, bands] float."""
    window = source.window(*bounds)
    scale = max(1.0, max(window.width, window.height) / size)
    shape = (len(indexes), round(window.height / scale), round(window.width / scale))
    pixels = source.read(indexes, window=window, out_shape=shape, boundless=True)
    return np.moveaxis(pixels, 0, -1).astype(float)
