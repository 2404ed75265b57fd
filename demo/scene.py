"""Makes the files of the demo: a Spot-7 scene and three Sentinel-2 images of it.

python -m demo.scene demo_run/scene --size 1536
"""

from srtools.errors import SRError, one_line_errors, start

if __name__ == "__main__":
    start()  # answers Ctrl-C while the rest loads

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from rasterio.warp import transform_geom

from demo import sensors
from demo.landscape import MARGIN, draw_landscape
from demo.pair_faults import (
    LEVELS,
    Faults,
    blur,
    cover_with_haze,
    harvest,
    local_shifts,
)
from demo.render import PIXEL, SUN_AZIMUTH, SUN_ZENITH, render
from srtools.conventions import BANDS, FACTOR, S2_SPACING_METRES
from srtools.files import make_folder, whole_file
from srtools.images.figures import stretch, to_display
from srtools.options.parser import number

CRS = "EPSG:32631"
TILE = "31UDQ"
# On the 1.5 m grid, not on the 10 m grid: the 6 m and 10 m pixels are not aligned.
CORNER = (447003.0, 5412996.0)  # of the scene with seed 1
# The scenes of other seeds lie 10 km apart in the same tile; all grids fit into 60 m.
STEP, PLACES = 167 * 60.0, 9
RIM = 40.0  # metres at the edge of the drawing that the optics may not look beyond
WEDGE = 24  # PAN pixels
CATALOGUE = "scene.json"


@dataclass(frozen=True)
class Pass:
    """A date on which Sentinel-2 came by."""

    date: str
    time: str
    cloud_cover: float
    """Cloud cover in the metadata, percent; the Spot image may have more."""
    cloud_share: float = 0.0
    """Share of cloudy pixels."""
    cut: bool = False
    """True if the swath ends in the middle of the Spot image."""


PASSES = (
    Pass("2022-07-04", "105631", cloud_cover=11.8, cloud_share=0.3),
    Pass("2022-07-14", "105629", cloud_cover=3.2),
    # The least cloudy of all in the metadata only.
    Pass("2022-08-08", "105041", cloud_cover=0.4, cut=True),
)
CLEAR = PASSES[1]
SPOT_DATE = "2022-07-16"


def make_scene(
    folder: str | Path,
    *,
    size: int = 1536,
    seed: int = 1,
    shift: tuple[float, float] = (0.0, 0.0),
    gain: float = 1.0,
    bias: float = 0.0,
    wedge: int = WEDGE,
    pair: Faults = LEVELS["good"],
) -> dict:
    """Make the scene.

    Arguments:
        folder: where the files are put.
        size: side of the PAN image in pixels of 1.5 m, a multiple of 4.
        seed: of the landscape, its place and the noise.
        shift: metres east and north by which Sentinel-2 is out of place.
        gain, bias: Sentinel-2 = gain x Spot + bias, in DN.
        wedge: PAN pixels along the sides of the no-data corner; 0: none.
        pair: faults of the pair, for instance one of `LEVELS`.

    Returns:
        Paths of `pan`, `xs`, `truth`, `date` (the day of Spot), `quicklook`, and `s2`:
        B04, B03, B02, B08 of the clear date.

    Raises:
        SRError: if the size is not possible or the folder cannot be written to.
    """
    if size % FACTOR or size < 128:
        raise SRError(f"size is {size}; it must be a multiple of 4 and at least 128")
    folder = make_folder(folder)
    drawing = draw_landscape(size, seed)
    rim = int(MARGIN / PIXEL)
    landscape = render(drawing, -rim, -rim, size + 2 * rim, size + 2 * rim, seed)
    truth = landscape[rim:-rim, rim:-rim]
    random = np.random.default_rng([seed, 2])
    sharp = blur(truth, pair.spot_blur) if pair.spot_blur else truth
    pan, xs = sensors.spot(sharp, random, wedge)
    corner = corner_of(seed)
    place = Affine(PIXEL, 0, corner[0], 0, -PIXEL, corner[1])
    paths = {name: folder / "spot" / f"{name}.tif" for name in ("pan", "xs", "truth")}
    _write(paths["pan"], pan[..., None], place)
    _write(paths["xs"], xs, place @ Affine.scale(FACTOR))
    _write(paths["truth"], truth, place)

    s2_place, x, y = _s2_grid(size, corner)
    seen = _seen(landscape, x - shift[0], y + shift[1], pair, seed)
    catalogue = []
    for when in PASSES:
        light = gain, bias, pair.noise
        entry = _write_pass(folder, when, seen, s2_place, random, light)
        catalogue.append({**entry, "place": (seed - 1) % PLACES**2})
    with whole_file(folder / CATALOGUE) as partial:
        partial.write_text(json.dumps(catalogue, indent=2))
    paths["date"] = folder / "spot" / "date"
    paths["date"].write_text(f"{SPOT_DATE}\n")
    paths["quicklook"] = folder / "quicklook.png"
    _write_picture(paths["quicklook"], truth)
    clear = catalogue[PASSES.index(CLEAR)]["assets"]
    return {**paths, "s2": [folder / clear[band] for band in BANDS]}


def _seen(
    landscape: np.ndarray, x: np.ndarray, y: np.ndarray, faults: Faults, seed: int
) -> np.ndarray:
    """Return the landscape as Sentinel-2 sees it, without noise."""
    random, shifts = np.random.default_rng([seed, 3]), 0.0
    if faults.changed:
        landscape = harvest(landscape, faults.changed, random)
    if faults.relief:
        field = local_shifts(landscape.shape[:2], faults.relief, random)
        rows, cols = np.ix_(*((side / PIXEL).astype(int) for side in (y, x)))
        shifts = field[:, rows, cols]
    seen = sensors.optics(landscape, x, y, faults, shifts)
    return cover_with_haze(seen, faults.haze) if faults.haze else seen


def corner_of(seed: int) -> tuple[float, float]:
    """Return the upper left corner of a scene: 81 places, each for every 81st seed."""
    row, column = divmod((seed - 1) % PLACES**2, PLACES)
    west = PLACES // 2  # the columns beyond the middle lie west of seed 1
    column = (column + west) % PLACES - west
    return CORNER[0] + column * STEP, CORNER[1] + row * STEP


def _s2_grid(
    size: int, corner: tuple[float, float]
) -> tuple[Affine, np.ndarray, np.ndarray]:
    """Lay Sentinel-2's grid over the drawing, in whole pixels of 20 m.

    Returns:
        The transform, and the centres of columns and rows in metres right of and
        below the drawing's corner.
    """
    left, top = corner[0] - MARGIN, corner[1] + MARGIN
    side = size * PIXEL + 2 * MARGIN
    first_x = np.ceil((left + RIM) / 20) * 20
    first_y = np.floor((top - RIM) / 20) * 20
    columns = 2 * int((left + side - RIM - first_x) / 20)
    rows = 2 * int((first_y - (top - side + RIM)) / 20)
    centres = S2_SPACING_METRES * (np.arange(max(columns, rows)) + 0.5)
    place = Affine(S2_SPACING_METRES, 0, first_x, 0, -S2_SPACING_METRES, first_y)
    return place, first_x - left + centres[:columns], top - first_y + centres[:rows]


def _write_pass(
    folder: Path,
    when: Pass,
    seen: np.ndarray,
    place: Affine,
    random: np.random.Generator,
    light: tuple,
) -> dict:
    """Write the images of one date; return its entry in the catalogue.

    `light` is gain, bias and noise of `sensors.digital_numbers`.
    """
    height, width = seen.shape[:2]
    image, classes = seen, sensors.classify(seen)
    if when.cloud_share:
        veil = sensors.clouds((height, width), when.cloud_share, random)
        image = sensors.cover(seen, *veil)
        classes = sensors.classify_clouds(classes, *veil)
    numbers = sensors.digital_numbers(image, random, *light)
    outline = [(0, 0), (width, 0), (width, height), (0, height)]
    if when.cut:
        # The swath ends on a slanted line through the middle.
        top, bottom = round(0.62 * width), round(0.42 * width)
        rows, cols = np.ogrid[:height, :width]
        beyond = cols > top + (bottom - top) * rows / height
        numbers[beyond], classes[beyond] = 0, sensors.NO_DATA
        outline = [(0, 0), (top, 0), (bottom, height), (0, height)]
    start = f"{when.date.replace('-', '')}T{when.time}"
    assets = {}
    for band, values in zip(BANDS, np.moveaxis(numbers, -1, 0), strict=True):
        name = f"s2/{when.date}/T{TILE}_{start}_{band}_10m.tif"
        assets[band] = name
        _write_cog(folder / name, values, place)
    assets["SCL"] = f"s2/{when.date}/T{TILE}_{start}_SCL_20m.tif"
    _write_cog(folder / assets["SCL"], classes[1::2, 1::2], place @ Affine.scale(2))
    corners = [place @ corner for corner in outline]
    polygon = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
    return {
        **asdict(when),
        "tile": TILE,
        "start": start,
        "crs": CRS,
        "assets": assets,
        "shape": [height, width],
        "transform": list(place)[:6],
        "geometry": transform_geom(CRS, "EPSG:4326", polygon),
        "no_data_percent": 100 * float((classes == sensors.NO_DATA).mean()),
        "sun_zenith": SUN_ZENITH,
        "sun_azimuth": SUN_AZIMUTH,
    }


def _bands(pixels: np.ndarray, place: Affine) -> tuple[np.ndarray, dict]:
    stacked = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None]
    return stacked, {
        "count": stacked.shape[0],
        "height": stacked.shape[1],
        "width": stacked.shape[2],
        "dtype": stacked.dtype,
        "crs": CRS,
        "transform": place,
        "compress": "DEFLATE",
        "predictor": 2,
    }


def _write(path: Path, pixels: np.ndarray, place: Affine) -> None:
    """Write [h, w, bands] as a tiled GeoTIFF, as Spot products are."""
    bands, profile = _bands(pixels, place)
    profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with (
        whole_file(path) as partial,
        rasterio.open(partial, "w", driver="GTiff", bigtiff="IF_SAFER", **profile) as f,
    ):
        f.write(bands)


def _write_picture(path: Path, image: np.ndarray) -> None:
    """Write [h, w, bands] as a picture of w x h pixels."""
    pixels = to_display(image[..., :3], stretch(image[..., :3]))
    with whole_file(path) as partial:
        Image.fromarray((255 * pixels).round().astype(np.uint8)).save(partial)


def _write_cog(path: Path, pixels: np.ndarray, place: Affine) -> None:
    """Write [h, w] as a Cloud Optimized GeoTIFF, as the archive has them."""
    bands, profile = _bands(pixels, place)
    with (
        whole_file(path) as partial,
        rasterio.open(partial, "w", driver="COG", blocksize=512, **profile) as file,
    ):
        file.write(bands)


def add_pair(parser: argparse.ArgumentParser) -> None:
    """Add the option `--pair`."""
    parser.add_argument(
        "--pair",
        choices=LEVELS,
        default="good",
        help="faults of the pair: local shifts, changed ground, haze, optics, noise "
        "(default: %(default)s)",
    )


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the demo's scene.")
    parser.add_argument("folder")
    parser.add_argument(
        "--size", type=int, default=1536, help="PAN pixels a side (default: 1536)"
    )
    parser.add_argument(
        "--seed",
        type=number(0),
        default=1,
        help="of the landscape and its place; scenes of two seeds lie apart "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--shift",
        type=number(kind=float),
        nargs=2,
        default=(0.0, 0.0),
        metavar=("X", "Y"),
        help="metres east and north that Sentinel-2 is out of place (default: 0 0)",
    )
    parser.add_argument(
        "--gain",
        type=number(kind=float),
        default=1.0,
        help="Sentinel-2 = gain x Spot + bias",
    )
    parser.add_argument("--bias", type=number(kind=float), default=0.0, help="in DN")
    add_pair(parser)
    params = vars(parser.parse_args(argv))
    pair = LEVELS[params.pop("pair")]
    for name, path in _flat(make_scene(**params, pair=pair)):
        print(f"{name:10s} {path}")
    return 0


def _flat(paths: dict) -> Iterator[tuple[str, Path]]:
    for name, value in paths.items():
        for path in value if isinstance(value, list) else [value]:
            yield name, path


if __name__ == "__main__":
    sys.exit(main())
