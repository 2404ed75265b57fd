"""Exercise 5: super-resolve a whole Sentinel-2 image.

In:  Sentinel-2 (four files, or one with four bands) and the SavedModel.
Out: a 16-bit GeoTIFF at 1.5 m, seamless, in its place, with a card (JSON) beside it.

    python sr_infer.py --s2_images B04.tif B03.tif B02.tif B08.tif \
        --model_dir model --out sr.tif
    # only the area of another image, on its grid, and a picture to look at
    python sr_infer.py --s2_images s2.tif --like pan.tif --model_dir model \
        --out sr.tif --preview sr.png

Tiles join without a seam, because each is computed with more of its surroundings
than the network's receptive field, and only the middle (the `_crop` output) is kept.

Source: OTBTF application TensorflowModelServe.
"""

import argparse
import logging
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.warp import transform as transform_points

from srtools import cards, figures, images, models, vrt
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.images import ImageInfo
from srtools.radiometry import remove_offset

import pyotb  # isort: skip  (after srtools, which makes it less talkative)

log = logging.getLogger("srtools.sr_infer")

INPUT, OUTPUT = "lr", "hr_dn"  # hr_dn is reflectance x 10000, ready for 16 bit
LR_SPACING = 6.0  # metres, unless the model's card says otherwise
TILE_SIZE = 1024  # output pixels; about 1 GB with 64 filters
CREATION_OPTIONS = {"COMPRESS": "DEFLATE", "TILED": "YES", "BIGTIFF": "IF_SAFER"}


@dataclass(frozen=True)
class Plan:
    """Which pixels are made: the output, and the lr grid with its margin around it."""

    crs_wkt: str
    transform: Affine
    """Of the output."""
    width: int
    height: int
    """Of the output."""
    crop: int
    """Output pixels that the `_crop` output cuts off on each side."""

    @property
    def margin(self) -> int:
        """Lr pixels around the area, as many as the crop takes away."""
        return self.crop // FACTOR

    @property
    def lr_size(self) -> tuple[int, int]:
        """Width and height in lr pixels, margins included."""
        return tuple(
            math.ceil(size / FACTOR) + 2 * self.margin
            for size in (self.width, self.height)
        )

    @property
    def lr_transform(self) -> Affine:
        """Of the lr grid, margins included."""
        corner = self.transform @ Affine.translation(-self.crop, -self.crop)
        return corner @ Affine.scale(FACTOR)


def make_plan(image: ImageInfo, like: ImageInfo | None, lr_spacing: float, crop: int):
    """Choose the output grid: that of `like` if given, else the image's own.

    The output covers the area to the last pixel, if need be by a part of one more.
    """
    area = like or image
    spacing = lr_spacing / FACTOR
    left, bottom, right, top = area.bounds
    # A hair less than a pixel too much is rounding, not a pixel.
    width, height = (
        math.ceil(extent / spacing - 1e-6) for extent in (right - left, top - bottom)
    )
    transform = Affine(spacing, 0, left, 0, -spacing, top)
    return Plan(area.crs.to_wkt(), transform, width, height, crop)


def choose_crop(model: models.ModelInfo, crop: int | None) -> int:
    """Choose the `_crop` output whose crop is at least the receptive field.

    Raises:
        SRError: if the model has none.
    """
    prefix = f"{OUTPUT}_crop"
    crops = sorted(int(n.removeprefix(prefix)) for n in model.outputs if prefix in n)
    if crop is None:
        # Without a card the receptive field is unknown: the largest crop is safest.
        needed = FACTOR * model.card.get("receptive_field", {}).get("margin", math.inf)
        crop = next((c for c in crops if c >= needed), crops[-1] if crops else 0)
        if math.isfinite(needed) and crop < needed:
            raise SRError(
                f"the model's largest crop ({crop} pixels) is less than its receptive "
                f"field ({needed}); train it with larger inference_cropping"
            )
    model.need(INPUT, f"{prefix}{crop}")
    if crop % (2 * FACTOR):
        raise SRError(
            f"a crop that is a multiple of {2 * FACTOR} is needed, not {crop}"
        )
    return crop


def serve(lr: pyotb.App, model_dir: str, crop: int, tile_size: int) -> pyotb.App:
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
            "output.names": [f"{OUTPUT}_crop{crop}"],
            "output.efieldx": FACTOR,
            "output.efieldy": FACTOR,
            "output.spcscale": 1 / FACTOR,
            "optim.tilesizex": tile_size,
            "optim.tilesizey": tile_size,
        },
        n_sources=1,
    )


def super_resolve(
    s2: list[ImageInfo], plan: Plan, model_dir: str, offset: int, tile_size: int,
    out: Path, folder: Path,
) -> None:  # fmt: skip
    """Write the output for `plan` to `out`; `folder` takes the small VRT files.

    Around the area the network sees the true pixels where there are any, and
    reflected ones only beyond the edge of the image.
    """
    metres = plan.margin * FACTOR * plan.transform.a
    beyond = math.ceil(metres / s2[0].spacing) + 4  # and what the cubic kernel needs
    reflected = [
        vrt.write_reflected(folder / f"band{index}.vrt", image, beyond)
        for index, image in enumerate(s2)
    ]
    lr_grid = vrt.write_grid(
        folder / "lr.vrt", plan.crs_wkt, plan.lr_transform, *plan.lr_size
    )
    stacked = pyotb.ConcatenateImages(il=[str(path) for path in reflected])
    s2_image = remove_offset(stacked, offset)
    lr = pyotb.Superimpose(inr=str(lr_grid), inm=s2_image, interpolator="bco")
    sr = serve(lr, model_dir, plan.crop, tile_size)
    result = keep_no_data(sr, s2, plan, folder)
    options = {
        # Strips as high as a tile, so that no tile is computed twice.
        "streaming:type": "stripped",
        "streaming:sizemode": "height",
        "streaming:sizevalue": tile_size,
        "box": f"0:0:{plan.width}:{plan.height}",
        "nodata": 0,
        **{f"gdal:co:{key}": value for key, value in CREATION_OPTIONS.items()},
    }
    result.write(str(out), pixel_type="uint16", ext_fname=options)


def keep_no_data(
    sr: pyotb.App, s2: list[ImageInfo], plan: Plan, folder: Path
) -> pyotb.App:
    """Give `sr` with 0 where Sentinel-2 is 0 (no data), and at least 1 elsewhere.

    OTB compares pixels of images that say they lie at the same place, and OTBTF says
    a wrong place (see `put_in_place`); so Sentinel-2 is put as far off, for this only.
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
    original = pyotb.ConcatenateImages(il=[str(path) for path in displaced])
    seen = pyotb.Superimpose(inr=sr, inm=original, interpolator="nn")
    return pyotb.where(seen == 0, 0, pyotb.where(sr < 1, 1, sr))


def put_in_place(path: Path, plan: Plan) -> None:
    """Write the true place, band names and scale into the header of a finished image.

    OTBTF places an output of another pixel size wrongly: at 6 m to 1.5 m it says
    1.5 pixels too far east and south (half a pixel with a receptive field that is
    odd).  Which pixels were made is known from the plan, whatever the engine says.
    """
    with rasterio.open(path, "r+") as file:
        file.crs = rasterio.CRS.from_wkt(plan.crs_wkt)
        file.transform = plan.transform
        file.nodata = 0
        file.descriptions = BANDS
        file.scales = [SCALE] * len(BANDS)


def infer(
    *,
    s2_images: list[str],
    model_dir: str,
    out: str,
    like: str | None = None,
    offset: int = 0,
    crop: int | None = None,
    tile_size: int = TILE_SIZE,
    preview: str | None = None,
    overwrite: bool = False,
) -> dict:
    """Super-resolve a Sentinel-2 image.

    Arguments:
        s2_images: four files with one band (B04, B03, B02, B08), or one with four.
        model_dir: SavedModel of sr_train.py.
        out: GeoTIFF to write, uint16, reflectance x 10000, 0 is no data.
        like: an image whose area and corner the output takes.
        offset: what to subtract from the DN (1000 or 0).
        crop: which `_crop` output to use, in output pixels; None: the smallest that
            the receptive field allows.
        tile_size: side of a tile in output pixels; memory grows with its square.
        preview: PNG to write, input and output side by side.
        overwrite: whether existing files may be replaced.

    Returns:
        The card, as written beside the image.

    Raises:
        SRError: if the images or the model do not fit.
    """
    card_path = Path(out).with_suffix(".json")
    outputs = [Path(path) for path in (out, card_path, preview) if path]
    cards.refuse_existing(outputs, overwrite)
    s2 = check_images(s2_images)
    reference = images.describe(like, "the reference image") if like else None
    if reference:
        images.check_overlaps(s2[0], reference)
    model = models.describe(model_dir)
    plan = make_plan(
        s2[0],
        reference,
        model.card.get("lr_spacing", LR_SPACING),
        choose_crop(model, crop),
    )
    tile_size = math.ceil(tile_size / FACTOR) * FACTOR
    with cards.whole_file(out) as partial, tempfile.TemporaryDirectory() as folder:
        with images.engine_errors("super-resolving"):
            super_resolve(s2, plan, model_dir, offset, tile_size, partial, Path(folder))
        put_in_place(partial, plan)
    card = {
        "s2_images": [image.record() for image in s2],
        "offset": offset,
        "model_dir": str(model_dir),
        "model_card": model.card,
        "crop": plan.crop,
        "tile_size": tile_size,
        "output": images.describe(out, "the output").record(),
        "versions": cards.versions(),
    }
    cards.write_card(card_path, card)
    if preview:
        figures.save_preview(preview, [image.path for image in s2], offset, out)
    return card


def check_images(paths: list[str]) -> list[ImageInfo]:
    """Check the Sentinel-2 files: four bands together, on one grid."""
    if len(paths) not in (1, len(BANDS)):
        raise SRError(
            f"{len(paths)} Sentinel-2 files were given; one with the bands "
            f"{', '.join(BANDS)} or four with one each are expected"
        )
    bands = len(BANDS) // len(paths)
    s2 = [images.describe(path, "the Sentinel-2 image", bands) for path in paths]
    images.check_stack(s2)
    return s2


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Super-resolve a Sentinel-2 image to 1.5 m with a trained model."
    )
    parser.add_argument(
        "--s2_images", nargs="+", required=True, metavar="FILE",
        help="B04 B03 B02 B08, or one file with these four bands",
    )  # fmt: skip
    parser.add_argument("--model_dir", required=True, help="SavedModel of sr_train.py")
    parser.add_argument("--out", required=True, help="GeoTIFF to write (16 bit)")
    parser.add_argument(
        "--like", metavar="FILE", help="take the area and the corner of this image"
    )
    parser.add_argument(
        "--offset", type=int, default=0, metavar="DN",
        help="subtract this from the DN: 1000 for ESA products of baseline 04.00 or "
        "later (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--crop", type=int, metavar="PIXELS",
        help="use this _crop output (default: the smallest that leaves no seam)",
    )  # fmt: skip
    parser.add_argument(
        "--tile_size", type=int, default=TILE_SIZE, metavar="PIXELS",
        help="side of a tile; larger is faster and takes more memory "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--preview", metavar="PNG", help="picture of input and output")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace existing files"
    )
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    if params.tile_size < 1:
        parser.error("--tile_size must be at least 1")
    output = infer(**vars(params))["output"]
    width, height = output["size"]
    print(
        f"written: {params.out}, {width} x {height} pixels of {output['spacing']:g} m, "
        f"{output['dtype']}, {output['crs']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
