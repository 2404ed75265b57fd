"""Exercise 1: Spot-7 and a cloud-free Sentinel-2 image become patches.

In:  Spot-7 PAN (1.5 m) and XS (6 m), and Sentinel-2 from a STAC API or from files.
Out: {train,valid,test}_{lr,hr}_patches.tif, sentinel2.tif, dataset.json, pictures.

    python sr_dataset.py --pan pan.tif --xs xs.tif --out_dir patches
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.options.dataset_options")  # --help, misuse and Ctrl-C: at once

import sys
from collections.abc import Iterable
from pathlib import Path

from srtools import pair
from srtools.conventions import FACTOR
from srtools.engine import engine_errors
from srtools.images.radiometry import at_least_1, remove_offset
from srtools.options import dataset_options as cli

import pyotb


@engine_errors("stacking Sentinel-2")
def stack(tiles: list[list[str]]) -> pyotb.App:  # exercise
    """Stack the bands of each Sentinel-2 tile, and mosaic the tiles."""
    stacked = [pyotb.ConcatenateImages(il=bands) for bands in tiles]
    return pyotb.Mosaic(il=stacked) if len(stacked) > 1 else stacked[0]


@engine_errors("building the images")
def make_pair(pan: str, xs: str, s2: pyotb.App, offset: int) -> tuple:  # exercise
    """Return `lr`, Sentinel-2 on the 6 m grid of XS, and `hr`, pansharpened Spot."""
    reflectance = remove_offset(s2, offset)
    lr = pyotb.Superimpose(inr=xs, inm=reflectance, interpolator="bco")
    return lr, pansharpen(pan, xs)


def pansharpen(pan: str, xs: str) -> pyotb.App:  # exercise
    """Return XS at 1.5 m: enlarged XS x PAN / mean of PAN over 7 x 7 of its pixels."""
    fusion = pyotb.BundleToPerfectSensor({"inp": pan, "inxs": xs}, frozen=True)
    # OTB up to 8.1.1 has no other size.  Later versions have a parameter; its default
    # of 19 x 19 leaves XS's own contrast in the ratio, where it counts twice.
    for key in ("method.rcs.radiusx", "method.rcs.radiusy"):
        if key in fusion.parameters_keys:
            fusion.set_parameters({key: 3})  # pixels on each side
    fusion.execute()
    return fusion


@engine_errors("selecting patches")
def select_patches(xs: str, selections: Iterable[tuple]) -> None:  # exercise
    """Choose patch centres on a regular grid, where each mask [h, w, 1] is 1."""
    # The masks lie on the grid of XS.  OTB crashes if `grid` is freed too early.
    grid = pyotb.Input(xs)[:, :, :1]
    for mask, parameters in selections:
        placed = {**grid.export(), "array": mask}
        selection = pyotb.PatchesSelection({"in": xs, **parameters}, frozen=True)
        selection.app.ImportVectorImage("mask", placed)
        selection.execute()  # not before it has its mask
        selection.flush()


@engine_errors("extracting patches")
def extract_patches(
    lr: pyotb.App, hr: pyotb.App, centres: Path, patch_size: int, paths: dict[str, Path]
) -> None:  # exercise
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
        ext_fname=pair.CREATION_OPTIONS,
    )


def create_dataset(options: cli.Options) -> dict:
    """Write the patches images, their card and the pictures; return the card."""
    with pair.open_job(options) as job:
        image, offset = stack(job.s2.tiles), job.s2.offset
        lr, hr = make_pair(job.pan.path, job.xs.path, image, offset)
        if options.coregister:
            job.coregister(pair.compare(lr, job.pan, job.xs))  # moves pan and xs
            lr, hr = make_pair(job.pan.path, job.xs.path, image, offset)
        scl = stack([[path] for path in job.s2.scl]) if job.s2.scl else None
        quality = job.assess(lr, image, scl)  # prints the table; raises if it fails
        if options.harmonize:
            hr = pair.harmonize(hr, quality.fits)
        lr, hr = at_least_1(lr), at_least_1(hr)  # 0 would be nodata
        split = job.make_split()
        select_patches(job.xs.path, split.selections(job.centre_paths))
        windows = pair.read_windows(job.centre_paths, job.xs, split)  # checks the gaps
        for group, path in job.centre_paths.items():
            extract_patches(lr, hr, path, options.patch_size, job.patches_paths(group))
        job.write_own_grid(remove_offset(image, offset))  # 10 m, for exercise 4
        return job.finish(quality, split, windows)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = pair.with_spot_date(cli.parse(argv))
    if options.dry_run:
        pair.search(options)
    else:
        print(pair.summary(options, create_dataset(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
