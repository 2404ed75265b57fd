"""Exercise 5: super-resolve a whole Sentinel-2 image.

In:  Sentinel-2 (files, a SAFE folder, or a search for an area) and the SavedModel.
Out: a 16-bit Cloud Optimized GeoTIFF at 1.5 m, seamless, in its place, with a card
     (JSON) beside it.

    python sr_infer.py --s2_images B04.tif B03.tif B02.tif B08.tif \
        --model_dir model --out sr.tif
    # only the area of another image, on its grid, and a picture to look at
    python sr_infer.py --s2_images s2.tif --like pan.tif --model_dir model \
        --out sr.tif --preview sr.png
    # the clearest image of an area, whoever has it
    python sr_infer.py --bbox 2.30 48.84 2.38 48.88 --model_dir model --out sr.tif

Tiles join without a seam, because each is computed with more of its surroundings
than the network's receptive field, and only the middle (the `_crop` output) is kept.
The image is made in pieces: a run that was killed goes on where it stopped, and
several machines can share one image (`--part`, `--dask`).

Source: OTBTF application TensorflowModelServe.
"""

import argparse
import functools
import logging
import math
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.warp import transform as transform_points

from srtools import cards, engine, files
from srtools.cli import search
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.images import checks, figures, raster, vrt
from srtools.images.radiometry import keep_from_0, remove_offset
from srtools.images.raster import ImageInfo
from srtools.inference import cluster, inputs, pieces, plans
from srtools.network import ensemble, saved_model
from srtools.sentinel2 import download, safe, scenes

import pyotb

log = logging.getLogger("srtools.sr_infer")

INPUT, OUTPUT = "lr", "hr_dn"  # hr_dn is reflectance x 10000, ready for 16 bit
SPREAD = "hr_dn_std"
TILE_SIZE = 1344  # output pixels; about 1.7 GB with 64 filters
AROUND = 200.0  # metres that are fetched around an area, for the network to see
PIECE_SIZE = 4096  # output pixels, of which whole tiles are used: 37 km2


def serve(
    lr: pyotb.App, model_dir: str, names: list[str], crop: int, tile_size: int
) -> pyotb.App:
    """Run the network over `lr`, tile by tile; `crop` pixels are lost on each side.

    OTBTF cuts its output to whole expression fields, so the smallest one is taken,
    one lr pixel: efield = 4 x 1.  Its receptive field is then that pixel and what
    the crop takes away on both sides, crop / 4 lr pixels each.
    """
    rfield = 2 * (crop // FACTOR) + 1
    return pyotb.TensorflowModelServe(
        {
            "source1.il": [lr],
            "source1.rfieldx": rfield,
            "source1.rfieldy": rfield,
            "source1.placeholder": INPUT,
            "model.dir": model_dir,
            "model.fullyconv": True,
            "output.names": names,
            "output.efieldx": FACTOR,
            "output.efieldy": FACTOR,
            "output.spcscale": 1 / FACTOR,
            "optim.tilesizex": tile_size,
            "optim.tilesizey": tile_size,
        },
        n_sources=1,
    )


def surround(s2: list[ImageInfo], plan: plans.Plan, folder: Path) -> list[ImageInfo]:
    """Give the images with what the network sees around the area; as VRT in `folder`.

    These are the true pixels where there are any, and reflected ones only beyond the
    edge of the image.
    """
    metres = plan.margin * FACTOR * plan.transform.a
    spacing = s2[0].spacing_in(rasterio.CRS.from_wkt(plan.crs_wkt))
    beyond = math.ceil(metres / spacing) + 4  # and what the cubic kernel needs
    return [
        raster.describe(
            vrt.write_reflected(folder / f"band{index}.vrt", image, beyond), image.path
        )
        for index, image in enumerate(s2)
    ]


@raster.engine_errors("preparing the image")
def super_resolve(
    s2: list[ImageInfo], known: list[ImageInfo], plan: plans.Plan, model_dir: str,
    names: list[str], offset: int, tile_size: int, folder: Path,
) -> tuple[pyotb.App, pyotb.App]:  # fmt: skip
    """Give the output for `plan`, not computed yet; `folder` takes small VRT files.

    It is given twice: with 0 where `known`, Sentinel-2, has no data, and without
    looking for that, which is faster where it is complete.  All other pixels are at
    least 1.  `s2` is what the network sees.
    """
    lr_grid = vrt.write_grid(
        folder / "lr.vrt", plan.crs_wkt, plan.lr_transform, *plan.lr_size
    )
    stacked = pyotb.ConcatenateImages(il=[image.path for image in s2])
    s2_image = remove_offset(stacked, offset)
    lr = pyotb.Superimpose(inr=str(lr_grid), inm=s2_image, interpolator="bco")
    sr = serve(lr, model_dir, names, plan.crop, tile_size)
    sr = keep_from_0(sr)
    return keep_no_data(sr, known, len(names), plan, folder), sr


def keep_no_data(
    sr: pyotb.App, s2: list[ImageInfo], outputs: int, plan: plans.Plan, folder: Path
) -> pyotb.App:
    """Give `sr` with 0 where Sentinel-2 is 0 (no data).

    OTB compares pixels of images that say they lie at the same place, and OTBTF says
    a wrong one: at 6 m to 1.5 m it is 1.5 pixels too far east and south (half a pixel
    with a receptive field that is odd).  So Sentinel-2 is put as far off, for this
    only; the true place, which the plan knows, is written when the pieces are joined.
    """
    said, true = Affine(*sr.transform), plan.transform
    places = [(transform.c, transform.f) for transform in (said, true)]
    (x0, x1), (y0, y1) = transform_points(
        rasterio.CRS.from_wkt(plan.crs_wkt), s2[0].crs, *zip(*places, strict=True)
    )
    displaced = [
        vrt.write_displaced(folder / f"displaced{index}.vrt", image, x0 - x1, y0 - y1)
        for index, image in enumerate(s2)
    ]
    original = pyotb.ConcatenateImages(il=[str(path) for path in displaced] * outputs)
    seen = pyotb.Superimpose(inr=sr, inm=original, interpolator="nn")
    return pyotb.where(seen == 0, 0, sr)


def infer(
    *,
    s2_images: list[str],
    model_dir: str,
    out: str,
    area: ImageInfo | None = None,
    offset: int = 0,
    crop: int | None = None,
    tile_size: int = TILE_SIZE,
    piece_size: int = PIECE_SIZE,
    part: tuple[int, int] | None = None,
    self_ensemble: bool = False,
    uncertainty: bool = False,
    preview: str | None = None,
    overwrite: bool = False,
    record: dict | None = None,
    keep: Sequence[str] = (),
) -> dict | None:
    """Super-resolve a Sentinel-2 image.

    Arguments:
        s2_images: four files with one band (B04, B03, B02, B08), or one with four.
        model_dir: SavedModel of sr_train.py.
        out: GeoTIFF to write, uint16, reflectance x 10000, 0 is no data.
        area: an image whose area and corner the output takes.
        offset: what to subtract from the DN (1000 or 0).
        crop: which `_crop` output to use, in output pixels; None: the smallest that
            the receptive field allows.
        tile_size: side of a tile in output pixels; memory grows with its square.
        piece_size: side of a piece in output pixels.
        part: (i, n) makes the i-th of n shares of the pieces, and joins nothing.
        self_ensemble: whether to take the mean over flips and turns.
        uncertainty: whether to write their standard deviation, as `*_std.tif`.
        preview: PNG to write, input and output side by side.
        overwrite: whether existing files may be replaced.
        record: what the card keeps of the Sentinel-2 scene.
        keep: other files that are never replaced.

    Returns:
        The card, as written beside the image; None if only a share was made.

    Raises:
        SRError: if the images or the model do not fit.
    """
    engine.need("TensorflowModelServe")
    raster.check_name(out)
    images_out = {Path(out): range(1, len(BANDS) + 1)}
    if uncertainty:
        std_path = Path(out).with_name(f"{Path(out).stem}_std.tif")
        images_out[std_path] = range(len(BANDS) + 1, 2 * len(BANDS) + 1)
    card_path = Path(out).with_suffix(".json")
    outputs = [*images_out, card_path, *([Path(preview)] if preview else [])]
    read = [*s2_images, *keep, *([area.path] if area else [])]
    files.refuse_existing(outputs, overwrite, read)
    if Path(out).suffix.lower() not in (".tif", ".tiff"):
        raise SRError(f"{out}: the image is a GeoTIFF, its name must end in .tif")
    for path in filter(Path.is_dir, outputs):
        raise SRError(f"{path} is a folder; give the name of a file")
    if preview and Path(preview).suffix.lower() != ".png":
        raise SRError(f"{preview}: the preview is a PNG, its name must end in .png")
    s2 = inputs.check_images(s2_images)
    inputs.check_area(s2, area)
    inputs.check_pixels(s2, offset)
    model = saved_model.describe(model_dir)
    saved_model.check_weights(model_dir)
    cards.check_conventions(
        model.card, f"the card of {model_dir}", "train a model with sr_train.py"
    )
    plan = plans.make(s2[0], area, model, plans.choose_crop(model, INPUT, OUTPUT, crop))
    tile_size = math.ceil(tile_size / FACTOR) * FACTOR
    # Pieces of whole tiles, so that no tile is computed twice.
    piece_size = max(piece_size // tile_size, 1) * tile_size
    todo = pieces.cut(plan.width, plan.height, piece_size)
    card = {
        "sentinel2": record or {"files": [image.record() for image in s2]},
        "offset": offset,
        "model_dir": str(model_dir),
        "model_card": model.card,
        "crop": plan.crop,
        "tile_size": tile_size,
        "self_ensemble": self_ensemble or uncertainty,
        "grid": {"transform": plan.transform[:6], "size": [plan.width, plan.height]},
        "versions": cards.versions(),
    }
    for path in outputs:
        files.make_folder(path.parent)  # or say now that it cannot be written
    pieces_folder = pieces.folder_of(out)
    plan_of_pieces = {
        **card, "model": saved_model.fingerprint(model_dir), "uncertainty": uncertainty,
        "piece_size": piece_size,
        "files": None if record else [inputs.fingerprint(image) for image in s2],
    }  # fmt: skip
    pieces.prepare(pieces_folder, plan_of_pieces, overwrite)

    name = f"{OUTPUT}_crop{plan.crop}"
    names = [name, SPREAD] if uncertainty else [name]
    with tempfile.TemporaryDirectory() as folder:
        served = model_dir
        if card["self_ensemble"]:
            served = ensemble.save(
                model_dir, INPUT, name, SPREAD, Path(folder) / "ensemble"
            )
        seen = surround(s2, plan, Path(folder))
        # A pixel at the edge that lies partly in the image is no pixel without data.
        known = seen if plan.inside else s2
        with_holes, without = super_resolve(
            seen, known, plan, served, names, offset, tile_size, Path(folder)
        )

        @functools.cache  # asked when a piece is made, and when all are joined
        def has_holes(piece: pieces.Piece) -> bool:
            return inputs.has_no_data(known, plan.place_of(piece))

        def write(piece: pieces.Piece, path: Path) -> None:
            extended = {
                # Strips as high as a tile, so that no tile is computed twice.
                "streaming:type": "stripped",
                "streaming:sizemode": "height",
                "streaming:sizevalue": tile_size,
                "box": piece.box,
                # A line of a band is read at once when the pieces are joined.
                "gdal:co:INTERLEAVE": "BAND",
                "gdal:co:BLOCKYSIZE": 32,
            }
            with raster.engine_errors("super-resolving"):
                result = with_holes if has_holes(piece) else without
                result.write(str(path), pixel_type="uint16", ext_fname=extended)

        own = pieces.share(todo, *part) if part else todo
        if not own:
            log.warning(
                "no piece is left for this share, the image has %d; smaller ones "
                "(--piece_size) spread better", len(todo),
            )  # fmt: skip
        pieces.make(pieces_folder, own, write, plan.transform.a)
        if part:
            return None
        holes = any(map(has_holes, todo))
    seen = record["items"] if record else [Path(path).name for path in s2_images]
    about = {
        "AREA_OR_POINT": "Area",
        "PROCESSING": f"super-resolution by {model_dir}",
        "SENTINEL2": " ".join(map(str, seen)),
        "SENTINEL2_OFFSET_SUBTRACTED": str(offset),
    }
    for path, numbers in images_out.items():
        titles = dict(zip(numbers, BANDS, strict=True))
        with files.whole_file(path) as partial:
            pieces.join(
                pieces_folder, todo, partial, titles, plan.crs_wkt, plan.transform,
                SCALE, about, holes,
            )  # fmt: skip
    pieces.remove(pieces_folder)
    card["output"] = raster.describe(out, "the output").record()
    cards.write_card(card_path, card)
    if preview:
        figures.save_preview(preview, [image.path for image in s2], offset, out)
    return card


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Super-resolve a Sentinel-2 image to 1.5 m with a trained model.",
        allow_abbrev=False,  # the workers of --dask are given the same words
    )
    add = parser.add_argument
    add("--model_dir", required=True, help="SavedModel of sr_train.py")
    add("--out", required=True, help="GeoTIFF to write (16 bit)")
    add("--preview", metavar="PNG", help="picture of input and output")
    add("--overwrite", action="store_true", help="replace existing files")
    add(
        "--s2_images", nargs="+", metavar="FILE",
        help="B04 B03 B02 B08, one file with these four bands, or an unzipped .SAFE "
        "folder (default: search for --like, --bbox or --aoi)",
    )  # fmt: skip
    add(
        "--offset", type=int, choices=(0, 1000),
        help="subtract this from the DN: 1000 for ESA products of baseline 04.00 or "
        "later (default: what the product says; 0 for images)",
    )  # fmt: skip

    add = parser.add_argument_group("area").add_argument
    add("--like", metavar="FILE", help="take the area and the corner of this image")
    add(
        "--bbox", nargs=4, type=float, metavar=("WEST", "SOUTH", "EAST", "NORTH"),
        help="in degrees",
    )  # fmt: skip
    add("--aoi", metavar="GEOJSON", help="the box around these outlines")

    search.add_search(parser)

    add = parser.add_argument_group("network").add_argument
    add(
        "--crop", type=int, metavar="PIXELS",
        help="use this _crop output (default: the smallest that leaves no seam)",
    )  # fmt: skip
    add(
        "--tile_size", type=int, default=TILE_SIZE, metavar="PIXELS",
        help="side of a tile; larger is faster and takes more memory "
        "(default: %(default)s)",
    )  # fmt: skip
    add(
        "--self_ensemble", action="store_true",
        help="mean over the 8 flips and turns: a little better, 8 times slower",
    )  # fmt: skip
    add(
        "--uncertainty", action="store_true",
        help="write their standard deviation as well, as a second image",
    )  # fmt: skip

    add = parser.add_argument_group("large images").add_argument
    add(
        "--piece_size", type=int, default=PIECE_SIZE, metavar="PIXELS",
        help="side of the pieces that a killed run need not make again "
        "(default: %(default)s)",
    )  # fmt: skip
    add(
        "--part", type=share, metavar="I/N",
        help="make the I-th of N shares; the same command without --part joins them",
    )  # fmt: skip
    add("--dask", metavar="ADDRESS", help="spread the work over this Dask cluster")
    return parser


def share(text: str) -> tuple[int, int]:
    """Read an option such as 2/8."""
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if not numbers or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no share; one such as 1/8, the first of eight, is expected"
        )
    return int(numbers[1]), int(numbers[2])


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    if min(params.tile_size, params.piece_size) < 1:
        parser.error("--tile_size and --piece_size must be at least 1")
    if sum(map(bool, (params.like, params.bbox, params.aoi))) > 1:
        parser.error("--like, --bbox and --aoi are three ways to say the same")
    polygon = inputs.read_area(params.bbox, params.aoi)
    like = raster.describe(params.like, "the reference image") if params.like else None
    if like:
        checks.check_metres(like)
    if not (params.s2_images or polygon or like):
        parser.error("--s2_images, or an area to search, is needed")
    if params.s2_images:
        for name in ("dry_run", "item", "assets"):
            if getattr(params, name):
                parser.error(f"--{name} is for a search, and --s2_images are at hand")
    if params.dask and params.part:
        parser.error("--dask makes all the shares, --part one of them")
    if params.dask:
        cluster.over_dask(params.dask, __file__, argv or sys.argv[1:])
    names = (
        "model_dir", "out", "crop", "tile_size", "piece_size", "part", "preview",
        "self_ensemble", "uncertainty", "overwrite",
    )  # fmt: skip
    chosen = {name: getattr(params, name) for name in names}
    chosen["keep"] = [params.aoi] if params.aoi else []

    def run(paths: list[str], offset: int, record: dict | None = None) -> dict | None:
        area = like
        if polygon:
            area = inputs.part_of(inputs.check_images(paths)[0], polygon)
        return infer(s2_images=paths, area=area, offset=offset, record=record, **chosen)

    if params.s2_images:
        paths, offset = params.s2_images, params.offset or 0
        if len(paths) == 1 and safe.is_safe(paths[0]):
            paths, said = safe.read_safe(paths[0])
            offset = safe.sure(said) if params.offset is None else params.offset
        card = run(paths, offset)
    else:
        searched = polygon or scenes.footprint_wgs84(
            like.crs, like.transform, like.width, like.height
        )
        scene = search.find_scene(params, searched)
        if params.dry_run:
            return 0
        offset = scene.offset if params.offset is None else params.offset
        where, folder = inputs.as_image(searched), Path(params.out).parent
        copies = download.local_copies(scene, BANDS, where, folder, AROUND)
        with copies as tiles:
            paths = vrt.write_mosaics(tiles, BANDS)
            card = run(paths, offset, scene.record(offset))
    if card is None:
        print("this share is done; join all with the same command without --part")
        return 0
    output = card["output"]
    width, height = output["size"]
    print(
        f"written: {params.out}, {width} x {height} pixels of {output['spacing']:g} m, "
        f"{output['dtype']}, {output['crs']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
