"""Exercise 5: does the image lie where it should, without a seam, in DN?"""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from skimage.registration import phase_cross_correlation

from lesson.report import Report
from lesson.served import Served
from srtools.conventions import BANDS, FACTOR, HR_SPACING_METRES
from srtools.errors import SRError

MOST_SHIFT_METRES = 1.5
# Mean of the image over that of Sentinel-2.
RADIOMETRY = (0.85, 1.15)
# DN between the image and the model's answer: another cubic resampling, rounding.
MOST_DIFFERENCE = 10
# DN that all of a column may differ from the next one, beyond what the model says.
SEAM = 4
# lr pixels of the parts in which the model is run: how thick, and what is around them;
# and their length in pixels of the image.
STRIP, MARGIN = 32, 24
LONGEST = 8192


def check_image(
    image: Path, s2_images: list[Path], offset: float, model_dir: Path
) -> Report:
    """Check the image that exercise 5 wrote against Sentinel-2 and the model."""
    report = Report()
    model = Served(model_dir)
    try:
        with rasterio.open(image) as sr, rasterio.open(s2_images[0]) as s2:
            if _check_form(report, sr, s2):
                seen = _as_sentinel2(sr, s2)
                _check_place(report, sr, s2_images, seen, offset)
                _check_answer(report, model, sr, s2_images, offset)
    except rasterio.errors.RasterioIOError as error:
        raise SRError(
            f"an image cannot be read ({error}); --image and --s2_images are GeoTIFF, "
            "or another format that GDAL reads"
        ) from None
    return report


def _check_form(
    report: Report, sr: rasterio.DatasetReader, s2: rasterio.DatasetReader
) -> bool:
    bands = report.check(
        sr.count == len(BANDS), f"it has four bands ({sr.count})", "as Sentinel-2's"
    )
    report.check(
        sr.dtypes[0] in ("uint16", "int16"),
        f"its pixels have 16 bits ({sr.dtypes[0]})",
        "write the output in DN as uint16; reflectance below 1 would become 0",
    )
    crs = report.check(
        sr.crs == s2.crs,
        f"it has the CRS of Sentinel-2 ({sr.crs})",
        "the output keeps the CRS of the input",
    )
    size = report.check(
        np.allclose(sr.res, HR_SPACING_METRES, rtol=1e-6),
        f"its pixels are 1.5 m ({sr.res[0]:g} x {sr.res[1]:g})",
        "output.spcscale is 1 / 4, and the input lies on the 6 m grid",
    )
    left, bottom, right, top = sr.bounds
    inside = (
        left >= s2.bounds.left - 6
        and right <= s2.bounds.right + 6
        and bottom >= s2.bounds.bottom - 6
        and top <= s2.bounds.top + 6
    )
    report.check(inside, "it lies inside the Sentinel-2 image", "its corner is wrong")
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
    """Give the pixels of Sentinel-2 that lie inside, as whole numbers."""
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
    seen: np.ndarray,
    offset: float,
) -> None:
    bands = []
    for path in s2_images:
        with rasterio.open(path) as file:
            bands.extend(file.read(window=_common(sr, file)).astype(float))
    truth = np.stack(bands) - offset
    there = (seen > 0).all(axis=0) & (truth > -offset).all(axis=0)
    share = float(there.mean())
    if not report.check(
        share > 0.5, f"it has data ({share:.0%} of it)", "0 stands for no data"
    ):
        return
    ratios = seen[:, there].mean(axis=1) / truth[:, there].mean(axis=1)
    report.check(
        all(RADIOMETRY[0] <= ratio <= RADIOMETRY[1] for ratio in ratios),
        "it is as bright as Sentinel-2, band by band "
        f"({' '.join(f'{ratio:.2f}' for ratio in ratios)})",
        "the offset, the order of bands, or the factor 10 000 of the output",
    )
    a, b = (np.where(there, x.mean(axis=0), x[:, there].mean()) for x in (truth, seen))
    moved, *_ = phase_cross_correlation(a, b, upsample_factor=50, normalization=None)
    south, east = moved
    shift = 10 * -east, 10 * south
    report.check(
        np.hypot(*shift) <= MOST_SHIFT_METRES,
        f"it lies where Sentinel-2 lies ({shift[0]:+.1f} m east, {shift[1]:+.1f} m "
        "north)",
        "a corner was taken for a centre, or the crop is missing in the origin",
    )


def _check_answer(
    report: Report,
    model: Served,
    sr: rasterio.DatasetReader,
    s2_images: list[Path],
    offset: float,
) -> None:
    """Run the model over a row and a column of the image, each in one piece.

    The ground is the same in both, so that what is left shows the tiles alone.
    """
    strips = {}
    for name, window in _strips(sr.height, sr.width).items():
        lr, inner = _lr(sr, s2_images, window, offset)
        answer = np.moveaxis(model.hr(lr[None])[0][inner], -1, 0)
        pixels = sr.read(window=window).astype(float)
        there = (pixels > 0).all(axis=0)
        strips[name] = np.where(there, (pixels - answer).mean(axis=0), np.nan)
    off = float(np.nanmedian([np.nanmedian(np.abs(d)) for d in strips.values()]))
    report.check(
        off <= MOST_DIFFERENCE,
        f"it is the model's own answer ({off:.1f} DN apart in the middle)",
        "is it this model, Sentinel-2 on the 6 m grid without offset, and bands in "
        "order?",
    )
    for name, difference in strips.items():
        # Steps between columns; those between rows are the columns of the other strip.
        image = difference if name == "column" else difference.T
        worst, place = _worst_seam(image)
        report.check(
            worst < SEAM,
            f"no {name} is a seam (at most {worst:.1f} DN, after {name} {place})",
            "tiles need a margin as large as the receptive field, which is cut away",
        )


def _strips(height: int, width: int) -> dict[str, Window]:
    """Give a row and a column through the middle, in whole lr pixels."""
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


def _lr(
    sr: rasterio.DatasetReader, s2_images: list[Path], window: Window, offset: float
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Resample Sentinel-2 below a window of the image, and a margin, to 6 m.

    Returns:
        lr [h, w, bands] in DN, and where the window lies in the answer.
    """
    place = sr.window_transform(window) @ Affine.scale(FACTOR)
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
    # Where there is no Sentinel-2 there is no negative reflectance either.
    lr = np.where(lr > 0, lr - offset, 0)
    start = MARGIN * FACTOR
    inner = slice(start, start + rows * FACTOR), slice(start, start + cols * FACTOR)
    return lr, inner


def _worst_seam(difference: np.ndarray) -> tuple[float, int]:
    """Find the largest step between two columns: the median of it, and its place."""
    kept = np.flatnonzero(np.isfinite(difference).mean(axis=0) > 0.5)
    if len(kept) < 2:
        return 0.0, 0
    worst = np.nanmedian(np.abs(np.diff(difference[:, kept], axis=1)), axis=0)
    place = int(worst.argmax())
    return float(worst[place]), int(kept[place]) + 1
