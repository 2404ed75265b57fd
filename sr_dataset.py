"""Exercise 1: Spot-7 and a cloud-free Sentinel-2 image become patches.

In:  Spot-7 PAN (1.5 m) and XS (6 m), and Sentinel-2 from a STAC API or from files.
Out: {train,valid,test}_{lr,hr}_patches.tif, dataset.json, and two pictures: how well
     the images fit (pair.png) and where the groups lie (split.png).  No intermediate
     image is written: the applications hand their images to each other in memory.

    # search the Planetary Computer for a cloud-free image
    python sr_dataset.py --pan pan.tif --xs xs.tif --out_dir patches
    # Sentinel-2 images at hand, whose DN have no offset
    python sr_dataset.py --pan pan.tif --xs xs.tif --out_dir patches \
        --s2_images B04.tif B03.tif B02.tif B08.tif --offset 0

Sources: OTB applications ConcatenateImages, Mosaic, Superimpose and
BundleToPerfectSensor; OTBTF applications PatchesSelection and PatchesExtraction.
"""

import argparse
import logging
import math
import sys
from pathlib import Path

import numpy as np

from srtools import cards, engine, files
from srtools.cli import search
from srtools.conventions import BANDS, FACTOR, GROUPS, MARGIN, SCALE
from srtools.errors import one_line_errors
from srtools.evaluation import own_grid
from srtools.images import checks, figures, raster, vrt
from srtools.images.radiometry import keep_from_0, remove_offset
from srtools.engine import engine_errors
from srtools.images.raster import ImageInfo
from srtools.images.registration import read_blocks
from srtools.pair import fits, splits, survey
from srtools.pair.quality import PairQuality, measure_pair
from srtools.sentinel2 import download, scenes
from srtools.urls import redact

import pyotb

log = logging.getLogger("srtools.sr_dataset")

KINDS = ("lr", "hr")
PICTURES = ("pair.png", "split.png")
SPLITS = ("blocks", "interleaved")
PAN_RADIUS = 3  # PAN pixels around each, over which pansharpening takes a mean
PROPORTIONS = (0.8, 0.1, 0.1)
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
    pan: str, xs: str, s2: pyotb.App, offset: int
) -> tuple[pyotb.App, pyotb.App]:
    """Give `lr`, Sentinel-2 on the 6 m grid of XS, and `hr`, pansharpened Spot."""
    reflectance = remove_offset(s2, offset)
    lr = pyotb.Superimpose(inr=xs, inm=reflectance, interpolator="bco")
    return lr, pansharpen(pan, xs)


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


@engine_errors("comparing the images")
def compare(lr: pyotb.App, xs: str, spacing: float, **known) -> PairQuality:
    """Measure on a sample of blocks how well Sentinel-2 and Spot fit together."""
    return measure_pair(read_blocks(lr, pyotb.Input(xs)), spacing, **known)


def displace(folder: Path, shift: tuple[float, float], **spot: ImageInfo) -> list[str]:
    """Move the Spot images to where Sentinel-2 shows them; give their new paths.

    That no pixel of Sentinel-2 is interpolated twice is worth more than the true place
    of Spot, because patches have no place.

    Arguments:
        folder: for two small files that only say where the images lie.
        shift: metres east and north.
        spot: the images.
    """
    log.info("moving Spot by %+.2f m east, %+.2f m north", *shift)
    return [
        str(vrt.write_displaced(folder / f"{name}.vrt", info, *shift))
        for name, info in spot.items()
    ]


@engine_errors("selecting patches")
def select_patches(xs: str, mask: np.ndarray, **parameters) -> None:
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


def select_in_blocks(
    xs: str, plan: splits.Split, step: int, centres: dict[str, Path]
) -> None:
    """Choose the centres of each group inside its own blocks.

    Training patches are `step` lr pixels apart, the others touch.
    """
    for group, path in centres.items():
        stride = step if group == "train" else plan.patch_size
        select_patches(
            xs,
            plan.mask(group, stride),
            **{"grid.psize": plan.patch_size, "grid.step": stride},
            strategy="all",
            outtrain=str(path),
        )


def select_interleaved(
    xs: str,
    usable_pixels: np.ndarray,
    patch_size: int,
    proportions: tuple[float, float, float],
    centres: dict[str, Path],
) -> None:
    """Deal the centres of one grid out in turn, as the course does.

    Test patches lie between training patches then, which are alike: it leaks.
    """
    shares = zip(GROUPS, proportions, strict=True)
    select_patches(
        xs,
        usable_pixels[..., None].astype(np.float32),
        **{"grid.psize": patch_size, "grid.step": patch_size, "nodata": 0},
        strategy="split",
        **{f"strategy.split.{group}prop": share for group, share in shares},
        **{f"out{group}": str(path) for group, path in centres.items()},
    )


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


def create_dataset(
    *,
    pan: str,
    xs: str,
    tiles: list[list[str]],
    out_dir: str,
    scl: list[str] | None = None,
    offset: int = 0,
    patch_size: int = 32,
    step: int | None = None,
    split: str = "blocks",
    margin: int = MARGIN,
    proportions: tuple[float, float, float] = PROPORTIONS,
    seed: int = 0,
    coregister: bool = False,
    harmonize: bool = False,
    days: int | None = None,
    overwrite: bool = False,
    record: dict | None = None,
) -> dict:
    """Make the patches images, their card and the pictures.

    Arguments:
        pan, xs: the Spot-7 images, 1 band at 1.5 m and 4 bands at 6 m.
        tiles: for each Sentinel-2 tile its four bands, B04, B03, B02, B08.
        out_dir: folder for the results.
        scl: for each tile its scene classification, if there is one.
        offset: what to subtract from the Sentinel-2 DN (1000 or 0).
        patch_size: side of the lr patches in pixels; hr patches are 4 times as large.
        step: lr pixels from one training patch to the next; by default they touch.
        split: one of `SPLITS`.
        margin: lr pixels between patches of different groups (blocks only).
        proportions: shares of train, valid and test.
        seed: of the blocks.
        coregister: whether to correct the shift between the images.
        harmonize: whether to map Spot to the radiometry of Sentinel-2.
        days: between the two images, if known.
        overwrite: whether existing files may be replaced.
        record: what the card keeps of the Sentinel-2 scene.

    Returns:
        The card, as written to `dataset.json`.

    Raises:
        SRError: if the images do not fit together, or no patch is left.
    """
    pan_info, xs_info = checks.check_spot(pan, xs, patch_size)
    checks.check_sentinel2(tiles, xs_info, scl or ())
    outputs = output_files(out_dir)
    read = [pan, xs, *(scl or ()), *(band for tile in tiles for band in tile)]
    files.refuse_existing(outputs, overwrite, read)

    with files.whole_files(outputs) as partial:
        s2 = stack(tiles)
        lr, hr = make_pair(pan, xs, s2, offset)
        corrected = None
        if coregister:
            before = compare(lr, xs, xs_info.spacing)
            pan, xs = displace(partial, before.sure_shift(), pan=pan_info, xs=xs_info)
            corrected = before.record()["shift"]
            lr, hr = make_pair(pan, xs, s2, offset)

        classes = stack([[path] for path in scl]) if scl else None
        with engine_errors("looking at the pixels"):
            seen = survey.look(pan, xs, s2, classes, xs_info.largest)
        quality = compare(
            lr, xs, xs_info.spacing, days=days, cloud=seen.cloud, missing=seen.missing
        )
        print(quality.table())
        if harmonize:
            log.info("Spot is harmonized by these gains and biases")
            hr = fits.harmonize(hr, quality.fits)
        lr = keep_from_0(lr)  # patches hold no pixel without data

        left_out = splits.count_left_out(seen.bad, patch_size)
        log.info("left out: %s", ", ".join(f"{n} {why}" for why, n in left_out.items()))
        quicklook = figures.quicklook(xs)
        centres = {group: partial / f"{group}_centres.geojson" for group in GROUPS}
        if split == "blocks":
            plan = splits.split_in_blocks(
                seen.usable, patch_size, margin, proportions=proportions, seed=seed,
                quicklook=quicklook,
            )  # fmt: skip
            select_in_blocks(xs, plan, step or patch_size, centres)
        else:
            select_interleaved(xs, seen.usable, patch_size, proportions, centres)
        windows = {
            group: splits.read_windows(path, raster.describe(xs, "XS"), patch_size)
            for group, path in centres.items()
        }
        splits.check_groups(windows, patch_size, margin if split == "blocks" else 0)

        for group in GROUPS:
            log.info("extracting the %s patches", group)
            paths = {kind: partial / f"{group}_{kind}_patches.tif" for kind in KINDS}
            doing = f"extracting {group} patches of {patch_size} x {patch_size} pixels"
            with engine_errors(doing):
                extract_patches(lr, hr, centres[group], patch_size, paths)
            checks.check_count(paths["lr"], len(windows[group]))

        with engine_errors("keeping Sentinel-2"):
            kept = own_grid.keep(
                partial / own_grid.NAME, remove_offset(s2, offset),
                raster.describe(tiles[0][0], "Sentinel-2").crs,
                raster.describe(xs, "XS"), CREATION_OPTIONS,
            )  # fmt: skip
        size = xs_info.height, xs_info.width
        quality.save_figure(partial / "pair.png", quicklook, size)
        splits.save_map(partial / "split.png", quicklook, size, windows, patch_size)
        card = {
            "bands": list(BANDS),
            "factor": FACTOR,
            "offset": offset,
            "scale": SCALE,
            "lr": {"patch_size": patch_size, "spacing": xs_info.spacing},
            "hr": {"patch_size": FACTOR * patch_size, "spacing": pan_info.spacing},
            "split": plan.record() if split == "blocks" else {"strategy": split},
            "step": step or patch_size,
            "proportions": list(proportions),
            "left_out": left_out,
            "pair": quality.record(),
            "coregistered": corrected,
            "harmonized": harmonize,
            "pan": pan_info.record(),
            "xs": xs_info.record(),
            "sentinel2": record
            or {"files": [[redact(band) for band in tile] for tile in tiles]},
            "sentinel2_own_grid": kept,
            "versions": cards.versions(),
            "groups": {
                group: {"patches": len(places), "windows": places.tolist()}
                for group, places in windows.items()
            },
        }
        cards.write_card(partial / "dataset.json", card)
    return card


def output_files(out_dir: str) -> list[Path]:
    """List the files that the exercise makes."""
    patches = [f"{group}_{kind}_patches.tif" for group in GROUPS for kind in KINDS]
    others = (own_grid.NAME, *PICTURES, "dataset.json")
    return [Path(out_dir) / name for name in (*patches, *others)]


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Make training, validation and test patches of Spot-7 (hr, 1.5 m) "
        "and Sentinel-2 (lr, resampled to 6 m)."
    )
    add = parser.add_argument
    add("--pan", required=True, help="Spot-7 panchromatic image, 1.5 m")
    add("--xs", required=True, help="Spot-7 XS image, 4 bands, 6 m")
    add("--out_dir", required=True, help="folder for the patches")
    add("--spot_date", type=search.day, metavar="DAY", help="when Spot came by")
    add("--overwrite", action="store_true", help="replace existing files")
    add(
        "--offset", type=int, choices=(0, 1000),
        help="subtract this from the Sentinel-2 DN: 1000 for ESA products of baseline "
        "04.00 or later (default: as the found item says; 0 for --s2_images)",
    )  # fmt: skip

    add = parser.add_argument_group("Sentinel-2 at hand").add_argument
    add(
        "--s2_images", nargs=4, metavar=("B04", "B03", "B02", "B08"),
        help="bands at hand, instead of a search",
    )  # fmt: skip
    add("--scl", help="their scene classification, to leave clouds out")

    search.add_search(parser)

    add = parser.add_argument_group("pair").add_argument
    add("--coregister", action="store_true", help="correct the shift between them")
    add(
        "--harmonize", action="store_true",
        help="map Spot to the radiometry of Sentinel-2",
    )  # fmt: skip

    add = parser.add_argument_group("patches").add_argument
    add(
        "--patch_size", type=int, default=32, metavar="PIXELS",
        help="side of the lr patches (default: %(default)s; hr: 4 times as many)",
    )  # fmt: skip
    add(
        "--step", type=int, metavar="PIXELS",
        help="from one training patch to the next (default: they touch)",
    )  # fmt: skip
    add(
        "--split", choices=SPLITS, default=SPLITS[0],
        help="groups in blocks that do not leak, or dealt out in turn as in the course "
        "(default: %(default)s)",
    )  # fmt: skip
    add(
        "--margin", type=int, default=MARGIN, metavar="PIXELS",
        help="between groups in blocks, in lr pixels (default: %(default)s)",
    )  # fmt: skip
    add(
        "--proportions", nargs=3, type=float, default=PROPORTIONS,
        metavar=("TRAIN", "VALID", "TEST"), help="(default: 0.8 0.1 0.1)",
    )  # fmt: skip
    add("--seed", type=int, default=0, help="of the blocks (default: %(default)s)")
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    if params.patch_size < 2 or params.patch_size % 2:
        parser.error("--patch_size must be even and at least 2")
    if not all(0 < share < math.inf for share in params.proportions):
        parser.error("--proportions must be positive")
    if min(params.margin, params.seed) < 0:
        parser.error("--margin and --seed must be at least 0")
    if params.step is not None and not 1 <= params.step <= params.patch_size:
        parser.error("--step must be at least 1, and no more than --patch_size")
    if params.step and params.split != "blocks":
        parser.error("--step is for --split blocks: interleaved patches must not meet")
    if params.s2_images:
        for name in ("dry_run", "item", "assets", "spot_date"):
            if getattr(params, name):
                parser.error(f"--{name} is for a search, and --s2_images are at hand")
    elif params.scl:
        parser.error("--scl is for --s2_images; a search finds its own")
    if not params.dry_run:
        engine.need("PatchesSelection", "PatchesExtraction")
        files.check_name(params.out_dir)
        files.refuse_existing(output_files(params.out_dir), params.overwrite)
    names = (
        "pan", "xs", "out_dir", "patch_size", "step", "split", "margin", "seed",
        "proportions", "coregister", "harmonize", "overwrite",
    )  # fmt: skip
    chosen = {name: getattr(params, name) for name in names}

    if params.s2_images:
        if params.offset is None:
            log.info(
                "no offset is subtracted from --s2_images; ESA products of baseline "
                "04.00 or later need --offset 1000"
            )
        card = create_dataset(
            tiles=[params.s2_images],
            scl=[params.scl] if params.scl else None,
            offset=params.offset or 0,
            **chosen,
        )
    else:
        _, xs_info = checks.check_spot(params.pan, params.xs, params.patch_size)
        area = scenes.in_degrees(xs_info.crs, raster.data_outline(xs_info))
        scene = search.find_scene(params, area, params.spot_date)
        if params.dry_run:
            return 0
        offset = scene.offset if params.offset is None else params.offset
        if offset != scene.tiles[0].offset:
            log.warning(
                "an offset of %d is subtracted, the item says %s",
                offset, scene.tiles[0].offset,
            )  # fmt: skip
        days = params.spot_date and abs(scene.when.date() - params.spot_date).days
        wanted = (*BANDS, "SCL")
        with download.local_copies(scene, wanted, xs_info, params.out_dir) as copies:
            card = create_dataset(
                tiles=[[tile[band] for band in BANDS] for tile in copies],
                scl=[tile["SCL"] for tile in copies],
                offset=offset,
                days=days,
                record=scene.record(offset),
                **chosen,
            )
    for group, found in card["groups"].items():
        print(f"{group:5s} {found['patches']:6d} patches")
    print(f"written: {params.out_dir}/{{train,valid,test}}_{{lr,hr}}_patches.tif")
    print(f"look at: {params.out_dir}/{{{','.join(PICTURES)}}}")
    if card["pair"]["verdict"] == "fail":
        log.warning("a line of the table fails: think twice about this pair")
    return 0


if __name__ == "__main__":
    sys.exit(main())
