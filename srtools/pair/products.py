"""The work of exercise 1: checked images, and files that appear all or not at all."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from srtools.images import qgis, vrt
from srtools.images.figures import quicklook
from srtools.images.grid import Grid
from srtools.images.raster import COMPRESSED, ImageInfo, check_written, describe
from srtools.pair import groups, per_patch, pictures, quality
from srtools.pair.groups import Split
from srtools.pair.inputs import Settings, read_spot
from srtools.pair.quality import PairQuality
from srtools.pair.survey import Survey, survey_pixels
from srtools.patches import patch_files
from srtools.sentinel2 import areas, source
from srtools.sentinel2.source import Sentinel2
from srtools.urls import redact

log = logging.getLogger(__name__)

PAIR_PICTURE, SPLIT_PICTURE = "pair.png", "split.png"
MARGIN_METRES = 20.0  # of Sentinel-2's own pixels, kept around the area
CREATION_OPTIONS = {f"gdal:co:{name}": value for name, value in COMPRESSED.items()}


def output_files(out_dir: str, groups: Sequence[str] = GROUPS) -> list[Path]:
    """List the files that the exercise makes for some groups."""
    patches = [patches_name(group, kind) for group in groups for kind in KINDS]
    images = [*patches, OWN_GRID_IMAGE]
    styles = [qgis.style_of(image) for image in images]
    others = (PAIR_PICTURE, SPLIT_PICTURE, DATASET_CARD)
    return [Path(out_dir) / name for name in (*images, *styles, *others)]


@contextmanager
def opened(options: Settings) -> Iterator["Products"]:
    """Yield the checked images; at the end all files appear, after an error none.

    Copies of Sentinel-2's pixels are deleted at the end, and so are files of an earlier
    run that are not made again.
    """
    engine.require("PatchesSelection", "PatchesExtraction")
    possible = output_files(options.out_dir)
    files.check_name(options.out_dir)
    files.refuse_folders(possible)
    files.refuse_existing(possible, options.overwrite, options.inputs)
    pan, xs = read_spot(options)
    search = {"xs": xs, "near": options.spot_date, "links": not options.download}
    search |= {"scl": options.scl or True}
    area, outputs = (
        areas.data_footprint(xs),
        output_files(options.out_dir, options.groups),
    )
    with (
        source.sentinel2(options, area, options.out_dir, **search) as s2,
        files.whole_files(outputs, possible) as folder,
    ):
        yield Products(options, folder, pan, xs, s2)


def summary(options: Settings, card: dict) -> str:
    """Return the lines that a run ends with."""
    folder, groups = options.out_dir, card["groups"].items()
    lines = [f"{group:5s} {entry['patches']:6d} patches" for group, entry in groups]
    lines += [f"written: {folder}/{{{','.join(options.groups)}}}_{{lr,hr}}_patches.tif"]
    return "\n".join([*lines, f"look at: {folder}/{{{PAIR_PICTURE},{SPLIT_PICTURE}}}"])


@dataclass
class Products:
    """Images, files in a temporary folder, and what the card keeps of both."""

    options: Settings
    folder: Path
    pan: ImageInfo
    xs: ImageInfo
    s2: Sentinel2
    survey: Survey | None = None
    facts: dict[str, Any] = field(init=False)

    def __post_init__(self):
        """Keep the place of Spot for the card, before Spot is displaced."""
        self.facts = {"pan": self.pan.record(), "xs": self.xs.record()}
        self.facts["coregistered"] = None

    @property
    def centres(self) -> dict[str, Path]:
        """File for the centres of the patches of each group."""
        return {g: self.folder / f"{g}_centres.geojson" for g in self.options.groups}

    def patches(self, group: str) -> dict[str, Path]:
        """Return the files for the patches of a group, by kind."""
        return {kind: self.folder / patches_name(group, kind) for kind in KINDS}

    def displace(self, fit: PairQuality) -> None:
        """Move the Spot images to where Sentinel-2 shows their ground.

        Two small VRT files hold their new place.  Moving Sentinel-2 instead would
        interpolate its pixels twice, and patches have no place.
        """
        shift = fit.reliable_shift()
        self.facts["coregistered"] = fit.record()["shift"]
        log.info("moving Spot by %+.2f m east, %+.2f m north", *shift)
        self.pan, self.xs = (
            describe(vrt.write_displaced(self.folder / f"{n}.vrt", image, *shift), n)
            for n, image in (("pan", self.pan), ("xs", self.xs))
        )

    def judge(self, lr: Any, s2: Any, scl: Any | None) -> PairQuality:
        """Look at all pixels, print how well the pair fits, refuse one that fails.

        Arguments:
            lr: pyotb object, Sentinel-2 on the grid of XS, without offset.
            s2, scl: the same on its own grid, as it is published.
        """
        options = self.options
        self.survey = survey_pixels(self.pan, self.xs, s2, scl)
        facts = {"days": self.s2.days_to(options.spot_date), **self.survey.shares}
        facts["harmonized"] = options.harmonize
        fit = quality.compare(lr, self.pan, self.xs, **facts)
        print(fit.table())
        fit.check(options.accept_pair)
        return fit

    def split(self, lr: Any, fit: PairQuality) -> Split:
        """Deal the usable patches out to the groups, and count the others."""
        options, usable = self.options, self.survey.usable
        size, shares = options.patch_size, options.proportions
        if options.split == "interleaved":
            split = groups.interleave(usable, size, shares)
        else:
            chosen = {"proportions": shares, "seed": options.seed}
            chosen["quicklook"] = quicklook(self.xs.path)
            split = groups.split_in_blocks(usable, size, options.margin, **chosen)
        split = replace(split, left_out=groups.count_left_out(self.survey.bad, size))
        if options.per_patch:
            split = per_patch.leave_out(split, lr, self.xs, fit)
        return split

    @engine.engine_errors("keeping Sentinel-2")
    def keep(self, s2: Any) -> None:
        """Write the pixels of Sentinel-2 over Spot on their own grid.

        Exercise 4 needs them: patches hold them interpolated to the 6 m of Spot's XS.

        Arguments:
            s2: pyotb object, reflectance x 10000.
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
        record = describe(path, "the kept Sentinel-2 image").record()
        self.facts["sentinel2_own_grid"] = {**record, "path": OWN_GRID_IMAGE}

    def finish(
        self, fit: PairQuality, split: Split, windows: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        """Check the patches; write styles, pictures and the card; return the card."""
        for group, places in windows.items():
            paths = self.patches(group)
            for path in paths.values():
                check_written(path)  # OTB says nothing of a full disk
            patch_files.align_corners(paths.values())
            patch_files.check_count(paths["lr"], len(places))
        # One stretch, so that lr and hr compare.
        limits = qgis.limits_of(self.folder / OWN_GRID_IMAGE)
        for image in self.folder.glob("*.tif"):
            qgis.write_style(qgis.style_of(image), limits)
        image, shape = quicklook(self.xs.path), (self.xs.height, self.xs.width)
        pictures.save_pair(self.folder / PAIR_PICTURE, fit, image, shape)
        path, size = self.folder / SPLIT_PICTURE, self.options.patch_size
        pictures.save_split(path, image, shape, windows, size)
        files_of_s2 = {"files": [[redact(p) for p in tile] for tile in self.s2.tiles]}
        card = {
            "bands": list(BANDS),
            "factor": FACTOR,
            "offset": self.s2.offset,
            "scale": SCALE,
            "lr": {"patch_size": size, "spacing": self.xs.spacing},
            "hr": {"patch_size": FACTOR * size, "spacing": self.pan.spacing},
            "split": split.facts,
            "step": size,
            "proportions": list(self.options.proportions),
            "left_out": split.left_out,
            "pair": fit.record(),
            "harmonized": fit.harmonized,
            "sentinel2": self.s2.record or files_of_s2,
            "s2_day": self.s2.day and self.s2.day.isoformat(),
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
