"""Exercise 1: Spot-7 and a cloud-free Sentinel-2 image become patches.

In:  Spot-7 PAN (1.5 m) and XS (6 m), and Sentinel-2 from a STAC API or from files.
Out: {train,valid,test}_{lr,hr}_patches.tif, dataset.json, and two pictures: how well
     the images fit (pair.png) and where the groups lie (split.png).  No intermediate
     image is written: the applications hand their images to each other in memory.
     Only the centres of the patches, small vectors, lie for a while in the system's
     temporary folder, from which PatchesExtraction reads them.

    # search the Planetary Computer for a cloud-free image
    python sr_dataset.py --pan pan.tif --xs xs.tif --out_dir patches
    # Sentinel-2 images at hand, whose DN have no offset
    python sr_dataset.py --pan pan.tif --xs xs.tif --out_dir patches \
        --s2_images B04.tif B03.tif B02.tif B08.tif --offset 0

Sources: OTB applications ConcatenateImages, Mosaic, Superimpose and
BundleToPerfectSensor; OTBTF applications PatchesSelection and PatchesExtraction.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.cli.dataset")  # answers --help, misuse and Ctrl-C at once

import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from srtools import engine, files
from srtools.cli import dataset as cli
from srtools.cli.options import command_line
from srtools.conventions import FACTOR, KINDS, OWN_GRID_IMAGE, patches_name
from srtools.engine import engine_errors
from srtools.images import (
    checks,
    dimap,
    figures,
    patch_files,
    qgis,
    raster,
)
from srtools.images.radiometry import keep_from_0, remove_offset
from srtools.images.raster import ImageInfo
from srtools.pair import (
    card,
    fits,
    own_grid,
    patch_grid,
    per_patch,
    pictures,
    splits,
    survey,
)
from srtools.pair.displacement import displace
from srtools.pair.leakage import read_groups
from srtools.pair.quality import compare
from srtools.sentinel2 import areas, source
from srtools.sentinel2.source import Sentinel2

import pyotb

log = logging.getLogger("srtools.sr_dataset")

PAN_RADIUS = 3  # PAN pixels around each, over which pansharpening takes a mean
CREATION_OPTIONS = (
    "gdal:co:COMPRESS=DEFLATE&gdal:co:PREDICTOR=2&gdal:co:ZLEVEL=1"
    "&gdal:co:BIGTIFF=IF_SAFER"
)


@engine_errors("stacking Sentinel-2")
def stack(tiles: list[list[str]]) -> pyotb.App:
    """Stack the bands of each Sentinel-2 tile, and lay the tiles side by side."""
    stacked = [pyotb.ConcatenateImages(il=bands) for bands in tiles]
    return pyotb.Mosaic(il=stacked) if len(stacked) > 1 else stacked[0]


@engine_errors("building the images")
def make_pair(
    pan: ImageInfo, xs: ImageInfo, s2: pyotb.App, offset: int
) -> tuple[pyotb.App, pyotb.App]:
    """Give `lr`, Sentinel-2 on the 6 m grid of XS, and `hr`, pansharpened Spot."""
    reflectance = remove_offset(s2, offset)
    lr = pyotb.Superimpose(inr=xs.path, inm=reflectance, interpolator="bco")
    return lr, pansharpen(pan.path, xs.path)


def pansharpen(pan: str, xs: str) -> pyotb.App:
    """Give XS at 1.5 m: enlarged, times PAN divided by the local mean of PAN.

    The mean is that of 7 x 7 PAN pixels.  OTB up to 8.1.1 knows no other size; since
    then it is a parameter, whose default of 19 x 19 loses most of PAN's detail.
    """
    fusion = pyotb.BundleToPerfectSensor({"inp": pan, "inxs": xs}, frozen=True)
    for key in ("method.rcs.radiusx", "method.rcs.radiusy"):
        if key in fusion.parameters_keys:
            fusion.set_parameters({key: PAN_RADIUS})
    fusion.execute()
    return fusion


@engine_errors("selecting patches")
def select_patches(xs: str, mask: np.ndarray, parameters: dict[str, Any]) -> None:
    """Choose patch centres on a regular grid, where `mask` [h, w, 1] is 1."""
    grid = pyotb.Input(xs)[:, :, :1]  # one band, which says where the mask lies
    # What `export` gives refers into `grid`: OTB crashes if that is freed before.
    placed = {**grid.export(), "array": mask}
    selection = pyotb.PatchesSelection(
        {"in": xs, **parameters},
        frozen=True,  # do not run before it has its mask
    )
    selection.app.ImportVectorImage("mask", placed)
    selection.execute()
    selection.flush()


def extract_patches(
    lr: pyotb.App, hr: pyotb.App, centres: Path, patch_size: int, paths: dict[str, Path]
) -> None:
    """Write the patches around the centres, stacked downwards, as uint16."""
    extraction = pyotb.PatchesExtraction(
        {
            "source1.il": [lr],
            "source1.patchsizex": patch_size,
            "source1.patchsizey": patch_size,
            "source2.il": [hr],
            "source2.patchsizex": FACTOR * patch_size,
            "source2.patchsizey": FACTOR * patch_size,
            "vec": str(centres),
            "field": "id",
        },
        n_sources=2,
        frozen=True,  # do not run now: write() runs it
    )
    extraction.write(
        {"source1.out": str(paths["lr"]), "source2.out": str(paths["hr"])},
        pixel_type="uint16",
        ext_fname=CREATION_OPTIONS,
    )
    for path in paths.values():
        raster.check_written(path)  # OTB says nothing of a full disk
    patch_files.lay_over(paths.values())


def create_dataset(options: cli.Options) -> dict:
    """Make the patches images, their card and the pictures.

    Returns:
        The card, as written to `dataset.json`.

    Raises:
        SRError: if the images do not fit together, or no patch is left.
    """
    engine.need("PatchesSelection", "PatchesExtraction")
    files.check_name(options.out_dir)
    outputs = card.output_files(options.out_dir)
    files.refuse_folders(outputs)
    files.refuse_existing(outputs, options.overwrite, options.inputs)
    pan, xs = checks.check_spot(*options.pair)
    search = {"xs": xs, "near": options.spot_date, "links": not options.download}
    search |= {"scl": options.scl or True, "day": options.s2_date}
    area = areas.data_footprint(xs)
    with (
        source.sentinel2(options, area, options.out_dir, **search) as s2,
        files.whole_files(
            card.output_files(options.out_dir, options.groups), outputs
        ) as folder,
    ):
        return make_patches(options, pan, xs, s2, folder)


def make_patches(
    options: cli.Options, pan: ImageInfo, xs: ImageInfo, s2: Sentinel2, folder: Path
) -> dict:
    """Make all files in a folder, and give the card.

    Arguments:
        options: of the command line.
        pan, xs: the Spot images.
        s2: files and facts of Sentinel-2.
        folder: for the files.
    """
    spot, size = (pan, xs), options.patch_size
    s2_image = stack(s2.tiles)
    lr, hr = make_pair(pan, xs, s2_image, s2.offset)
    shift = None
    if options.coregister:
        before = compare(lr, pan, xs)
        pan, xs = displace(pan, xs, before.reliable_shift(), folder)
        shift = before.record()["shift"]
        lr, hr = make_pair(pan, xs, s2_image, s2.offset)

    scl = stack([[path] for path in s2.scl]) if s2.scl else None
    found = survey.survey_pixels(pan.path, xs.path, s2_image, scl, xs.largest)
    days = s2.days_to(options.spot_date)
    known = {"days": days, "cloud": found.cloud, "missing": found.missing}
    quality = compare(lr, pan, xs, harmonized=options.harmonize, **known)
    print(quality.table())
    quality.check(options.accept_pair)
    if options.harmonize:
        log.info("Spot is harmonized by these gains and biases")
        hr = fits.harmonize(hr, quality.fits)
    lr, hr = keep_from_0(lr), keep_from_0(hr)  # patches hold no pixel without data

    left_out = patch_grid.count_left_out(found.bad, size)
    quicklook = figures.quicklook(xs.path)
    split = splits.make_split(options, found.usable, quicklook)
    if options.per_patch:
        split, unfit = per_patch.leave_out(split, lr, xs, quality, found.usable)
        left_out |= unfit
    log.info("left out: %s", ", ".join(f"{n} {why}" for why, n in left_out.items()))
    with tempfile.TemporaryDirectory(dir=folder) as vectors:
        centres = {g: Path(vectors, f"{g}_centres.geojson") for g in options.groups}
        for mask, parameters in split.selections(centres, options.step):
            select_patches(xs.path, mask, parameters)
        windows = read_groups(centres, xs, split)

        for group in windows:
            log.info("extracting the %s patches", group)
            paths = {kind: folder / patches_name(group, kind) for kind in KINDS}
            with engine_errors(f"extracting {group} patches of {size} x {size} pixels"):
                extract_patches(lr, hr, centres[group], size, paths)
            patch_files.check_count(paths["lr"], len(windows[group]))
    reflectance = remove_offset(s2_image, s2.offset)
    kept = own_grid.keep(
        folder, reflectance, s2.tiles[0][0], xs, CREATION_OPTIONS, s2.offset
    )
    limits = qgis.limits_of(folder / OWN_GRID_IMAGE)  # so that lr and hr compare
    for image in folder.glob("*.tif"):
        qgis.write_style(qgis.style_of(image), limits)

    shape = xs.height, xs.width
    pictures.save_pair(folder / card.PAIR_PICTURE, quality, quicklook, shape)
    pictures.save_split(folder / card.SPLIT_PICTURE, quicklook, shape, windows, size)
    command = command_line("sr_dataset.py", options)
    made = card.Made(quality, shift, split, left_out, windows, kept, command)
    return card.write_card(folder, options, spot, s2, made)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    if options.spot:
        pan, xs = dimap.find_pair(options.spot)
        options = replace(options, pan=pan, xs=xs, spot=None)
    if not options.spot_date:
        options = replace(options, spot_date=dimap.imaging_date(options.pan))
    if options.dry_run:
        _, xs = checks.check_spot(*options.pair)
        source.find_scene(options, areas.data_footprint(xs), options.spot_date)
        return 0
    made = create_dataset(options)
    for group, found in made["groups"].items():
        print(f"{group:5s} {found['patches']:6d} patches")
    groups = ",".join(options.groups)
    print(f"written: {options.out_dir}/{{{groups}}}_{{lr,hr}}_patches.tif")
    print(f"look at: {options.out_dir}/{{{card.PAIR_PICTURE},{card.SPLIT_PICTURE}}}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
