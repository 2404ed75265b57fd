"""Small GeoTIFFs for the tests."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

UTM31 = "EPSG:32631"
CORNER = (452001.0, 5412003.0)


def write_geotiff(
    path: Path | str, pixels: np.ndarray, place: Affine, crs=UTM31, **profile
) -> str:
    """Write pixels [h, w] or [h, w, bands]; return the path."""
    bands = np.moveaxis(np.atleast_3d(pixels), -1, 0)
    count, height, width = bands.shape
    profile |= {"driver": "GTiff", "dtype": bands.dtype, "crs": crs, "count": count}
    profile |= {"height": height, "width": width, "transform": place}
    with rasterio.open(path, "w", **profile) as file:
        file.write(bands)
    return str(path)


def read_image(path: Path | str) -> tuple[np.ndarray, dict]:
    """Read pixels [h, w, bands] and the profile."""
    with rasterio.open(path) as file:
        return np.moveaxis(file.read(), 0, -1), file.profile


def write_raster(
    folder: Path, name: str, array, spacing=6.0, corner=CORNER, crs=UTM31, **profile
) -> str:
    """Write pixels of a spacing with the upper left corner (x, y); return the path."""
    place = Affine(spacing, 0, corner[0], 0, -spacing, corner[1])
    return write_geotiff(folder / name, array, place, crs, **profile)
