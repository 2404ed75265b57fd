"""Images of otblite in memory, and how their windows are read."""

import threading
import time
from dataclasses import replace

import numpy as np
from affine import Affine
from otblite.image import WORKERS, Grid, Image, Window, from_array
from rasterio.crs import CRS

UTM31 = CRS.from_epsg(32631)


def grid(height: int, width: int, res: float, corner=(0.0, 0.0), crs=UTM31) -> Grid:
    """Return a grid with the upper left corner (x, y)."""
    x, y = corner
    return Grid(crs, Affine(res, 0, x, 0, -res, y), width, height)


def image(pixels, res=6.0, corner=(452300.0, 5411200.0), crs=UTM31) -> Image:
    """Return an image of pixels [h, w] or [h, w, bands]."""
    pixels = np.atleast_3d(pixels)
    return from_array(pixels, grid(*pixels.shape[:2], res, corner, crs))


def noise(height: int, width: int, bands: int, *place) -> Image:
    values = np.random.default_rng(0).integers(1, 4000, (height, width, bands))
    return image(values.astype(np.uint16), *place)


def watched(source: Image) -> tuple[Image, list[Window]]:
    """Return an image that lists the windows read; at most WORKERS are in flight."""
    windows, free = [], threading.Semaphore(WORKERS)

    def read(window):
        assert free.acquire(blocking=False), "too many windows at once"
        windows.append(window)
        time.sleep(0.001)  # the other threads start
        pixels = source.read(window)
        free.release()
        return pixels

    return replace(source, read=read), windows


def samples(window: Window) -> int:
    return window.height * window.width
