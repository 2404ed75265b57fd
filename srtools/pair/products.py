"""The files of exercise 1: patches, Sentinel-2's own pixels, styles, pictures, card."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from srtools import cards, files
from srtools.conventions import (
    BANDS,
    DATASET_CARD,
    FACTOR,
    GROUPS,
    KINDS,
    OFFSET_TAG,
    OWN_GRID_IMAGE,
    SCALE,
    patches_name,
)
from srtools.engine import engine_errors
from srtools.images import qgis, vrt
from srtools.images.figures import quicklook
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, check_written, describe
from srtools.pair import pictures
from srtools.pair.groups import Split
from srtools.pair.inputs import Settings
from srtools.pair.quality import PairQuality
from srtools.patches import patch_files
from srtools.sentinel2.source import Sentinel2
from srtools.urls import redact

log = logging.getLogger(__name__)

PAIR_PICTURE, SPLIT_PICTURE = "pair.png", "split.png"
MARGIN_METRES = 20.0  # of Sentinel-2's own pixels, kept around the area
CREATION_OPTIONS = (
    "gdal:co:COMPRESS=DEFLATE&gdal:co:PREDICTOR=2&gdal:co:ZLEVEL=1"
    "&gdal:co:BIGTIFF=IF_SAFER"
)


def output_files(out_dir: str | Path, groups: Sequence[str] = GROUPS) -> list[Path]:
    """List the files that the exercise makes for some groups."""
    patches = [patches_name(group, kind) for group in groups for kind in KINDS]
    images = [*patches, OWN_GRID_IMAGE]
    styles = [qgis.style_of(image) for image in images]
    others = (PAIR_PICTURE, SPLIT_PICTURE, DATASET_CARD)
    return [Path(out_dir) / name for name in (*images, *styles, *others)]


def check_outputs(options: Settings) -> None:
    """Check that the files can be written, before anything is searched for."""
    outputs = output_files(options.out_dir)
    files.check_name(options.out_dir)
    files.refuse_folders(outputs)
    files.refuse_existing(outputs, options.overwrite, options.inputs)


@contextmanager
def written(options: Settings) -> Iterator["Products"]:
    """Yield the products; at the end all files appear, after an error none.

    Files of an earlier run that are not made again go.
    """
    outputs = output_files(options.out_dir, options.groups)
    with files.whole_files(outputs, output_files(options.out_dir)) as folder:
        yield Products(options, folder)


def summary(options: Settings, card: dict) -> str:
    """Return the lines that a run ends with."""
    groups, folder = card["groups"].items(), options.out_dir
    lines = [f"{group:5s} {entry['patches']:6d} patches" for group, entry in groups]
    groups = ",".join(options.groups)
    lines += [f"written: {folder}/{{{groups}}}_{{lr,hr}}_patches.tif"]
    return "\n".join([*lines, f"look at: {folder}/{{{PAIR_PICTURE},{SPLIT_PICTURE}}}"])


@dataclass
class Products:
    """Files in a temporary folder, and what the card keeps of how they were made."""

    options: Settings
    folder: Path
    facts: dict[str, Any] = field(default_factory=lambda: {"coregistered": None})

    @property
    def centres(self) -> dict[str, Path]:
        """File for the centres of the patches of each group."""
        return {g: self.folder / f"{g}_centres.geojson" for g in self.options.groups}

    def patches(self, group: str) -> dict[str, Path]:
        """Return the files for the patches of a group, by kind."""
        return {kind: self.folder / patches_name(group, kind) for kind in KINDS}

    def displace(
        self, pan: ImageInfo, xs: ImageInfo, quality: PairQuality
    ) -> list[ImageInfo]:
        """Move the Spot images to where Sentinel-2 shows their ground.

        Two small VRT files hold their new place.  Moving Sentinel-2 instead would
        interpolate its pixels twice, and patches have no place.
        """
        shift = quality.reliable_shift()
        self.facts["coregistered"] = quality.record()["shift"]
        log.info("moving Spot by %+.2f m east, %+.2f m north", *shift)
        return [
            describe(vrt.write_displaced(self.folder / f"{n}.vrt", image, *shift), n)
            for n, image in (("pan", pan), ("xs", xs))
        ]

    @engine_errors("keeping Sentinel-2")
    def keep(self, s2: Any, original: str, area: ImageInfo, offset: int = 0) -> None:
        """Write the pixels of Sentinel-2 over an area on their own grid.

        Exercise 4 needs them: patches hold them interpolated to the 6 m of Spot's XS.

        Arguments:
            s2: pyotb object, reflectance x 10000, in the CRS of the file `original`.
            area: image over whose rectangle to keep them.
            offset: DN that were subtracted, for a tag of the file.
        """
        path, crs = self.folder / OWN_GRID_IMAGE, describe(original, "Sentinel-2").crs
        height, width = s2.shape[:2]
        grid = Grid(crs, rasterio.Affine(*s2.transform[:6]), width, height)
        over = grid.centred(Grid.of(area).bounds_in(crs, MARGIN_METRES))
        part = s2[grid.clip(over)]
        part.write(str(path), pixel_type="uint16", ext_fname=CREATION_OPTIONS)
        check_written(path)
        with rasterio.open(path, "r+") as file:
            file.descriptions = BANDS
            file.update_tags(**{OFFSET_TAG: offset})
        record = describe(path, "the kept Sentinel-2 image").record()
        self.facts["sentinel2_own_grid"] = {**record, "path": OWN_GRID_IMAGE}

    def finish(
        self,
        spot: tuple[ImageInfo, ImageInfo],
        s2: Sentinel2,
        quality: PairQuality,
        split: Split,
        windows: dict[str, np.ndarray],
    ) -> dict[str, Any]:
        """Check the patches; write styles, pictures and the card; return the card."""
        size, (pan, xs) = self.options.patch_size, spot
        for group, places in windows.items():
            paths = self.patches(group)
            for path in paths.values():
                check_written(path)  # OTB says nothing of a full disk
            patch_files.lay_over(paths.values())
            patch_files.check_count(paths["lr"], len(places))
        # One stretch, so that lr and hr compare.
        limits = qgis.limits_of(self.folder / OWN_GRID_IMAGE)
        for image in self.folder.glob("*.tif"):
            qgis.write_style(qgis.style_of(image), limits)
        image, shape = quicklook(xs.path), (xs.height, xs.width)
        pictures.save_pair(self.folder / PAIR_PICTURE, quality, image, shape)
        path = self.folder / SPLIT_PICTURE
        pictures.save_split(path, image, shape, windows, size)
        files_of_s2 = {"files": [[redact(path) for path in tile] for tile in s2.tiles]}
        card = {
            "bands": list(BANDS),
            "factor": FACTOR,
            "offset": s2.offset,
            "scale": SCALE,
            "lr": {"patch_size": size, "spacing": xs.spacing},
            "hr": {"patch_size": FACTOR * size, "spacing": pan.spacing},
            "split": split.facts,
            "step": size,
            "proportions": list(self.options.proportions),
            "left_out": split.left_out,
            "pair": quality.record(),
            "harmonized": quality.harmonized,
            "pan": pan.record(),
            "xs": xs.record(),
            "sentinel2": s2.record or files_of_s2,
            "s2_day": s2.day and s2.day.isoformat(),
            **self.facts,
            "command": self.options.command,
            "versions": cards.versions(),
            "groups": {
                group: {"patches": len(places), "windows": np.asarray(places).tolist()}
                for group, places in {**dict.fromkeys(GROUPS, ()), **windows}.items()
            },
        }
        cards.write_card(self.folder / DATASET_CARD, card)
        return card
