"""Make a pair of images whose truth is known from one real image: Wald's protocol.

    python -m docs.wald sentinel2_gers.tif gers

The 10 m pixels of IMAGE (B04, B03, B02, B08, reflectance x 10 000 without offset) are
relabelled 1.5 m and become the truth.  FOLDER gets `pan.tif`, a mean of red, green and
blue; `xs.tif`, the means of 4 x 4 pixels; and `B04.tif` and so on, a copy on a
grid of 10 m, blurred more than Sentinel-2 is.
"""

import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from scipy.ndimage import gaussian_filter, map_coordinates

from srtools.conventions import BANDS

PIXEL, S2_PIXEL = 1.5, 10.0  # metres
LEFT, TOP, CRS = 452001.0, 5412003.0, "EPSG:32631"  # anywhere on land
BLUR = 6.6  # metres: leaves 0.12 of the contrast at one cycle in 20 m
NOISE = 4.0  # DN, standard deviation
PAN = (0.35, 0.35, 0.3, 0.0)  # weights of the bands
RIM = 60.0  # metres of Sentinel-2 around Spot, at least


def main() -> None:
    """Make the pair of the image and the folder of the command line."""
    image, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with rasterio.open(image) as file:
        truth = np.moveaxis(file.read(), 0, -1).astype(np.float64)
    height, width = (side // 4 * 4 for side in truth.shape[:2])
    truth = truth[:height, :width]
    xs = truth.reshape(height // 4, 4, width // 4, 4, -1).mean(axis=(1, 3))
    write(folder / "pan.tif", truth @ PAN, PIXEL, LEFT, TOP)
    write(folder / "xs.tif", xs, 4 * PIXEL, LEFT, TOP)
    random = np.random.default_rng(0)
    for band, pixels in zip(BANDS, np.moveaxis(truth, -1, 0), strict=True):
        write(folder / f"{band}.tif", *as_sentinel2(pixels, random))


def as_sentinel2(
    truth: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, float, float, float]:
    """Blur [h, w] and sample it at the pixels of 10 m; beyond its edge it is mirrored.

    Returns:
        Pixels with noise, their size, and the left and top of their grid, which is not
        aligned with that of the truth.
    """
    left, top = (LEFT - RIM) // 10 * 10, -((-TOP - RIM) // 10 * 10)
    rows, cols = (int((side * PIXEL + 2 * RIM) // 10) + 1 for side in truth.shape)
    y = (TOP - top + S2_PIXEL * (np.arange(rows) + 0.5)) / PIXEL - 0.5
    x = (left - LEFT + S2_PIXEL * (np.arange(cols) + 0.5)) / PIXEL - 0.5
    blurred = gaussian_filter(truth, BLUR / PIXEL, mode="mirror")
    sampled = map_coordinates(blurred, np.meshgrid(y, x, indexing="ij"), mode="mirror")
    return sampled + random.normal(0, NOISE, sampled.shape), S2_PIXEL, left, top


def write(path: Path, image: np.ndarray, pixel: float, left: float, top: float) -> None:
    """Write [h, w] or [h, w, bands] as 16 bits; 0 stays free for nodata."""
    image = np.atleast_3d(np.clip(np.rint(image), 1, 65535).astype(np.uint16))
    shape = dict(zip(("height", "width", "count"), image.shape, strict=True))
    place = Affine(pixel, 0, left, 0, -pixel, top)
    options = {"crs": CRS, "transform": place, "dtype": "uint16", "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **options) as file:
        file.write(np.moveaxis(image, -1, 0))
    print(path)


if __name__ == "__main__":
    main()
