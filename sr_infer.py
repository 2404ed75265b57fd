"""Exercise 5: super-resolve a whole Sentinel-2 image.

In:  Sentinel-2 (files, a SAFE folder, or a search for an area) and the SavedModel.
Out: a 16-bit Cloud Optimized GeoTIFF at 1.5 m, seamless, in its place, with a card
     (JSON) beside it.

    python sr_infer.py --s2_images B04.tif B03.tif B02.tif B08.tif \
        --model_dir model --out sr.tif
    # only the area of another image, on its grid, and a picture to look at
    python sr_infer.py --s2_images s2.tif --like pan.tif --model_dir model \
        --out sr.tif --preview sr.png
    # the clearest image of an area, found by a search
    python sr_infer.py --bbox 2.30 48.84 2.38 48.88 --model_dir model --out sr.tif
    # an image of each of several products
    python sr_infer.py --s2_images A.SAFE B.SAFE --model_dir model --out_dir images

Tiles join without a seam, because each is computed with more of its surroundings
than the network's receptive field, and only the middle (the `_crop` output) is kept.
The image is made in pieces: a run that was killed goes on where it stopped, and
several machines can share one image (`--part`, `--dask`).

Source: OTBTF application TensorflowModelServe.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.cli.inference")  # answers --help, misuse and Ctrl-C at once

import sys
import tempfile
from pathlib import Path
from typing import Any

from affine import Affine

from srtools import engine
from srtools.cli import inference as cli
from srtools.conventions import BANDS, FACTOR, INPUT, OUTPUT_DN
from srtools.engine import engine_errors
from srtools.images import vrt
from srtools.images.radiometry import keep_from_0, remove_offset
from srtools.images.raster import ImageInfo
from srtools.inference import batch, cluster, mask, pieces, plans, prepare, surroundings
from srtools.inference.outputs import Outputs
from srtools.inference.pieces import Piece
from srtools.inference.plans import Plan
from srtools.network import intervals, precision, serving
from srtools.sentinel2 import source
from srtools.sentinel2.image import Content

import pyotb


def put_on_lr_grid(
    s2: list[ImageInfo], plan: Plan, offset: int, folder: Path
) -> pyotb.App:
    """Stack the bands, subtract the offset, and resample from 10 m to 6 m.

    Arguments:
        s2: Sentinel-2, four images with one band or one with four.
        plan: grids of the output and of lr.
        offset: DN to subtract, 1000 or 0.
        folder: for a small VRT file.
    """
    grid = vrt.write_grid(folder / "lr.vrt", plan.lr_grid)
    stacked = pyotb.ConcatenateImages(il=[image.path for image in s2])
    reflectance = remove_offset(stacked, offset)
    return pyotb.Superimpose(inr=str(grid), inm=reflectance, interpolator="bco")


def serve(
    lr: pyotb.App, model_dir: str, names: list[str], crop: int, tile_size: int
) -> pyotb.App:
    """Run the network over `lr`, tile by tile; `crop` pixels are lost on each side.

    OTBTF cuts its output to whole expression fields, so the smallest one is taken,
    one lr pixel: efield = 4 x 1.  Its receptive field is then that pixel and what
    the crop takes away on both sides, crop / 4 lr pixels each.

    Arguments:
        lr: Sentinel-2 on the lr grid, DN without offset.
        model_dir: SavedModel.
        names: outputs that are wanted; their bands are stacked.
        crop: output pixels.
        tile_size: side of a tile, output pixels.
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


def keep_nodata(
    sr: pyotb.App, s2: list[ImageInfo], plan: Plan, outputs: int, folder: Path
) -> pyotb.App:
    """Give `sr` with 0 where Sentinel-2 is 0, which is nodata.

    OTB compares pixels of images that say they lie at the same place, and OTBTF says
    a wrong one: at 6 m to 1.5 m it is 1.5 pixels too far east and south (half a pixel
    with a receptive field that is odd).  So Sentinel-2 is put as far off, for this
    only; the true place, which the plan knows, is written when the pieces are joined.

    Arguments:
        sr: output of the network.
        s2: Sentinel-2.
        plan: true place of the output.
        outputs: number of network outputs that are stacked in `sr`.
        folder: for small VRT files.
    """
    moved = surroundings.displace(s2, plan, Affine(*sr.transform), folder)
    original = pyotb.ConcatenateImages(il=moved * outputs)
    seen = pyotb.Superimpose(inr=sr, inm=original, interpolator="nn")
    return pyotb.where(seen == 0, 0, sr)


def write_piece(sr: pyotb.App, piece: Piece, tile_size: int, path: Path) -> None:
    """Compute one piece of the output, and write it as uint16."""
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
    sr.write(str(path), pixel_type="uint16", ext_fname=extended)


def make_network(**size: int) -> Any:
    """Make the Keras model of exercise 2, with first weights."""
    from sr_model import SRModel, element_spec  # and otbtf, which nothing else needs

    return SRModel(element_spec(len(BANDS)), **size).model


def infer(options: cli.Options) -> dict | None:
    """Super-resolve a Sentinel-2 image.

    Returns:
        The card, as written beside the image; None if only a share was made, or only
        the ranking of images was printed.

    Raises:
        SRError: if the images or the model do not fit.
    """
    engine.need("TensorflowModelServe")
    area = prepare.read_area(options)
    if options.dry_run:
        source.find_scene(options, area.in_degrees)
        return None
    outputs = Outputs.of(options)
    outputs.check(options.overwrite, prepare.files_read(options))
    model = prepare.check_model(options.model_dir)
    arithmetic = precision.choose(options.precision)
    crop = plans.choose_crop(model, INPUT, OUTPUT_DN, options.crop)
    views, calibration, lost = 8 if options.self_ensemble else 1, None, crop
    if options.uncertainty:
        calibration = intervals.record_of(model.card, views, options.model_dir)
        lost += intervals.CUT  # pixels at the rim, whose interval is not known
    outputs.make_folders()
    kept = pieces.folder_of(options.out)
    with (
        pieces.hold(kept, shared=bool(options.part)),
        source.sentinel2(
            options,
            area.in_degrees,
            outputs.image.parent,
            margin_metres=surroundings.context_metres(lost, model),
            scl=options.mask == mask.SCL,
        ) as found,
        tempfile.TemporaryDirectory(prefix=".temporary-", dir=kept) as temporary,
    ):
        folder = Path(temporary)
        job = prepare.job(options, found, area, model, arithmetic, lost, folder)
        names = [serving.cropped(lost)]
        if calibration:
            names.append(serving.INTERVAL)
        served = options.model_dir
        if arithmetic == "bfloat16":
            half = folder / "bfloat16"
            served = precision.save_in_bfloat16(served, make_network, crop, half)
        if options.self_ensemble or calibration:
            around = folder / "around"
            served = serving.save(served, around, crop, views, calibration)
        with engine_errors("preparing the image"):
            lr = put_on_lr_grid(job.context, job.plan, found.offset, folder)
            sr = keep_from_0(serve(lr, served, names, lost, job.tile_size))
            masked = keep_nodata(sr, job.masking.images, job.plan, len(names), folder)
        spacing, bands = job.plan.grid.transform.a, len(names) * len(BANDS)

        def write(piece: Piece, path: Path) -> None:
            there = job.content(piece)
            if there == Content.NONE:
                return pieces.write_empty(path, piece, bands)
            with engine_errors("super-resolving"):
                # The mask costs time, and most pieces need none.
                result = sr if there == Content.ALL else masked
                write_piece(result, piece, job.tile_size, path)

        own = pieces.share(job.pieces, *options.part) if options.part else job.pieces
        pieces.make(job.folder, own, write, spacing, 2 * bands, joins=not options.part)
        if options.part:
            return None
        return outputs.write(job)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    if options.out_dir:
        return 1 if batch.run(options, infer) else 0
    if options.dask:
        cluster.over_dask(options.dask, __file__, argv or sys.argv[1:])
    card = infer(options)
    if options.part:
        print("this share is done; join all with the same command without --part")
    if card:
        output = card["output"]
        width, height = output["size"]
        print(
            f"written: {options.out}, {width} x {height} pixels of "
            f"{output['spacing']:g} m, {output['dtype']}, {output['crs']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
