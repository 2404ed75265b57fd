"""One Sentinel-2 image: its files, its metadata, and its pixels without the offset.

OTB's pipelines read the files, with the offset; all other code calls `Sentinel2.read`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import Resampling

from srtools.conventions import BANDS, OFFSET_DN, S2_SPACING_METRES
from srtools.errors import SRError
from srtools.images import checks, plausibility, raster, vrt
from srtools.images.band_checks import check_band_metadata, offset_dn
from srtools.images.band_names import check_order, sentinel2_band
from srtools.images.grid import Grid, Window
from srtools.images.plausibility import OFFSET_OPTION
from srtools.images.raster import ImageInfo
from srtools.urls import redact

log = logging.getLogger(__name__)

SPACING_TOLERANCE = 0.02  # of 10 m, because no two CRS agree quite on a metre


@dataclass(frozen=True)
class Sentinel2:
    """One Sentinel-2 image: the files of its tiles, and its metadata."""

    tiles: list[list[str]]
    """Files of each tile: B04, B03, B02, B08, or one file with these bands."""
    scl: list[str] = field(default_factory=list)
    """File of the scene classification of each tile; empty if there is none."""
    offset: int = 0
    """DN to subtract."""
    offset_source: str = ""
    """Source of the offset: an option, metadata, or "" if unknown."""
    record: dict[str, Any] | None = None
    """Entry for the card, if the image comes from a search; None for local images."""
    day: date | None = None
    """Day of acquisition, UTC; None if unknown."""
    images: list[ImageInfo] = field(default_factory=list)
    """Four images with one band or one with four, over all tiles; set by `checked`."""

    @property
    def grid(self) -> Grid:
        """Grid of the pixels, 10 m."""
        return self.images[0].grid

    def read(
        self,
        area: Window | Grid | None = None,
        shape: tuple[int, int] | None = None,
        resampling: Resampling = Resampling.nearest,
    ) -> np.ndarray:
        """Read reflectance x 10000 without offset, at least 1; 0 is nodata.

        The arguments are those of `raster.read`.  The pixels are [h, w, 4] float32,
        B04, B03, B02, B08.
        """
        dn = raster.read(self.images, area, shape, resampling).astype(np.float32)
        return np.where(dn == 0, 0, np.maximum(dn - self.offset, 1))

    def content(self, area: Grid) -> float:
        """Return the share (0-1) of values of pixels that touch `area` and are data.

        0 is nodata; beyond the image there is no data.
        """
        window = self.grid.touched(area.bounds_in(self.grid.crs))

        def read(part: Window) -> np.ndarray:
            return (raster.read(self.images, part) != 0).mean(axis=-1)

        return self.grid.read(window, read, float).mean()

    def days_to(self, day: date | None) -> int | None:
        """Return the days between acquisition and `day`, 0 or more; None if unknown."""
        return abs(self.day - day).days if self.day and day else None

    def checked(
        self, folder: Path | None = None, xs: ImageInfo | None = None
    ) -> "Sentinel2":
        """Check the files and a sample of the pixels; return a copy with `images` set.

        Arguments:
            folder: folder for the VRT files that mosaic several tiles.
            xs: Spot image that Sentinel-2 must cover; pixels are sampled over its
                rectangle.  None: the whole image is sampled.
        """
        tiles = [check_images(files) for files in self.tiles]
        if xs:
            images, outline = [tile[0] for tile in tiles], raster.data_outline(xs)
            for image in images:
                checks.check_metres(image)
                check_spacing(image, xs)
            checks.check_covers(images, xs, outline)
            if self.scl:
                name = "scene classification"
                classes = [raster.describe(path, f"the {name}", 1) for path in self.scl]
                checks.check_covers(classes, xs, outline, name)
        check_tags([image for tile in tiles for image in tile], self)
        samples = [plausibility.sample(tile, xs) for tile in tiles]
        with_data = [x for x in samples if any(values.size for values in x.values())]
        for bands in with_data or samples[:1]:  # a tile may be empty over the area
            plausibility.check_plausible(bands, "the Sentinel-2 image")
            plausibility.check_offset(bands, self.offset, self.offset_source)
        images = tiles[0]
        if len(tiles) > 1:
            mosaics = vrt.write_mosaics(self.tiles, folder)
            images = [raster.describe(path, "the Sentinel-2 image") for path in mosaics]
        return replace(self, images=images)

    def check_area(self, area: ImageInfo | None) -> None:
        """Check that the output has a CRS in metres, and shows ground of Sentinel-2.

        `area` is an image at the place of the output; None: all of Sentinel-2.
        """
        grid = area or self.images[0]
        checks.check_metres(grid)
        if area:
            checks.check_overlaps(self.images[0], area)
        check_spacing(self.images[0], grid)

    def check_training(self, trained: int | None) -> None:
        """Raise if an offset (`trained`, DN) was subtracted in training but not here.

        An offset that the user or the item of a search states is right as it is.
        """
        stated = self.record or self.offset_source == OFFSET_OPTION
        if trained and not (self.offset or self.images[0].offset_removed or stated):
            raise SRError(
                f"the model was trained on Sentinel-2 less {trained} DN, nothing is "
                f"subtracted from {redact(self.images[0].path)}: give --offset "
                f"{trained}, or --offset 0 if its DN are reflectance x 10000"
            )


def check_images(paths: Sequence[str]) -> list[ImageInfo]:
    """Check the four bands of a tile: order, metadata, grid; return their metadata."""
    bands = len(BANDS) // len(paths)
    labels = BANDS if bands == 1 else [", ".join(BANDS)]
    s2 = [
        raster.describe(path, f"the Sentinel-2 image {label}", bands)
        for path, label in zip(paths, labels, strict=True)
    ]
    for image in s2:
        check_band_metadata(image, "the Sentinel-2 image")
    if len(set(paths)) < len(paths):
        raise SRError(
            f"{redact(paths[0])} and the other Sentinel-2 files are not four different "
            f"ones; one for each of {', '.join(BANDS)} is expected"
        )
    checks.check_stack(s2)
    check_order(s2, "the Sentinel-2 image", sentinel2_band)
    return s2


def check_spacing(s2: ImageInfo, grid: ImageInfo) -> None:
    """Warn if the pixels of Sentinel-2 are not 10 m wide in the CRS of `grid`."""
    spacing = s2.spacing_in(grid.crs)
    if abs(spacing / S2_SPACING_METRES - 1) > SPACING_TOLERANCE:
        log.warning(
            "the pixels are %.3g m wide; networks are trained on Sentinel-2 at %g m: "
            "take its 10 m bands",
            spacing,
            S2_SPACING_METRES,
        )


def check_tags(images: Sequence[ImageInfo], s2: Sentinel2) -> None:
    """Raise if the tags of the bands contradict the offset that `s2` subtracts."""
    name, removed = redact(images[0].path), {image.offset_removed for image in images}
    if len(removed) > 1:
        raise SRError(
            f"{name} and the other bands say that {sorted(removed)} DN were subtracted "
            "from them already; give bands of one kind"
        )
    if s2.offset and any(removed):
        raise SRError(
            f"{name} says that {max(removed)} DN were subtracted from it already; give "
            "--offset 0"
        )
    declared = {offset_dn(band) for image in images for band in image.band_infos}
    if OFFSET_DN in declared and not s2.offset:
        conflict = f"the tags of {name} say that {OFFSET_DN} is still in its DN"
        if s2.offset_source != OFFSET_OPTION:
            raise SRError(
                f"{conflict}: give --offset {OFFSET_DN}, or 0 if the tags are wrong"
            )
        log.warning("%s, and nothing is subtracted", conflict)
