"""All that exercise 5 needs around its network: one context manager, one job."""

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely

from srtools import cards, engine, files
from srtools.conventions import BANDS, FACTOR
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images import checks, raster, vrt
from srtools.images.raster import ImageInfo
from srtools.inference import consistent, mask, pieces, plans, samples
from srtools.inference.outputs import Outputs
from srtools.inference.pieces import Piece
from srtools.network import intervals, model_card, precision, saved_model, serving
from srtools.sentinel2 import areas, source
from srtools.sentinel2.image import Content
from srtools.urls import redact


class Options(source.Options, Protocol):
    """Options of exercise 5, and those that choose the image of Sentinel-2."""

    model_dir: str
    out: str
    preview: str | None
    overwrite: bool
    like: str | None
    bbox: tuple[float, ...] | None
    mask: str | None
    consistent: bool
    self_ensemble: bool
    uncertainty: bool
    precision: str
    crop: int | None
    tile_size: int
    part: tuple[int, int] | None


def search(options: Options) -> None:
    """Print the ranking of Sentinel-2 images, and do no more."""
    source.find_scene(options, _read_area(options)[0])


def _read_area(options: Options) -> tuple[shapely.Polygon | None, ImageInfo | None]:
    """Return the area to make, degrees, and the image of `--like`; None for all."""
    if not options.like:
        return areas.from_bbox(options.bbox) if options.bbox else None, None
    like = raster.describe(options.like, "the reference image")
    checks.check_metres(like)
    return areas.footprint(like), like


class Job:
    """One image to make.

    The context finds and checks Sentinel-2, and locks the folder of the pieces:

        s2: Sentinel-2.
        context: its files with reflections around them, as the network sees them.
        masking: Sentinel-2 whose 0 is nodata in the output.
        plan, lr_grid: grids, and the file with that of the network's input.
        model_dir, names, crop: SavedModel to serve, its outputs, and the output pixels
            that they lose on each side.
        tile_size: side of a tile, output pixels; whole lr pixels.
    """

    def __init__(self, options: Options, make_network: Callable[..., Any]) -> None:
        """Check the options, the names of the outputs, and the model.

        `make_network` makes the Keras model with first weights, for bfloat16.
        """
        engine.require("TensorflowModelServe")
        self.options, self.make_network = options, make_network
        self.outline, self.like = _read_area(options)
        self.outputs = Outputs(options.out, options.preview, options.uncertainty)
        read = [*(options.s2_images or ()), options.like, options.mask]
        self.outputs.check(options.overwrite, [path for path in read if path])
        self._choose_model()
        self.tile_size = math.ceil(options.tile_size / FACTOR) * FACTOR
        for path in self.outputs.paths:
            files.make_folder(path.parent)
        self.folder = pieces.folder_of(options.out)

    def _choose_model(self) -> None:
        options, path = self.options, self.options.model_dir
        self.model = saved_model.describe(path)
        saved_model.load(path)  # inside OTB a damaged model is reported at length
        cards.check_conventions(
            self.model.card, f"the card of {path}", "train a model with sr_train.py"
        )
        self.arithmetic = precision.choose(options.precision)
        self.views = serving.VIEWS if options.self_ensemble else 1
        self.model_crop = self.crop = plans.choose_crop(self.model, options.crop)
        self.names, self.calibration = [saved_model.cropped(self.crop)], None
        if options.uncertainty:
            record = intervals.record_of(self.model.card, self.views, path)
            self.calibration = record
            self.crop += intervals.CUT  # pixels at the rim, whose interval is unknown
            self.names = [saved_model.cropped(self.crop), serving.INTERVAL]

    def __enter__(self) -> "Job":
        options = self.options
        margin = plans.context_metres(self.model, self.crop)
        search = {"margin_metres": margin, "scl": options.mask == mask.SCL}
        place = {"prefix": ".temporary-", "dir": self.folder}
        with ExitStack() as stack:
            stack.enter_context(pieces.lock(self.folder, shared=bool(options.part)))
            s2 = source.sentinel2(options, self.outline, self.folder, **search)
            self.s2 = stack.enter_context(s2)
            folder = stack.enter_context(tempfile.TemporaryDirectory(**place))
            self.temporary = Path(folder)
            self._choose_grid()
            self._choose_mask()
            self.card = self._card()
            pieces.prepare(self.folder, self._dependencies(), options.overwrite)
            self.model_dir = self._save_model()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _choose_grid(self) -> None:
        s2, model = self.s2, self.model
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
        context = plans.reflect(s2.images, plan, self.temporary)
        self.context = [image.path for image in context]

    def _choose_mask(self) -> None:
        folder, self.masking = self.temporary / "mask", self.s2
        folder.mkdir()
        if self.options.mask:
            self.masking = mask.lay_over(self.s2, self.options.mask, folder)
        if self.plan.inside:
            # An output pixel at the edge that lies partly in the image has data.
            around = plans.reflect(self.masking.images, self.plan, folder)
            self.masking = replace(self.masking, images=around)
        grid, side = self.plan.grid, pieces.TILES_A_SIDE * self.tile_size
        self.pieces = pieces.cut(grid.width, grid.height, side)
        if all(self._content(piece) == Content.NONE for piece in self.pieces):
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
            "model_card": model_card.brief(self.model.card),
            "crop": self.crop,
            "tile_size": self.tile_size,
            "mask": options.mask and redact(options.mask),
            "precision": self.arithmetic,
            "self_ensemble": options.self_ensemble,
            "uncertainty": options.uncertainty,
            "consistent": options.consistent,
            "grid": {"transform": grid.transform[:6], "size": size},
            "tiles_in_a_piece": pieces.TILES_A_SIDE**2,
            "versions": cards.versions(),
        }

    def _dependencies(self) -> dict:
        """Return all that the pixels of the pieces depend on, and the card besides."""
        model, given = self.options.model_dir, self.options.mask
        # The copies of a search are others in each run; the record names the items.
        s2 = [] if self.s2.record else [*chain(*self.s2.tiles), *self.s2.scl]
        read = {"s2_images": s2, "mask": [given] if given else []}
        for name, paths in read.items():
            read[name] = files.states(chain(*map(raster.sources, paths)))
        settings = {k: v for k, v in self.card.items() if k != "model_card"}
        return {**settings, "model": saved_model.fingerprint(model), **read}

    def _save_model(self) -> str:
        """Write the SavedModel to serve, if it is not the given one."""
        path, network = self.options.model_dir, None
        if self.arithmetic == "bfloat16":
            network = precision.in_bfloat16(path, self.make_network)
        elif self.views == 1 and not self.calibration:
            return path
        folder, crop = self.temporary / "served", self.model_crop
        return serving.save(path, folder, crop, self.views, self.calibration, network)

    def _content(self, piece: Piece) -> Content:
        return self.masking.content(self.plan.grid.part(piece.window))

    def make(self, write: Callable[[Piece, Path], None]) -> None:
        """Make the pieces that are missing, or those of this share.

        `write` computes a piece and writes it to a file, nodata included; this is set
        to 0 afterwards, and no piece without any data is computed.
        """
        bands, part = len(self.names) * len(BANDS), self.options.part

        def write_any(piece: Piece, path: Path) -> None:
            content = self._content(piece)
            if content == Content.NONE:
                shape = bands, piece.height, piece.width
                return pieces.write(path, np.zeros(shape, np.uint16))
            with engine_errors("super-resolving"):
                write(piece, path)
            raster.check_written(path)  # OTB does not report a full disk
            if content == Content.SOME:
                area = self.plan.grid.part(piece.window)
                pieces.clear(path, area, self.masking.images)

        share = self.pieces[part[0] - 1 :: part[1]] if part else self.pieces
        pieces.make(self.folder, share, write_any, 2 * bands, joins=not part)

    def finish(self) -> dict | None:
        """Join the pieces, write all files, and remove the pieces; return the card.

        If only a share was made, there is nothing to join, and no card.
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
