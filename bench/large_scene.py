"""A large scene, made quickly: noise in place of a town, but files like real ones.

python -m bench.large_scene FOLDER SIZE [CRS]
"""

import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds, transform_geom

from demo.scene import CATALOGUE
from srtools.conventions import (
    BANDS,
    HR_SPACING_METRES,
    LR_SPACING_METRES,
    OFFSET_DN,
    S2_SPACING_METRES,
)

PAN_PIXEL, XS_PIXEL = HR_SPACING_METRES, LR_SPACING_METRES
S2_PIXEL, SCL_PIXEL = S2_SPACING_METRES, 2 * S2_SPACING_METRES
S2_CRS = "EPSG:32631"
# Off the 10 m grid, as real products are.
LEFT, TOP = 447003.0, 5412996.0
# Sentinel-2 reaches this far beyond Spot on each side, as a part of a tile does.
AROUND = 6000.0
NOISE = 25  # DN, detail of PAN that Sentinel-2 does not show
GROUND = 4  # SCL class: vegetation
STRIP = 512  # lines of PAN that are made at once


def make_scene(folder: Path, size: int, crs: str = S2_CRS) -> None:
    """Write `pan.tif`, `xs.tif`, B04, B03, B02, B08, SCL, `s2.tif` and a catalogue.

    Arguments:
        folder: which must exist.
        size: side of PAN in pixels, a multiple of 4.
        crs: of PAN and XS; Sentinel-2 lies in UTM zone 31.
    """
    random = np.random.default_rng(size)
    corner = (LEFT, TOP)
    if crs != S2_CRS:
        corner = transform_bounds(S2_CRS, crs, LEFT, TOP, LEFT, TOP)[:2]
        corner = tuple(float(PAN_PIXEL * round(value / PAN_PIXEL)) for value in corner)
    side = size * PAN_PIXEL
    bounds = (corner[0], corner[1] - side, corner[0] + side, corner[1])
    s2, s2_place = _write_sentinel2(folder, bounds, crs, random)
    for name, pixel, bands in (("xs", XS_PIXEL, s2), ("pan", PAN_PIXEL, s2[:1])):
        place = Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
        _write_spot(folder / f"{name}.tif", place, crs, bands, s2_place, side, random)


def _write_sentinel2(folder, bounds, crs, random) -> tuple[np.ndarray, Affine]:
    """Write the bands around the bounds; return reflectance x 10000, [4, h, w]."""
    left, bottom, right, top = transform_bounds(crs, S2_CRS, *bounds)
    left, bottom = (SCL_PIXEL * ((v - AROUND) // SCL_PIXEL) for v in (left, bottom))
    width, height = (
        2 * int((last + AROUND - first) / SCL_PIXEL)
        for first, last in ((left, right), (bottom, top))
    )
    place = Affine(S2_PIXEL, 0, left, 0, -S2_PIXEL, bottom + height * S2_PIXEL)
    s2 = np.stack([_texture(height, width, random) for _ in BANDS])
    profile = {"crs": S2_CRS, "compress": "DEFLATE", "predictor": 2}
    cog = {**profile, "driver": "COG", "blocksize": 512}
    numbers = np.rint(s2).astype(np.uint16) + np.uint16(OFFSET_DN)
    assets = {band: f"{band}.tif" for band in BANDS}
    for name, band in zip(assets.values(), numbers, strict=True):
        _write(folder / name, band[None], place, **cog)
    assets["SCL"] = "SCL.tif"
    scl = np.full((1, height // 2, width // 2), GROUND, np.uint8)
    _write(folder / assets["SCL"], scl, place @ Affine.scale(2), **cog)
    _write(folder / "s2.tif", numbers, place, **profile, tiled=True)
    _write_catalogue(folder, assets, place, (height, width))
    return s2, place


def _texture(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """Return noise of several sizes as reflectance x 10000, [h, w]."""
    total = np.full((height, width), 1500.0, np.float32)
    for step, spread in ((1, 60), (4, 120), (16, 200), (64, 200)):
        shape = (height // step + 1, width // step + 1)
        coarse = random.normal(0, spread, shape).astype(np.float32)
        fine = coarse.repeat(step, 0).repeat(step, 1)
        total += fine[:height, :width]
    return np.clip(total, 50, 9000)


def _write_spot(path, place, crs, s2, s2_place, side, random) -> None:
    """Write Sentinel-2 as Spot sees it: resampled, with additional detail."""
    size = round(side / place.a)
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": len(s2),
        "width": size,
        "height": size,
        "crs": crs,
        "transform": place,
        "tiled": True,
        "compress": "DEFLATE",
        "predictor": 2,
        "num_threads": 2,
    }
    with rasterio.open(path, "w", **profile) as file:
        for row in range(0, size, STRIP):
            part = np.empty((len(s2), min(STRIP, size - row), size), np.float32)
            reproject(
                s2,
                part,
                src_transform=s2_place,
                src_crs=S2_CRS,
                dst_crs=crs,
                dst_transform=place @ Affine.translation(0, row),
                num_threads=2,
                resampling=Resampling.bilinear,
            )
            part += NOISE * random.standard_normal(part.shape, np.float32)
            numbers = np.clip(np.rint(part), 1, 65535).astype(np.uint16)
            window = ((row, row + part.shape[1]), (0, size))
            file.write(numbers, window=window)


def _write(path, bands, place, *, driver="GTiff", **profile) -> None:
    count, height, width = bands.shape
    with rasterio.open(
        path,
        "w",
        driver=driver,
        dtype=bands.dtype,
        count=count,
        height=height,
        width=width,
        transform=place,
        **profile,
    ) as file:
        file.write(bands)


def _write_catalogue(folder, assets, place, shape) -> None:
    """Describe the one Sentinel-2 image as `demo.stac` wants it."""
    height, width = shape
    corners = [(0, 0), (width, 0), (width, height), (0, height), (0, 0)]
    outline = {"type": "Polygon", "coordinates": [[place @ c for c in corners]]}
    entry = {
        "tile": "31UDQ",
        "start": "20220714T105629",
        "crs": S2_CRS,
        "assets": assets,
        "shape": shape,
        "transform": list(place)[:6],
        "geometry": transform_geom(S2_CRS, "EPSG:4326", outline),
        "cloud_cover": 0.0,
        "no_data_percent": 0.0,
        "sun_zenith": 30.0,
        "sun_azimuth": 150.0,
    }
    (folder / CATALOGUE).write_text(json.dumps([entry]))


if __name__ == "__main__":
    make_scene(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
