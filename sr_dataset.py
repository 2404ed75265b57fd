"""Exercise 1: Spot-7 and a cloud-free Sentinel-2 image become patches.

In:  Spot-7 PAN (1.5 m) and XS (6 m), and Sentinel-2 from a STAC API or from files.
Out: {train,valid,test}_{lr,hr}_patches.tif and dataset.json.  No intermediate file is
     written: the applications hand their images to each other in memory.

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
import sys
from pathlib import Path

from srtools import cards, images, scenes
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.radiometry import remove_offset
from srtools.remote import PLANETARY_COMPUTER, SENTINEL2_L2A, Archive

import pyotb  # isort: skip  (after srtools, which makes it less talkative)

log = logging.getLogger("srtools.sr_dataset")

GROUPS = ("train", "valid", "test")
PROPORTIONS = (0.8, 0.1, 0.1)
CREATION_OPTIONS = (
    "gdal:co:COMPRESS=DEFLATE&gdal:co:PREDICTOR=2&gdal:co:BIGTIFF=IF_SAFER"
)


def low_resolution(xs: str, tiles: list[list[str]], offset: int) -> pyotb.App:
    """Give Sentinel-2 on the grid of Spot's XS: 10 m become 6 m.

    Arguments:
        xs: the Spot XS image, whose grid is taken.
        tiles: for each Sentinel-2 tile its bands, in the order B04, B03, B02, B08.
        offset: what to subtract from the DN (1000 or 0).
    """
    stacked = [pyotb.ConcatenateImages(il=bands) for bands in tiles]
    s2 = pyotb.Mosaic(il=stacked) if len(stacked) > 1 else stacked[0]
    return pyotb.Superimpose(inr=xs, inm=remove_offset(s2, offset), interpolator="bco")


def usable_pixels(lr: pyotb.App, pan: str, xs: str) -> pyotb.App:
    """Give `lr` with 0 wherever PAN or XS has no data (0), for PatchesSelection."""
    seen_by_pan = pyotb.Superimpose(inr=xs, inm=pan, interpolator="nn")
    seen_by_xs = pyotb.where(pyotb.Input(xs) == 0, 0, lr)
    return pyotb.where(seen_by_pan == 0, 0, seen_by_xs)


def select_centres(
    image: pyotb.App, patch_size: int, proportions: tuple[float, float, float]
) -> dict[str, str]:
    """Choose patch centres on a regular grid; they live in /vsimem/, not on disk."""
    centres = {group: f"/vsimem/{group}_centres.geojson" for group in GROUPS}
    shares = zip(GROUPS, proportions, strict=True)
    pyotb.PatchesSelection(
        {
            "in": image,
            "nodata": 0,
            "grid.step": patch_size,
            "grid.psize": patch_size,
            "strategy": "split",
            **{f"strategy.split.{group}prop": share for group, share in shares},
            **{f"out{group}": path for group, path in centres.items()},
        }
    )
    return centres


def extract_patches(
    lr: pyotb.App, hr: pyotb.App, centres: str, patch_size: int, paths: dict[str, Path]
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
            "vec": centres,
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


def create_dataset(
    *,
    pan: str,
    xs: str,
    tiles: list[list[str]],
    out_dir: str,
    offset: int = 0,
    patch_size: int = 32,
    proportions: tuple[float, float, float] = PROPORTIONS,
    overwrite: bool = False,
    record: dict | None = None,
) -> dict:
    """Make the patches images and their card.

    Arguments:
        pan, xs: the Spot-7 images, 1 band at 1.5 m and 4 bands at 6 m.
        tiles: for each Sentinel-2 tile its four bands, B04, B03, B02, B08.
        out_dir: folder for the patches images and `dataset.json`.
        offset: what to subtract from the Sentinel-2 DN (1000 or 0).
        patch_size: side of the lr patches in pixels; hr patches are 4 times as large.
        proportions: shares of train, valid and test.
        overwrite: whether existing files may be replaced.
        record: what the card keeps of the Sentinel-2 scene.

    Returns:
        The card, as written to `dataset.json`.

    Raises:
        SRError: if the images do not fit together, or no patch is left.
    """
    pan_info, xs_info = check_inputs(pan, xs, tiles, patch_size)
    names = [f"{group}_{kind}_patches.tif" for group in GROUPS for kind in ("lr", "hr")]
    outputs = [Path(out_dir) / name for name in (*names, "dataset.json")]
    cards.refuse_existing(outputs, overwrite)

    with images.engine_errors("building the images"):
        lr = low_resolution(xs, tiles, offset)
        hr = pyotb.BundleToPerfectSensor(inp=pan, inxs=xs)
    with images.engine_errors("selecting patches"):
        usable = usable_pixels(lr, pan, xs)
        centres = select_centres(usable, patch_size, proportions)

    groups = {}
    with cards.whole_files(outputs) as partial:
        for group in GROUPS:
            log.info("extracting the %s patches", group)
            paths = {k: partial / f"{group}_{k}_patches.tif" for k in ("lr", "hr")}
            doing = f"extracting {group} patches of {patch_size} x {patch_size} pixels"
            with images.engine_errors(doing):
                extract_patches(lr, hr, centres[group], patch_size, paths)
            groups[group] = {"patches": images.describe_patches(paths["lr"]).count}
        card = {
            "bands": list(BANDS),
            "factor": FACTOR,
            "offset": offset,
            "scale": SCALE,
            "lr": {"patch_size": patch_size, "spacing": xs_info.spacing},
            "hr": {"patch_size": FACTOR * patch_size, "spacing": pan_info.spacing},
            "groups": groups,
            "proportions": list(proportions),
            "pan": pan_info.record(),
            "xs": xs_info.record(),
            "sentinel2": record or {"files": tiles},
            "versions": cards.versions(),
        }
        cards.write_card(partial / "dataset.json", card)
    return card


def check_inputs(
    pan: str, xs: str, tiles: list[list[str]], patch_size: int
) -> tuple[images.ImageInfo, images.ImageInfo]:
    """Check the images against each other before anything is computed."""
    pan_info = images.describe(pan, "the PAN image", bands=1)
    xs_info = images.describe(xs, "the XS image", bands=len(BANDS))
    images.check_spot_pair(pan_info, xs_info, FACTOR)
    if min(xs_info.width, xs_info.height) < patch_size + 1:
        raise SRError(
            f"the XS image has {xs_info.width} x {xs_info.height} pixels, less than a "
            f"patch of {patch_size} and one more; take a larger image or a smaller "
            "--patch_size"
        )
    for bands in tiles:
        infos = [
            images.describe(path, f"the Sentinel-2 image {band}", bands=1)
            for path, band in zip(bands, BANDS, strict=True)
        ]
        images.check_stack(infos)
        if len(tiles) == 1:
            images.check_covers(infos[0], xs_info)
    return pan_info, xs_info


def find_scene(params: argparse.Namespace) -> scenes.Scene | None:
    """Search the STAC API; with --dry_run print the ranking and give None."""
    xs = images.describe(params.xs, "the XS image", bands=len(BANDS))
    area = scenes.footprint_wgs84(xs.crs, xs.transform, xs.width, xs.height)
    archive = Archive(url=params.stac_url, collection=params.collection)
    candidates = scenes.search(
        archive,
        area,
        params.start_date,
        params.end_date,
        max_cloud_cover=params.max_cloud_cover,
        items=params.item or (),
    )
    if params.dry_run:
        print(scenes.ranking_table(candidates))
        return None
    scene = scenes.choose(candidates, area, max_bad_share=params.max_bad_share)
    print(scenes.ranking_table(candidates, scene))
    return scene


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Make training, validation and test patches of Spot-7 (hr, 1.5 m) "
        "and Sentinel-2 (lr, resampled to 6 m)."
    )
    parser.add_argument("--pan", required=True, help="Spot-7 panchromatic image, 1.5 m")
    parser.add_argument("--xs", required=True, help="Spot-7 XS image, 4 bands, 6 m")
    parser.add_argument("--out_dir", required=True, help="folder for the patches")
    parser.add_argument(
        "--s2_images", nargs=4, metavar=("B04", "B03", "B02", "B08"),
        help="Sentinel-2 bands at hand, instead of a search",
    )  # fmt: skip
    parser.add_argument(
        "--offset", type=int, metavar="DN",
        help="subtract this from the Sentinel-2 DN: 1000 for ESA products of baseline "
        "04.00 or later (default: as the found item says; 0 for --s2_images)",
    )  # fmt: skip
    search = parser.add_argument_group("search for Sentinel-2")
    search.add_argument(
        "--stac_url", default=PLANETARY_COMPUTER, help="STAC API (default: %(default)s)"
    )
    search.add_argument(
        "--collection", default=SENTINEL2_L2A, help="collection (default: %(default)s)"
    )
    search.add_argument(
        "--start_date", default=scenes.START, help="first day (default: %(default)s)"
    )
    search.add_argument(
        "--end_date", default=scenes.END, help="last day (default: %(default)s)"
    )
    search.add_argument(
        "--max_cloud_cover", type=float, default=scenes.MAX_CLOUD_COVER,
        metavar="PERCENT", help="of a whole tile (default: %(default)s)",
    )  # fmt: skip
    search.add_argument(
        "--max_bad_share", type=float, default=scenes.MAX_BAD_SHARE, metavar="SHARE",
        help="cloud, shadow and cirrus over the Spot image (default: %(default)s)",
    )  # fmt: skip
    search.add_argument("--item", nargs="+", metavar="ID", help="take these items")
    search.add_argument(
        "--dry_run", action="store_true", help="print the ranking of images and stop"
    )
    patches = parser.add_argument_group("patches")
    patches.add_argument(
        "--patch_size", type=int, default=32, metavar="PIXELS",
        help="side of the lr patches (default: %(default)s; hr: 4 times as many)",
    )  # fmt: skip
    patches.add_argument(
        "--proportions", nargs=3, type=float, default=PROPORTIONS,
        metavar=("TRAIN", "VALID", "TEST"), help="(default: 0.8 0.1 0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="replace existing files"
    )
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    if params.patch_size < 2 or params.patch_size % 2:
        parser.error("--patch_size must be even and at least 2")
    if min(params.proportions) <= 0:
        parser.error("--proportions must be positive")
    if params.s2_images:
        tiles, offset, record = [params.s2_images], params.offset or 0, None
        if params.offset is None:
            log.info(
                "no offset is subtracted from --s2_images; ESA products of baseline "
                "04.00 or later need --offset 1000"
            )
    else:
        scene = find_scene(params)
        if scene is None:
            return 0
        offset = scene.offset if params.offset is None else params.offset
        record = scene.record(offset)
        tiles = [list(t) for t in zip(*map(scene.paths, BANDS), strict=True)]
    card = create_dataset(
        pan=params.pan,
        xs=params.xs,
        tiles=tiles,
        out_dir=params.out_dir,
        offset=offset,
        patch_size=params.patch_size,
        proportions=tuple(params.proportions),
        overwrite=params.overwrite,
        record=record,
    )
    for group, found in card["groups"].items():
        print(f"{group:5s} {found['patches']:6d} patches")
    print(f"written: {params.out_dir}/{{train,valid,test}}_{{lr,hr}}_patches.tif")
    return 0


if __name__ == "__main__":
    sys.exit(main())
