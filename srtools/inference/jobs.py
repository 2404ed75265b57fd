"""All that exercise 5 needs around its network: one context manager, one job."""

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from srtools import cards, engine, files
from srtools.conventions import BANDS, FACTOR
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images import vrt
from srtools.inference import consistent, mask, pieces, plans, samples
from srtools.inference.options import FILE_OPTIONS, Options, made_of, read_area
from srtools.inference.outputs import Outputs
from srtools.inference.pieces import Piece
from srtools.network import intervals, model_card, precision, saved_model, serving
from srtools.sentinel2 import areas, source
from srtools.sentinel2.image import Content
from srtools.urls import redact

GEOMETRY = ("sentinel2", "offset", "crop", "precision", "grid", "tile_size", "versions")
"""Contents of the card on which the pixels of the pieces depend, too."""


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
        self.outline, self.like = read_area(options)
        self.outputs = Outputs(options.out, options.preview, options.uncertainty)
        paths = [getattr(options, name) for name in FILE_OPTIONS]
        read = [path for path in (*(options.s2_images or ()), *paths) if path]
        self.outputs.check(options.overwrite, read)
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
        self.views = 8 if options.self_ensemble else 1
        self.model_crop = self.crop = plans.choose_crop(self.model, options.crop)
        self.calibration = None
        if options.uncertainty:
            record = intervals.record_of(self.model.card, self.views, path)
            self.calibration = record
            self.crop += intervals.CUT  # pixels at the rim, whose interval is unknown
        self.names = [saved_model.cropped(self.crop)]
        self.names += [serving.INTERVAL] if self.calibration else []

    def __enter__(self) -> "Job":
        options = self.options
        margin = plans.context_metres(self.model, self.crop)
        with ExitStack() as stack:
            stack.enter_context(pieces.lock(self.folder, shared=bool(options.part)))
            scl = options.mask == mask.SCL
            self.s2 = stack.enter_context(
                source.sentinel2(
                    options, self.outline, self.folder, margin_metres=margin, scl=scl
                )
            )
            place = {"prefix": ".temporary-", "dir": self.folder}
            folder = stack.enter_context(tempfile.TemporaryDirectory(**place))
            self.temporary = Path(folder)
            self._choose_grid()
            self._choose_mask()
            self.card = self._card()
            depends_on = {name: self.card[name] for name in GEOMETRY}
            depends_on |= {**self.card["made_of"], "tiles": pieces.TILES_A_SIDE}
            pieces.prepare(self.folder, depends_on, options.overwrite)
            self.model_dir = self._save_model()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _save_model(self) -> str:
        """Write the SavedModel to serve, if it is not the given one."""
        path, network = self.options.model_dir, None
        if self.arithmetic == "bfloat16":
            network = precision.in_bfloat16(path, self.make_network)
        elif self.views == 1 and not self.calibration:
            return path
        folder, crop = self.temporary / "served", self.model_crop
        return serving.save(path, folder, crop, self.views, self.calibration, network)

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

    def _content(self, piece: Piece) -> Content:
        return self.masking.content(self.plan.grid.part(piece.window))

    def original_at(self, transform: Sequence[float]) -> list[str]:
        """Return the files of Sentinel-2, displaced as the engine's output is."""
        place, folder = Affine(*transform), self.temporary
        return plans.displace(self.masking.images, self.plan, place, folder)

    def make(self, write: Callable[..., None], sr: Any, masked: Any) -> None:
        """Make the pieces that are missing, or those of this share.

        Arguments:
            write: function that computes and writes a piece, given an image, the piece,
                the size of a tile, and the file.
            sr: image for pieces all of whose pixels have data.
            masked: image for the other pieces, but those without any data.
        """
        bands, part = len(self.names) * len(BANDS), self.options.part

        def write_any(piece: Piece, path: Path) -> None:
            content = self._content(piece)
            if content == Content.NONE:
                shape = bands, piece.height, piece.width
                return pieces.write(path, np.zeros(shape, np.uint16))
            with engine_errors("super-resolving"):
                image = sr if content == Content.ALL else masked
                write(image, piece, self.tile_size, path)

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
