"""Exercise 5: check the place, the values and the seams of the image."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from scipy.ndimage import binary_fill_holes, maximum_filter
from skimage.registration import phase_cross_correlation

from lesson.displacement import displacement
from lesson.report import Report
from lesson.student_model import StudentModel
from srtools.conventions import BANDS, FACTOR, HR_SPACING_METRES
from srtools.errors import SRError

MOST_SHIFT_METRES = 1.5
# Displacement between the image and the model's answer, pixels of the image, the passes
# in which it is measured, and what is neither half a pixel nor whole ones.
LEAST_MOVED, PASSES, PART_OF_PIXEL = 0.05, 5, 0.4
# Mean of the image over that of Sentinel-2, and their correlation once it is moved.
RADIOMETRY, LEAST_CORRELATION = (0.85, 1.15), 0.7
# Tolerance between the image and the model's answer, DN: resampling and rounding; and
# what rounding alone explains.
MOST_DIFFERENCE, ROUNDING = 10, 1
# Largest step between columns beyond that of the model's answer, DN.
SEAM = 4
# The model is run on strips: their thickness and margin, lr pixels, and their greatest
# length, pixels of the image; and on squares where it is least like Sentinel-2.
STRIP, MARGIN = 32, 24
LONGEST = 8192
SQUARE, SQUARES = STRIP * FACTOR, 4  # pixels of the image
# Pixels of Sentinel-2: side of the blocks in which they are compared, and distance of
# the blocks from the edge.
BLOCK, REACH = 16, 24
LEAST_SIDE = 64  # pixels of the image


def check_image(
    image: Path, s2_images: list[Path], offset: float, model_dir: Path
) -> Report:
    """Check the image that exercise 5 wrote against Sentinel-2 and the model."""
    report = Report()
    model = StudentModel(model_dir)
    try:
        with rasterio.open(image) as sr, rasterio.open(s2_images[0]) as s2:
            _check_bands(s2_images)
            scene = Scene(model, sr, s2_images, offset)
            # Each check stops at its root cause: the next ones would report it again.
            if _check_form(report, sr, s2):
                places = _check_place(report, scene, s2)
                if places is not None:
                    _check_answer(report, scene, places)
    except rasterio.errors.RasterioIOError as error:
        raise SRError(
            f"an image cannot be read ({error}); give GeoTIFF, or what GDAL reads"
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
    place, side = sr.transform, HR_SPACING_METRES
    hint = "output.spcscale is 1 / 4, and the input lies on the 6 m grid"
    if place.e > 0:
        hint = "rows run from south to north: the height of a pixel must be negative"
    left, bottom, right, top = np.subtract(sr.bounds, s2.bounds)
    inside = min(left, bottom) >= -6 and max(right, top) <= 6
    bits = "write the output in DN as uint16; reflectance below 1 would become 0"
    less = f"place and seams cannot be measured below {LEAST_SIDE} pixels on a side"
    square = np.allclose(place[:6], (side, 0, place.c, 0, -side, place.f))
    kind, size = sr.dtypes[0], f"{sr.width} x {sr.height} pixels"
    lines = [
        (sr.count == len(BANDS), f"four bands ({sr.count})", "as Sentinel-2's"),
        (kind in ("uint16", "int16"), f"pixels of 16 bits ({kind})", bits),
        (
            sr.crs == s2.crs,
            f"the CRS of Sentinel-2 ({sr.crs})",
            "keep that of the input",
        ),
        (square, f"pixels of 1.5 m ({place.a:g} x {place.e:g})", hint),
        (inside, "the image lies inside Sentinel-2", "the corner is wrong"),
        (min(sr.shape) >= LEAST_SIDE, f"the image can be compared ({size})", less),
    ]
    return all(report.check(*line) for line in lines)


@dataclass(frozen=True)
class Scene:
    """An image whose first lr pixel begins `phase` rows and columns inside."""

    model: StudentModel
    sr: rasterio.DatasetReader
    s2_images: list[Path]
    offset: float
    phase: tuple[int, int] = (0, 0)

    @property
    def no_data(self) -> float:
        """Value of pixels without data."""
        return 0 if self.sr.nodata is None else self.sr.nodata

    def pixels(self, window: Window) -> np.ndarray:
        """Read the image, [bands, h, w]; nan where a band has no data."""
        pixels = self.sr.read(window=window).astype(float)
        valid = ((pixels > 0) & (pixels != self.no_data)).all(axis=0)
        return np.where(valid, pixels, np.nan)

    def means(self, s2: rasterio.DatasetReader, window: Window) -> np.ndarray:
        """Read the image's means over pixels of Sentinel-2, [bands, h, w]."""
        with WarpedVRT(
            self.sr,
            crs=s2.crs,
            transform=s2.window_transform(window),
            width=int(window.width),
            height=int(window.height),
            resampling=Resampling.average,
            src_nodata=self.no_data,
            nodata=0,
        ) as vrt:
            return vrt.read().astype(float)

    def sentinel2(self, window: Window) -> np.ndarray:
        """Read pixels of Sentinel-2 without the offset, [bands, h, w]."""
        bands = []
        for path in self.s2_images:
            with rasterio.open(path) as file:
                bands.extend(file.read(window=window).astype(float))
        return np.stack(bands) - self.offset

    def window(
        self, height: int, width: int, middle: tuple[float, float] | None = None
    ) -> Window:
        """Return a window of whole lr pixels around a pixel, by default the middle."""
        n, first = np.array(self.sr.shape), np.array(self.phase)
        size = np.minimum((height, width), n - first) // FACTOR * FACTOR
        middle = (n + first) / 2 if middle is None else np.array(middle)
        start = np.clip(middle - size / 2 - first, 0, n - first - size).astype(int)
        start = start // FACTOR * FACTOR + first
        return Window(*start[::-1].tolist(), *size[::-1].tolist())

    def strips(self) -> dict[str, Window]:
        """Return a row and a column through the middle, on which seams are sought."""
        sizes = {"column": (SQUARE, LONGEST), "row": (LONGEST, SQUARE)}
        return {name: self.window(*size) for name, size in sizes.items()}

    def answer(
        self, window: Window, rows_moved: float = 0.0, cols_moved: float = 0.0
    ) -> np.ndarray:
        """Run the model over Sentinel-2 on 6 m, below a window: [bands, h, w], DN.

        The window may be moved by parts of its pixels.  The answer is nan where the
        model may see beyond Sentinel-2, which a script may continue in its own way.
        """
        place = self.sr.window_transform(window)
        place = place @ Affine.translation(cols_moved, rows_moved)
        place = place @ Affine.scale(FACTOR)
        rows, cols = int(window.height) // FACTOR, int(window.width) // FACTOR
        bands = []
        for path in self.s2_images:
            with (
                rasterio.open(path) as file,
                WarpedVRT(
                    file,
                    crs=self.sr.crs,
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
        lr = np.where(lr > 0, lr - self.offset, 0)
        beyond = maximum_filter((lr == 0).any(axis=-1), 2 * MARGIN + 1)
        beyond = beyond.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
        start = MARGIN * FACTOR
        inner = slice(start, start + rows * FACTOR), slice(start, start + cols * FACTOR)
        answer = np.where(beyond[..., None], np.nan, self.model.hr(lr[None])[0])
        return np.moveaxis(answer[inner], -1, 0)

    def difference(self, window: Window) -> np.ndarray:
        """Return the image less the answer, mean of the bands, [h, w]."""
        return (self.pixels(window) - self.answer(window)).mean(axis=0)

    def in_phase(self) -> "Scene":
        """Return the scene with the phase that fits best: it may be cut anywhere."""
        scenes = [replace(self, phase=p) for p in product(range(FACTOR), repeat=2)]
        sizes = [_size([s.difference(s.window(SQUARE, SQUARE))]) for s in scenes]
        return scenes[int(np.argmin(sizes))]


def _common(sr: rasterio.DatasetReader, s2: rasterio.DatasetReader) -> Window:
    """Return the pixels of Sentinel-2 that lie inside, as whole numbers."""
    left, bottom, right, top = sr.bounds
    col, row = np.ceil(np.maximum(~s2.transform @ (left, top), 0)).astype(int)
    last = np.minimum(~s2.transform @ (right, bottom), (s2.width, s2.height))
    return Window(col, row, *(last.astype(int) - (col, row)))


def _check_place(
    report: Report, scene: Scene, s2: rasterio.DatasetReader
) -> list[tuple[float, float]] | None:
    """Return where image and Sentinel-2 differ most, or None if a check failed."""
    window = _common(scene.sr, s2)
    coarse, truth = scene.means(s2, window), scene.sentinel2(window)
    seen = (truth > -scene.offset).all(axis=0)
    valid, empty = (coarse > 0).all(axis=0) & seen, (coarse <= 0).all(axis=0)
    share = float(valid.mean())
    holes = int((binary_fill_holes(~empty) & empty & seen).sum())
    if not report.check(
        share > 0.5 and not holes,
        f"the image has data ({share:.0%}; holes of {holes} pixels of 10 m)",
        f"{scene.no_data:g} stands for no data: is a tile missing, or was reflectance "
        "written as whole numbers?",
    ):
        return None
    ratios = coarse[:, valid].mean(axis=1) / truth[:, valid].mean(axis=1)
    if not report.check(
        all(RADIOMETRY[0] <= ratio <= RADIOMETRY[1] for ratio in ratios),
        "the image is as bright as Sentinel-2, band by band "
        f"({' '.join(f'{ratio:.2f}' for ratio in ratios)})",
        "the offset, the order of bands, or the factor 10 000 of the output",
    ):
        return None
    a, b = (np.where(valid, x.mean(0), x[:, valid].mean()) for x in (truth, coarse))
    if not _check_shift(report, a, b):
        return None
    difference = np.where(valid, np.abs(coarse - truth).mean(axis=0), 0)
    return _worst_blocks(difference, window, s2, scene.sr)


def _check_shift(report: Report, truth: np.ndarray, coarse: np.ndarray) -> bool:
    moved, *_ = phase_cross_correlation(
        truth, coarse, upsample_factor=50, normalization=None
    )
    north, east = 10 * moved * (1, -1) + 0.0
    back = np.roll(coarse, np.round(moved).astype(int), axis=(0, 1))
    alike = np.corrcoef(truth.ravel(), back.ravel())[0, 1]
    return report.check(
        alike >= LEAST_CORRELATION,
        f"the image shows the ground of Sentinel-2 (correlation {alike:.2f})",
        "rows or columns are reversed, tiles are exchanged, or it is another place",
    ) and report.check(
        np.hypot(north, east) <= MOST_SHIFT_METRES,
        f"the image lies where Sentinel-2 lies ({east:+.1f} m east, {north:+.1f} m "
        "north)",
        "a corner was taken for a centre, or the crop is missing in the origin",
    )


def _worst_blocks(
    difference: np.ndarray,
    window: Window,
    s2: rasterio.DatasetReader,
    sr: rasterio.DatasetReader,
) -> list[tuple[float, float]]:
    """Return the rows and columns of the image in the middle of the worst blocks."""
    rows, cols = (n // BLOCK for n in difference.shape)
    blocks = difference[: rows * BLOCK, : cols * BLOCK]
    blocks = blocks.reshape(rows, BLOCK, cols, BLOCK).mean(axis=(1, 3))
    first = np.array([window.row_off, window.col_off])
    places = []
    for index in np.argsort(-blocks, axis=None):
        place = first + BLOCK * (np.array(np.unravel_index(index, blocks.shape)) + 0.5)
        # The model sees ground around the square that is compared.
        if (np.minimum(place, s2.shape - place) >= REACH).all():
            row, col = place
            places.append((~sr.transform @ (s2.transform @ (col, row)))[::-1])
    return places[:SQUARES]


def _check_answer(
    report: Report, scene: Scene, places: list[tuple[float, float]]
) -> None:
    """Run the model over strips of the image; the difference shows the tiles."""
    strips, moved = _measure(scene)
    north, east = np.round(HR_SPACING_METRES * moved * (1, -1), 2) + 0.0
    if not report.check(
        not moved.any(),
        f"the image lies where the model's answer lies ({east:+.2f} m east, "
        f"{north:+.2f} m north)",
        "a part of a pixel: was the corner rounded, or the image resampled?"
        if np.abs(moved).max() < PART_OF_PIXEL
        else "0.75 m: a corner was taken for a centre; more: the crop was forgotten",
    ):
        return
    off = _size(strips.values())
    if off > ROUNDING:
        cut = scene.in_phase()
        others = {name: cut.difference(w) for name, w in cut.strips().items()}
        if _size(others.values()) < off / 2:
            scene, strips, off = cut, others, _size(others.values())
    if report.check(
        off <= MOST_DIFFERENCE,
        f"the image is the model's own answer ({off:.1f} DN apart in the middle)",
        "is it this model, its input on 6 m without offset, and not resampled after?",
    ) and _check_seams(report, strips, scene.phase):
        _check_squares(report, scene, places)


def _check_seams(report: Report, strips: dict, phase: tuple[int, int]) -> bool:
    passed = True
    for name, difference in strips.items():
        # Steps between columns; those between rows are the columns of the other strip.
        image = difference if name == "column" else difference.T
        worst, place = _worst_seam(image)
        place += phase[name == "column"]
        passed &= report.check(
            worst < SEAM,
            f"no {name} is a seam (at most {worst:.1f} DN, after {name} {place})",
            "tiles need a margin as large as the receptive field, which is cut away",
        )
    return passed


def _check_squares(
    report: Report, scene: Scene, places: list[tuple[float, float]]
) -> None:
    squares = {p: scene.difference(scene.window(SQUARE, SQUARE, p)) for p in places}
    sizes = {p: float(np.nanquantile(np.abs(d), 0.75)) for p, d in squares.items()}
    row, col = max(sizes, key=sizes.get, default=(0, 0))
    worst = sizes.get((row, col), 0.0)
    report.check(
        worst <= MOST_DIFFERENCE,
        "the image is the model's answer where it is least like Sentinel-2, too "
        f"({worst:.1f} DN apart near row {row:.0f}, column {col:.0f})",
        "a tile is wrong there: another place, another model, or damaged",
    )


def _measure(scene: Scene) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return image less answer on each strip, and how far the image is off, pixels.

    It is off, and not 0, only if moving it back explains most of the difference.
    """
    windows = scene.strips()
    pixels = {name: scene.pixels(window) for name, window in windows.items()}

    def compare(moved: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        strips, rests = {}, []
        for name, window in windows.items():
            answer = scene.answer(window, *moved)
            strips[name] = (pixels[name] - answer).mean(axis=0)
            rests.append(displacement(pixels[name].mean(axis=0), answer.mean(axis=0)))
        return strips, np.mean(rests, axis=0)

    strips, rest = compare(np.zeros(2))
    moved, others = rest, strips
    for _ in range(PASSES):
        if np.hypot(*moved) < LEAST_MOVED:
            break
        others, rest = compare(moved)
        moved = moved + rest
    sizes = [_size(each.values()) for each in (others, strips)]
    real = np.hypot(*moved) >= LEAST_MOVED and sizes[0] < sizes[1] / 2
    return strips, moved * real


def _size(differences: Iterable[np.ndarray]) -> float:
    """Return the size of the differences, DN; seams and other details do not count."""
    return float(np.nanmedian([np.nanmedian(np.abs(d)) for d in differences]))


def _worst_seam(difference: np.ndarray) -> tuple[float, int]:
    """Find the largest step between two columns: the median of it, and its place."""
    kept = np.flatnonzero(np.isfinite(difference).mean(axis=0) > 0.5)
    if len(kept) < 2:
        return 0.0, 0
    worst = np.nanmedian(np.abs(np.diff(difference[:, kept], axis=1)), axis=0)
    place = int(worst.argmax())
    return float(worst[place]), int(kept[place]) + 1
