"""Exercise 5: check the place, the values and the seams of the image."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from skimage.registration import phase_cross_correlation

from lesson.displacement import displacement
from lesson.report import Report
from lesson.student_model import StudentModel
from srtools.conventions import BANDS, FACTOR, HR_SPACING_METRES
from srtools.errors import SRError

MOST_SHIFT_METRES = 1.5
# Displacement between the image and the model's answer, pixels of the image, and the
# passes in which it is measured.
LEAST_MOVED, PASSES = 0.25, 5
# Mean of the image over that of Sentinel-2.
RADIOMETRY = (0.85, 1.15)
# Tolerance between the image and the model's answer, DN: resampling and rounding.
MOST_DIFFERENCE = 10
# Largest step between columns beyond that of the model's answer, DN.
SEAM = 4
# The model is run on strips: their thickness and margin, lr pixels, and their greatest
# length, pixels of the image.
STRIP, MARGIN = 32, 24
LONGEST = 8192


def check_image(
    image: Path, s2_images: list[Path], offset: float, model_dir: Path
) -> Report:
    """Check the image that exercise 5 wrote against Sentinel-2 and the model."""
    report = Report()
    model = StudentModel(model_dir)
    try:
        with rasterio.open(image) as sr, rasterio.open(s2_images[0]) as s2:
            _check_bands(s2_images)
            # Each check stops at its root cause: the next ones would report it again.
            if _check_form(report, sr, s2):
                coarse = _as_sentinel2(sr, s2)
                if _check_place(report, sr, s2_images, coarse, offset):
                    _check_answer(report, model, sr, s2_images, offset)
    except rasterio.errors.RasterioIOError as error:
        raise SRError(
            f"an image cannot be read ({error}); --image and --s2_images are GeoTIFF, "
            "or another format that GDAL reads"
        ) from None
    return report


def _check_bands(s2_images: list[Path]) -> None:
    """Refuse other Sentinel-2 images than four bands on one grid."""
    grids = []
    for path in s2_images:
        with rasterio.open(path) as file:
            grids += file.count * [(file.shape, file.transform)]
    if len(grids) != len(BANDS) or len(set(grids)) > 1:
        raise SRError(
            f"--s2_images have {len(grids)} bands of {len(set(grids))} sizes; "
            f"{', '.join(BANDS)} on one grid of 10 m are expected"
        )


def _check_form(
    report: Report, sr: rasterio.DatasetReader, s2: rasterio.DatasetReader
) -> bool:
    bands = report.check(
        sr.count == len(BANDS), f"four bands ({sr.count})", "as Sentinel-2's"
    )
    report.check(
        sr.dtypes[0] in ("uint16", "int16"),
        f"pixels of 16 bits ({sr.dtypes[0]})",
        "write the output in DN as uint16; reflectance below 1 would become 0",
    )
    crs = report.check(
        sr.crs == s2.crs,
        f"the CRS of Sentinel-2 ({sr.crs})",
        "the output keeps the CRS of the input",
    )
    size = report.check(
        np.allclose(sr.res, HR_SPACING_METRES, rtol=1e-6),
        f"pixels of 1.5 m ({sr.res[0]:g} x {sr.res[1]:g})",
        "output.spcscale is 1 / 4, and the input lies on the 6 m grid",
    )
    left, bottom, right, top = sr.bounds
    inside = (
        left >= s2.bounds.left - 6
        and right <= s2.bounds.right + 6
        and bottom >= s2.bounds.bottom - 6
        and top <= s2.bounds.top + 6
    )
    report.check(inside, "the image lies inside Sentinel-2", "the corner is wrong")
    return bands and crs and size and inside


def _as_sentinel2(sr: rasterio.DatasetReader, s2: rasterio.DatasetReader) -> np.ndarray:
    """Read the image's means over the 10 m pixels that it covers, [bands, h, w]."""
    window = _common(sr, s2)
    with WarpedVRT(
        sr,
        crs=s2.crs,
        transform=s2.window_transform(window),
        width=int(window.width),
        height=int(window.height),
        resampling=Resampling.average,
    ) as vrt:
        return vrt.read().astype(float)


def _common(sr: rasterio.DatasetReader, s2: rasterio.DatasetReader) -> Window:
    """Return the pixels of Sentinel-2 that lie inside, as whole numbers."""
    left, bottom, right, top = sr.bounds
    col, row = ~s2.transform @ (left, top)
    last_col, last_row = ~s2.transform @ (right, bottom)
    row, col = np.ceil([max(row, 0), max(col, 0)]).astype(int)
    last_row = int(min(last_row, s2.height))
    last_col = int(min(last_col, s2.width))
    return Window(col, row, last_col - col, last_row - row)


def _check_place(
    report: Report,
    sr: rasterio.DatasetReader,
    s2_images: list[Path],
    coarse: np.ndarray,
    offset: float,
) -> bool:
    bands = []
    for path in s2_images:
        with rasterio.open(path) as file:
            bands.extend(file.read(window=_common(sr, file)).astype(float))
    truth = np.stack(bands) - offset
    valid = (coarse > 0).all(axis=0) & (truth > -offset).all(axis=0)
    share = float(valid.mean())
    if not report.check(
        share > 0.5, f"the image has data ({share:.0%})", "0 stands for no data"
    ):
        return False
    ratios = coarse[:, valid].mean(axis=1) / truth[:, valid].mean(axis=1)
    bright = report.check(
        all(RADIOMETRY[0] <= ratio <= RADIOMETRY[1] for ratio in ratios),
        "the image is as bright as Sentinel-2, band by band "
        f"({' '.join(f'{ratio:.2f}' for ratio in ratios)})",
        "the offset, the order of bands, or the factor 10 000 of the output",
    )
    a, b = (np.where(valid, x.mean(0), x[:, valid].mean()) for x in (truth, coarse))
    moved, *_ = phase_cross_correlation(a, b, upsample_factor=50, normalization=None)
    south, east = moved
    shift = 10 * -east, 10 * south
    return bright & report.check(
        np.hypot(*shift) <= MOST_SHIFT_METRES,
        f"the image lies where Sentinel-2 lies ({shift[0]:+.1f} m east, "
        f"{shift[1]:+.1f} m north)",
        "a corner was taken for a centre, or the crop is missing in the origin",
    )


def _check_answer(
    report: Report,
    model: StudentModel,
    sr: rasterio.DatasetReader,
    s2_images: list[Path],
    offset: float,
) -> None:
    """Run the model over a row and a column of the image, each in one piece.

    Image and answer show the same ground, so that their difference shows the tiles.
    """
    windows = _strips(sr.height, sr.width)
    pixels = {name: sr.read(window=w).astype(float) for name, w in windows.items()}

    def compare(moved: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return image less answer on each strip, and the rest of the displacement."""
        strips, rests = {}, []
        for name, window in windows.items():
            answer = _answer(model, sr, s2_images, window, offset, *moved)
            valid = (pixels[name] > 0).all(axis=0)
            difference = (pixels[name] - answer).mean(axis=0)
            strips[name] = np.where(valid, difference, np.nan)
            grey = np.where(valid, pixels[name].mean(axis=0), np.nan)
            rests.append(displacement(grey, answer.mean(axis=0)))
        return strips, np.mean(rests, axis=0)

    strips, rest = compare(np.zeros(2))
    moved, others = rest, strips
    for _ in range(PASSES):
        if np.hypot(*moved) < LEAST_MOVED:
            break
        others, rest = compare(moved)
        moved = moved + rest
    real = np.hypot(*moved) >= LEAST_MOVED and _size(others) < _size(strips) / 2
    north, east = np.round(HR_SPACING_METRES * real * moved * (1, -1), 2) + 0.0
    if not report.check(
        not real,
        f"the image lies where the model's answer lies ({east:+.2f} m east, "
        f"{north:+.2f} m north)",
        "half a pixel of 1.5 m is 0.75 m: a corner was taken for a centre; whole "
        "pixels: the crop is missing in the origin",
    ):
        return
    off = _size(strips)
    if not report.check(
        off <= MOST_DIFFERENCE,
        f"the image is the model's own answer ({off:.1f} DN apart in the middle)",
        "is it this model, Sentinel-2 on the 6 m grid without offset, and bands in "
        "order?",
    ):
        return
    for name, difference in strips.items():
        # Steps between columns; those between rows are the columns of the other strip.
        image = difference if name == "column" else difference.T
        worst, place = _worst_seam(image)
        report.check(
            worst < SEAM,
            f"no {name} is a seam (at most {worst:.1f} DN, after {name} {place})",
            "tiles need a margin as large as the receptive field, which is cut away",
        )


def _size(strips: dict[str, np.ndarray]) -> float:
    """Return the size of the differences, DN; seams and other details do not count."""
    return float(np.nanmedian([np.nanmedian(np.abs(d)) for d in strips.values()]))


def _strips(height: int, width: int) -> dict[str, Window]:
    """Return a row and a column through the middle, in whole lr pixels."""
    thick = STRIP * FACTOR
    rows, cols = (min(n, LONGEST) // FACTOR * FACTOR for n in (height, width))
    row, col = (max(n - thick, 0) // 2 // FACTOR * FACTOR for n in (height, width))
    top, left = (
        (n - m) // 2 // FACTOR * FACTOR for n, m in ((height, rows), (width, cols))
    )
    return {
        "column": Window(left, row, cols, min(thick, rows)),
        "row": Window(col, top, min(thick, cols), rows),
    }


def _answer(
    model: StudentModel,
    sr: rasterio.DatasetReader,
    s2_images: list[Path],
    window: Window,
    offset: float,
    rows_moved: float = 0.0,
    cols_moved: float = 0.0,
) -> np.ndarray:
    """Run the model over Sentinel-2 on 6 m, below a window of the image and a margin.

    The window may be moved by parts of its pixels.

    Returns:
        The answer inside the window, [bands, h, w] in DN.
    """
    place = sr.window_transform(window) @ Affine.translation(cols_moved, rows_moved)
    place = place @ Affine.scale(FACTOR)
    rows, cols = int(window.height) // FACTOR, int(window.width) // FACTOR
    bands = []
    for path in s2_images:
        with (
            rasterio.open(path) as file,
            WarpedVRT(
                file,
                crs=sr.crs,
                transform=place @ Affine.translation(-MARGIN, -MARGIN),
                width=cols + 2 * MARGIN,
                height=rows + 2 * MARGIN,
                resampling=Resampling.cubic,
                dtype="float32",
                nodata=0,
            ) as vrt,
        ):
            bands.extend(vrt.read())
    lr = np.stack(bands, axis=-1)
    # No data stays 0, and does not become negative.
    lr = np.where(lr > 0, lr - offset, 0)
    start = MARGIN * FACTOR
    inner = slice(start, start + rows * FACTOR), slice(start, start + cols * FACTOR)
    return np.moveaxis(model.hr(lr[None])[0][inner], -1, 0)


def _worst_seam(difference: np.ndarray) -> tuple[float, int]:
    """Find the largest step between two columns: the median of it, and its place."""
    kept = np.flatnonzero(np.isfinite(difference).mean(axis=0) > 0.5)
    if len(kept) < 2:
        return 0.0, 0
    worst = np.nanmedian(np.abs(np.diff(difference[:, kept], axis=1)), axis=0)
    place = int(worst.argmax())
    return float(worst[place]), int(kept[place]) + 1
