"""Small GeoTIFFs for the tests."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine


def write_geotiff(
    path: Path | str, pixels: np.ndarray, place: Affine, crs="EPSG:32631", **profile
) -> str:
    """Write pixels [h, w] or [h, w, bands]; return the path."""
    bands = np.moveaxis(np.atleast_3d(pixels), -1, 0)
    count, height, width = bands.shape
    profile |= {"driver": "GTiff", "dtype": bands.dtype, "crs": crs, "count": count}
    profile |= {"height": height, "width": width, "transform": place}
    with rasterio.open(path, "w", **profile) as file:
        file.write(bands)
    return str(path)
