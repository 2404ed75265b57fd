"""Exercise 5: super-resolve a whole Sentinel-2 image.

In:  Sentinel-2 (files, a SAFE folder, or a search for an area) and the SavedModel.
Out: a seamless 16-bit Cloud Optimized GeoTIFF at 1.5 m, and a card (JSON) beside it.

    python sr_infer.py --s2_images B04.tif B03.tif B02.tif B08.tif \
        --model_dir model --out sr.tif
    python sr_infer.py --bbox 2.30 48.84 2.38 48.88 --model_dir model --out sr.tif

Tiles join without a seam: each is computed with a margin wider than the receptive field
of the network, and only its middle (the `_crop` output) is kept.
The image is made in pieces, so that a killed run continues where it stopped.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.options.inference_options")  # --help, misuse and Ctrl-C: at once

import sys
from pathlib import Path

from srtools.conventions import BANDS, FACTOR, INPUT
from srtools.engine import engine_errors
from srtools.images.radiometry import at_least_1, remove_offset
from srtools.inference.inference_job import Job, print_ranking
from srtools.inference.pieces import Piece
from srtools.options import inference_options as cli

import pyotb


def put_on_lr_grid(s2: list[str], offset: int, grid: str) -> pyotb.App:  # exercise
    """Stack the bands, subtract the offset (DN), and resample from 10 m to 6 m."""
    stacked = pyotb.ConcatenateImages(il=s2)
    reflectance = remove_offset(stacked, offset)
    return pyotb.Superimpose(inr=grid, inm=reflectance, interpolator="bco")


def serve(lr: pyotb.App, job: Job) -> pyotb.App:  # exercise
    """Run the network over `lr`; `job` has model_dir, tile_size, crop and output names.

    Near the edge of a tile the output is wrong, so `crop` output pixels are cut off on
    each side.  OTBTF cuts the output to whole expression fields, so the smallest field
    is chosen, one lr pixel: efield = 4 x 1.  The receptive field is then this pixel and
    the lr pixels below the crop on both sides, crop / 4 each.
    """
    rfield = 2 * (job.crop // FACTOR) + 1
    return pyotb.TensorflowModelServe(
        {
            "source1.il": [lr],
            "source1.rfieldx": rfield,
            "source1.rfieldy": rfield,
            "source1.placeholder": INPUT,
            "model.dir": job.model_dir,
            "model.fullyconv": True,
            "output.names": job.names,
            "output.efieldx": FACTOR,
            "output.efieldy": FACTOR,
            "output.spcscale": 1 / FACTOR,
            "optim.tilesizex": job.tile_size,
            "optim.tilesizey": job.tile_size,
        },
        n_sources=1,
    )


def write_piece(sr: pyotb.App, piece: Piece, tile_size: int, path: Path) -> None:
    """Compute one piece of the output, and write it as uint16."""
    extended = {
        # Strips as high as a tile, so that no tile is computed twice.
        "streaming:type": "stripped",
        "streaming:sizemode": "height",
        "streaming:sizevalue": tile_size,
        "box": piece.box,
        **{f"gdal:co:{name}": value for name, value in piece.creation.items()},
    }
    sr.write(str(path), pixel_type="uint16", ext_fname=extended)


def make_network(**size: int) -> object:
    """Build the Keras model of exercise 2, with initial weights."""
    from sr_model import SRModel, element_spec  # late: only --precision needs otbtf

    return SRModel(element_spec(len(BANDS)), **size).model


def infer(options: cli.Options) -> dict | None:
    """Super-resolve an image; return its card, or None for a share (--part)."""
    with Job(options, make_network) as job:
        with engine_errors("preparing the image"):
            lr = put_on_lr_grid(job.s2_files, job.s2.offset, job.lr_grid)
            sr = at_least_1(serve(lr, job)) + 0.5  # OTB truncates decimals
        # The job sets the georeference, and 0 where Sentinel-2 has no data.
        job.make(lambda piece, path: write_piece(sr, piece, job.tile_size, path))
        return job.finish()


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    if options.dry_run:
        print_ranking(options)
    else:
        infer(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
