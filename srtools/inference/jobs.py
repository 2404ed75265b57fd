"""All that exercise 5 needs around its network: one context manager, one job."""

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from affine import Affine

from srtools import cards, engine, files, fingerprints
from srtools.conventions import BANDS, FACTOR
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images import checks, raster, vrt
from srtools.images.raster import ImageInfo
from srtools.inference import consistent, mask, pieces, plans, samples, served
from srtools.inference.outputs import Outputs
from srtools.inference.pieces import Piece
from srtools.network import model_card, saved_model
from srtools.sentinel2 import areas, safe, source
from srtools.sentinel2.image import Content
from srtools.urls import redact

PIXEL_OPTIONS = (
    "offset bbox crop precision self_ensemble uncertainty consistent".split()
)
"""Options that change pixels, beside the model and the files."""
FILE_OPTIONS = ("like", "aoi", "mask")
GEOMETRY = ("sentinel2", "offset", "crop", "precision", "grid", "tile_size", "versions")
"""Contents of the card on which the pixels of the pieces depend, too."""


class Options(source.Options, Protocol):
    """Options of the exercise, beside those of the search for Sentinel-2."""

    model_dir: str
    out: str
    preview: str | None
    overwrite: bool
    like: str | None
    bbox: tuple[float, ...] | None
    aoi: str | None
    mask: str | None
    consistent: bool
    self_ensemble: bool
    uncertainty: bool
    precision: str
    crop: int | None
    tile_size: int
    part: tuple[int, int] | None


class Job:
    """One image to make.

    The context finds and checks Sentinel-2, and locks the folder of the pieces:

        s2: Sentinel-2.
        context: its images with reflections around them, as the network sees them.
        masking: Sentinel-2 whose 0 is nodata in the output.
        plan, lr_grid: grids, and the file with that of the network's input.
        model_dir, names, crop: SavedModel to serve, its outputs, and the output pixels
            that they lose on each side.
        tile_size: side of a tile, output pixels; whole lr pixels.
    """

    def __init__(self, options: Options, make_network: Callable[..., Any]) -> None:
        """Check the options, the names of the outputs, and the model.

        Arguments:
            options: options of the exercise.
            make_network: function that makes the Keras model with first weights, for
                another arithmetic.
        """
        engine.need("TensorflowModelServe")
        self.options, self.make_network = options, make_network
        self.outline, self.like = read_area(options)
        self.outputs = Outputs(options.out, options.preview, options.uncertainty)
        paths = [getattr(options, name) for name in FILE_OPTIONS]
        read = [path for path in (*(options.s2_images or ()), *paths) if path]
        self.outputs.check(options.overwrite, read)
        self.network = served.choose(
            options.model_dir,
            options.precision,
            options.crop,
            8 if options.self_ensemble else 1,
            options.uncertainty,
        )
        self.names, self.crop = self.network.names, self.network.crop
        self.tile_size = math.ceil(options.tile_size / FACTOR) * FACTOR
        for path in self.outputs.paths:
            files.make_folder(path.parent)
        self.folder = pieces.folder_of(options.out)
        self.contents: dict[Piece, Content] = {}

    def __enter__(self) -> "Job":
        options, margin = self.options, self.network.context_metres
        with ExitStack() as stack:
            stack.enter_context(pieces.lock(self.folder, shared=bool(options.part)))
            scl = options.mask == mask.SCL
            self.s2 = stack.enter_context(
                source.sentinel2(
                    options, self.outline, self.folder, margin_metres=margin, scl=scl
                )
            )
            temporary = tempfile.TemporaryDirectory(prefix=".temp-", dir=self.folder)
            self.temporary = Path(stack.enter_context(temporary))
            self._choose_grid()
            self._choose_mask()
            self.card = self._card()
            depends_on = {name: self.card[name] for name in GEOMETRY}
            depends_on |= {**self.card["made_of"], "tiles": pieces.TILES_A_SIDE}
            pieces.prepare(self.folder, depends_on, options.overwrite)
            self.model_dir = self.network.save(self.temporary, self.make_network)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _choose_grid(self) -> None:
        s2, model = self.s2, self.network.model
        if self.outline and not self.like:
            self.like = areas.part_of(s2.images[0], self.outline)
        s2.check_area(self.like)
        s2.check_training(model.card.get("offset_removed"))
        self.plan = plan = plans.make(s2.images[0], self.like, model, self.crop)
        samples.warn_if_unlike(model.card, s2, plan.grid)
        if self.options.consistent and plan.grid.crs != s2.grid.crs:
            raise SRError(
                "--consistent compares with Sentinel-2's own pixels, which are in "
                f"{s2.grid.crs}; the output would be in {plan.grid.crs}: give --like "
                "an image in the CRS of Sentinel-2, or leave --consistent out"
            )
        self.lr_grid = str(vrt.write_grid(self.temporary / "lr.vrt", plan.lr_grid))
        self.context = plans.reflect(s2.images, plan, self.temporary)

    def _choose_mask(self) -> None:
        folder, self.masking = self.temporary / "mask", self.s2
        folder.mkdir()
        if self.options.mask:
            self.masking = mask.lay_over(self.s2, self.options.mask, folder)
        if self.plan.inside:
            # An output pixel at the edge that lies partly in the image has data.
            around = plans.reflect(self.masking.images, self.plan, folder)
            self.masking = replace(self.masking, images=around)
        if all(self.content(piece) == Content.NONE for piece in self.pieces):
            raise SRError(
                f"{redact(self.s2.images[0].path)} has no data in the area that was "
                "asked for, all pixels there are 0; take another image or another area"
            )

    def _card(self) -> dict:
        options, s2, grid = self.options, self.s2, self.plan.grid
        size = [grid.width, grid.height]
        return {
            "sentinel2": s2.record
            or {"files": [image.record() for image in s2.images]},
            "offset": s2.offset,
            "model_dir": str(options.model_dir),
            "model_card": model_card.brief(self.network.model.card),
            "crop": self.crop,
            "tile_size": self.tile_size,
            "mask": options.mask and redact(options.mask),
            "precision": self.network.arithmetic,
            "self_ensemble": options.self_ensemble,
            "consistent": options.consistent,
            "grid": {"transform": grid.transform[:6], "size": size},
            "versions": cards.versions(),
            "made_of": made_of(options),
        }

    @property
    def pieces(self) -> list[Piece]:
        """Pieces of the image, whole tiles each."""
        grid, side = self.plan.grid, pieces.TILES_A_SIDE * self.tile_size
        return pieces.cut(grid.width, grid.height, side)

    def content(self, piece: Piece) -> Content:
        """Return whether all, some or no pixels of a piece have data; read once."""
        if piece not in self.contents:
            grid = self.plan.grid.part(piece.window)
            self.contents[piece] = self.masking.content(grid)
        return self.contents[piece]

    def original_at(self, place: Affine) -> list[str]:
        """Return the files of Sentinel-2, as far off as `place` is from the output's.

        Arguments:
            place: transform of the output, as the engine states it.
        """
        return plans.displace(self.masking.images, self.plan, place, self.temporary)

    def make(self, write: Callable[[Piece, Path], None]) -> None:
        """Make the pieces that are missing, or those of this share.

        Arguments:
            write: function that writes a piece which has data to a file.
        """
        bands, part = len(self.names) * len(BANDS), self.options.part

        def write_any(piece: Piece, path: Path) -> None:
            if self.content(piece) == Content.NONE:
                shape = bands, piece.height, piece.width
                return pieces.write(path, np.zeros(shape, np.uint16))
            with engine_errors("super-resolving"):
                write(piece, path)

        chosen = pieces.share(self.pieces, *part) if part else self.pieces
        spacing = self.plan.grid.transform.a
        pieces.make(self.folder, chosen, write_any, spacing, 2 * bands, not part)

    def finish(self) -> dict | None:
        """Join the pieces, write all files, and remove the pieces.

        Returns:
            The card, as written beside the image; None if only a share was made.
        """
        if self.options.part:
            print("this share is done; join all with the same command without --part")
            return None
        folder, grid = self.folder, self.plan.grid
        if self.options.consistent:
            folder = consistent.correct(self.s2, grid, self.pieces, folder)
        card = self.outputs.write(folder, self.pieces, grid, self.s2, self.card)
        # Now nothing can fail any more.  The folder may lie behind a link.
        shutil.rmtree(os.path.realpath(self.folder), ignore_errors=True)
        output = card["output"]
        width, height = output["size"]
        print(
            f"written: {self.outputs.image}, {width} x {height} pixels of "
            f"{output['spacing']:g} m, {output['dtype']}, {output['crs']}"
        )
        return card


def read_area(options: Options) -> tuple[shapely.Polygon | None, ImageInfo | None]:
    """Return the area to make, degrees, and the image of `--like`; None for all."""
    if not options.like:
        return areas.read_area(options.bbox, options.aoi), None
    like = raster.describe(options.like, "the reference image")
    checks.check_metres(like)
    return areas.footprint(like), like


def print_ranking(options: Options) -> None:
    """Search for Sentinel-2, and print the ranking, for `--dry_run`."""
    source.find_scene(options, read_area(options)[0])


def made_of(options: Options) -> dict:
    """Return what the pixels of an image depend on: its model, files and options."""
    images = options.s2_images or ()
    if len(images) == 1 and safe.is_safe(images[0]):
        product = safe.read_safe(images[0])
        images = [*product.bands, *product.scl]
    read = {name: getattr(options, name) for name in FILE_OPTIONS}
    return {
        "model": saved_model.fingerprint(options.model_dir),
        **{name: getattr(options, name) for name in PIXEL_OPTIONS},
        "s2_images": fingerprints.of_files(images),
        **{name: fingerprints.of_files([path]) for name, path in read.items() if path},
    }
