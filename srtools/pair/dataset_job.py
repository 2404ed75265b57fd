"""The job of exercise 1: checked images, and output files written all or none."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from srtools import cards, engine, files
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
from srtools.images import figures, vrt
from srtools.images.grid import Grid
from srtools.images.raster import COMPRESSED, ImageInfo, check_written, describe
from srtools.options.dataset_options import Options
from srtools.pair import pair_pictures, patch_groups
from srtools.pair.patch_groups import Split
from srtools.pair.quality import PairQuality, compare
from srtools.pair.spot_inputs import read_spot
from srtools.pair.usable_pixels import UsablePixels, find_usable_pixels
from srtools.patches import patch_files
from srtools.sentinel2 import areas, source
from srtools.sentinel2.source import Sentinel2
from srtools.urls import redact

log = logging.getLogger(__name__)

PAIR_PICTURE, SPLIT_PICTURE = "pair.png", "split.png"
OTHER_FILES = (OWN_GRID_IMAGE, PAIR_PICTURE, SPLIT_PICTURE, DATASET_CARD)
BEFORE, AFTER = "before Spot is moved", "after"  # titles in the picture of the pair
AS_PUBLISHED = "Sentinel-2 against Spot"
MARGIN_METRES = 20.0  # around Spot, for the kernel of bicubic interpolation
CREATION_OPTIONS = {f"gdal:co:{name}": value for name, value in COMPRESSED.items()}


def output_files(out_dir: str, groups: Sequence[str] = GROUPS) -> list[Path]:
    """List all output files, with the patches images of some groups."""
    patches = [patches_name(group, kind) for group in groups for kind in KINDS]
    return [Path(out_dir) / name for name in (*patches, *OTHER_FILES)]


@contextmanager
def open_job(options: Options) -> Iterator["DatasetJob"]:
    """Check the images, and yield a job that writes to a temporary folder.

    On success its files replace all of an earlier run.  On error no output changes.
    """
    engine.require("PatchesSelection", "PatchesExtraction")
    all_outputs = output_files(options.out_dir)
    files.check_name(options.out_dir)
    files.refuse_folders(all_outputs)
    files.refuse_existing(all_outputs, options.overwrite, options.inputs)
    outputs = output_files(options.out_dir, options.groups)
    pan, xs = read_spot(options)
    opened = source.open_sentinel2(
        options,
        None if options.s2_images else areas.data_footprint(xs),
        options.out_dir,
        xs=xs,
        near=options.spot_date,
        scl=options.scl or True,
    )
    with opened as s2, files.whole_files(outputs, all_outputs) as folder:
        yield DatasetJob(options, folder, pan, xs, s2)


def summary(options: Options, card: dict) -> str:
    """Return the last lines of the output: number of patches, and files."""
    folder, groups = options.out_dir, card["groups"].items()
    lines = [f"{group:5s} {entry['patches']:6d} patches" for group, entry in groups]
    lines += [f"written: {folder}/{{{','.join(options.groups)}}}_{{lr,hr}}_patches.tif"]
    return "\n".join(lines) + f" and {folder}/{{{','.join(OTHER_FILES)}}}"


@dataclass
class DatasetJob:
    """Input images, output files in a temporary folder, and entries of the card."""

    options: Options
    folder: Path
    pan: ImageInfo
    xs: ImageInfo
    s2: Sentinel2
    pixels: UsablePixels | None = None
    entries: dict[str, Any] = field(init=False)
    before: dict[str, PairQuality] = field(default_factory=dict)
    """Quality before `coregister`, by its title in the picture; empty without."""

    def __post_init__(self):
        """Enter Spot as published in the card; `coregister` may move it later."""
        self.entries = {"pan": self.pan.record(), "xs": self.xs.record()}
        self.entries["coregistered"] = None

    @property
    def centre_paths(self) -> dict[str, Path]:
        """GeoJSON files of the patch centres, by group."""
        return {g: self.folder / f"{g}_centres.geojson" for g in self.options.groups}

    @cached_property
    def quicklook(self) -> np.ndarray:
        """XS at a small scale, [any h, any w, 4] DN, for the split and the pictures."""
        return figures.quicklook(self.xs)

    def patches_paths(self, group: str) -> dict[str, Path]:
        """Return the patches images of a group, by kind."""
        return {kind: self.folder / patches_name(group, kind) for kind in KINDS}

    def coregister(self, quality: PairQuality) -> None:
        """Shift the Spot images onto Sentinel-2: two small VRT files replace them.

        Shifting Sentinel-2 instead would interpolate its pixels twice.
        """
        shift, self.before = quality.reliable_shift(), {BEFORE: quality}
        self.entries["coregistered"] = quality.record()["shift"]
        log.info("Spot is shifted by %+.2f m east, %+.2f m north", *shift)
        self.pan, self.xs = (
            describe(vrt.write_displaced(self.folder / f"{n}.vrt", image, *shift), n)
            for n, image in (("pan", self.pan), ("xs", self.xs))
        )

    def assess(self, lr: Any, s2: Any, scl: Any | None) -> PairQuality:
        """Measure the pair, print and return its quality; raise if it fails.

        `lr` is Sentinel-2 on the grid of XS, without offset; `s2` and `scl`, on their
        own grids, are as published.
        """
        self.pixels = find_usable_pixels(self.pan, self.xs, s2, scl)
        days = self.s2.days_to(self.options.spot_date)
        measured = {"days": days, "harmonized": self.options.harmonize}
        quality = compare(lr, self.pan, self.xs, **measured, **self.pixels.shares)
        print(quality.table())
        quality.check(self.options.accept_pair)
        return quality

    def make_split(self) -> Split:
        """Assign usable patches to groups, and count the unusable ones by reason."""
        options, usable = self.options, self.pixels.usable
        size, shares = options.patch_size, options.proportions
        if options.split == "interleaved":
            split = patch_groups.split_interleaved(usable, size, shares)
        else:
            split = patch_groups.split_in_blocks(
                usable, size, options.margin, shares, options.seed, self.quicklook
            )
        left_out = patch_groups.count_unusable(self.pixels.bad, size)
        return replace(split, left_out=left_out)

    @engine.engine_errors("writing Sentinel-2")
    def write_own_grid(self, s2: Any) -> None:
        """Write Sentinel-2 over Spot, reflectance x 10000, on its own 10 m grid.

        Exercise 4 needs these pixels; the patches hold interpolated ones.
        """
        path = self.folder / OWN_GRID_IMAGE
        crs = describe(self.s2.tiles[0][0], "Sentinel-2").crs
        height, width = s2.shape[:2]
        grid = Grid(crs, rasterio.Affine(*s2.transform[:6]), width, height)
        over = grid.centred(self.xs.grid.bounds_in(crs, MARGIN_METRES))
        part = s2[grid.clip(over)]
        part.write(str(path), pixel_type="uint16", ext_fname=CREATION_OPTIONS)
        check_written(path)
        with rasterio.open(path, "r+") as file:
            file.descriptions = BANDS
            file.update_tags(**{OFFSET_TAG: self.s2.offset})
        record = describe(path, "the Sentinel-2 image on its own grid").record()
        self.entries["sentinel2_own_grid"] = {**record, "path": OWN_GRID_IMAGE}

    def finish(
        self, quality: PairQuality, split: Split, windows: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        """Check the patches; write pictures and the card; return the card."""
        for group, places in windows.items():
            paths = self.patches_paths(group).values()
            for path in paths:
                check_written(path)  # OTB does not report a full disk
                patch_files.check_count(path, len(places))
            patch_files.align_corners(paths)
        image, shape = self.quicklook, (self.xs.height, self.xs.width)
        moves = {**self.before, AFTER if self.before else AS_PUBLISHED: quality}
        pair_pictures.save_pair(self.folder / PAIR_PICTURE, moves, image, shape)
        path, size = self.folder / SPLIT_PICTURE, self.options.patch_size
        pair_pictures.save_split(path, image, shape, windows, size)
        s2_files = {"files": [[redact(p) for p in tile] for tile in self.s2.tiles]}
        found = None if self.options.s2_images else tuple(self.s2.record["items"])
        card = {
            "bands": list(BANDS),
            "factor": FACTOR,
            "offset": self.s2.offset,
            "scale": SCALE,
            "lr": {"patch_size": size, "spacing": self.xs.spacing},
            "hr": {"patch_size": FACTOR * size, "spacing": self.pan.spacing},
            "split": split.record,
            "step": size,
            "proportions": list(self.options.proportions),
            "left_out": split.left_out,
            "pair": quality.record(),
            "harmonized": quality.harmonized,
            "sentinel2": self.s2.record or s2_files,
            "s2_day": self.s2.day and self.s2.day.isoformat(),
            **self.entries,
            "command": replace(self.options, item=found).command,
            "versions": cards.versions(),
            "groups": {
                group: {"patches": len(places), "windows": np.asarray(places).tolist()}
                for group, places in {**dict.fromkeys(GROUPS, ()), **windows}.items()
            },
        }
        cards.write_card(self.folder / DATASET_CARD, card)
        return card
