"""The job of exercise 5: checks, grids, pieces, and output files."""

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from srtools import cards, engine, files
from srtools.conventions import BANDS, FACTOR
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images import checks, raster, vrt
from srtools.images.raster import ImageInfo
from srtools.inference import consistency_correction, mask, output_grid, pieces
from srtools.inference.domain_check import is_unlike, read_windows
from srtools.inference.output_files import OutputFiles
from srtools.inference.pieces import Piece
from srtools.matching.point_spread import blur_metres, modulation_of
from srtools.network import intervals, model_card, precision, saved_model, serving
from srtools.options.inference_options import Options
from srtools.sentinel2 import areas, source
from srtools.urls import redact


def print_ranking(options: Options) -> None:
    """Search Sentinel-2 images over the area, and print their ranking."""
    source.find_scene(options, _read_area(options)[0])


def _read_area(options: Options) -> tuple[shapely.Polygon | None, ImageInfo | None]:
    """Return the area of the output (degrees) and the image of `--like`, or None."""
    if not options.like:
        return areas.from_bbox(options.bbox) if options.bbox else None, None
    like = raster.describe(options.like, "the reference image")
    checks.check_metres(like)
    return areas.footprint(like), like


class Job:
    """Super-resolution of one image: `with Job(...)`, `make`, then `finish`.

    The `with` block has a checked Sentinel-2 and locks the folder of the pieces.

    Attributes:
        s2_files: VRT files of Sentinel-2, continued by reflection beyond the edges.
        lr_grid: VRT file with the grid of the network's input.
        model_dir, names: SavedModel to serve, and names of its outputs to use.
        crop: pixels that these outputs lack on each side.
        tile_size: side of a tile, output pixels; pieces have whole blocks.
    """

    def __init__(self, options: Options, make_network: Callable[..., Any]) -> None:
        """Check the options, the names of the outputs, and the model.

        `make_network` builds the Keras model with initial weights, for bfloat16.
        """
        engine.require("TensorflowModelServe")
        self.options, self.make_network = options, make_network
        self.area, self.like = _read_area(options)
        self.outputs = OutputFiles(options.out, options.preview, options.uncertainty)
        inputs = *(options.s2_images or ()), options.like, options.mask
        self.outputs.check(options.overwrite, list(filter(None, inputs)))
        self._choose_model()
        unit = pieces.TILE_UNIT if options.tile_size > pieces.TILE_UNIT else FACTOR
        self.tile_size = math.ceil(options.tile_size / unit) * unit
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
        self.model_crop = self.crop = output_grid.choose_crop(self.model, options.crop)
        self.calibration, outputs = None, []
        if options.uncertainty:
            self.calibration = intervals.record_of(self.model.card, path)
            self.crop += intervals.CUT  # pixels at the rim have no interval
            outputs.append(serving.INTERVAL)
        self.names = [saved_model.cropped(self.crop), *outputs]

    def __enter__(self) -> "Job":
        options = self.options
        margin = output_grid.context_metres(self.model, self.crop)
        search = {"margin_metres": margin, "scl": options.mask == mask.SCL}
        with ExitStack() as stack:
            stack.enter_context(pieces.lock(self.folder, shared=bool(options.part)))
            s2 = source.open_sentinel2(options, self.area, self.folder, **search)
            self.s2 = stack.enter_context(s2)
            temporary = tempfile.TemporaryDirectory(prefix=".tmp-", dir=self.folder)
            self.temporary = Path(stack.enter_context(temporary))
            self._choose_grid()
            self._cut_pieces()
            self._choose_precision()
            self.card = self._card()
            pieces.prepare(self.folder, self._dependencies(), options.overwrite)
            self.model_dir = self._save_model()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _choose_grid(self) -> None:
        s2, model, image = self.s2, self.model, self.s2.images[0]
        if self.area and not self.like:
            self.like = areas.part_of(image, self.area)
        s2.check_area(self.like)
        s2.check_training(model.card.get("offset_removed"))
        self.output = output_grid.choose(image, self.like or image, model, self.crop)
        self.grid = self.output.grid
        self.windows = read_windows(model.card, s2, self.grid)
        # An image that is unlike the training set may have another blur.
        unlike = is_unlike(model.card, s2, self.windows)
        scenes = () if unlike else model.card.get("scenes", ())
        self.modulation = modulation_of(*(scene.get("dataset", {}) for scene in scenes))
        if self.options.consistent and self.grid.crs != s2.grid.crs:
            raise SRError(
                f"--consistent compares with the pixels of Sentinel-2, in {s2.grid.crs}"
                f"; the output would be in {self.grid.crs}: give --like an image in "
                "the CRS of Sentinel-2, or leave --consistent out"
            )
        path = vrt.write_grid(self.temporary / "lr.vrt", self.output.lr_grid)
        self.lr_grid = str(path)
        reflected = self.output.reflect(s2.images, self.temporary)
        self.s2_files = [image.path for image in reflected]

    def _choose_precision(self) -> None:
        """Choose the arithmetic; `network` computes in bfloat16, None in float32.

        With "auto", a run or share goes on as the pieces of the same plan were begun.
        """
        name, plan = self.options.precision, self.folder / pieces.PLAN
        if name == "auto" and plan.exists():
            begun = cards.read_card(plan)
            self.arithmetic = begun.get("precision")
            self.card = self._card()
            if not cards.differences(begun, self._dependencies()):
                name = self.arithmetic
        made = self.model, self.make_network, self.windows
        self.network = precision.network_in(name, *made)
        self.arithmetic = "bfloat16" if self.network else "float32"

    def _cut_pieces(self) -> None:
        """Mask Sentinel-2, cut the output into pieces, and check that one has data."""
        folder, masked = self.temporary / "mask", self.s2
        folder.mkdir()
        if self.options.mask:
            masked = mask.apply(self.s2, self.options.mask, folder)
        if self.output.covered:
            # An output pixel at the edge that lies partly in the image has data.
            masked = replace(masked, images=self.output.reflect(masked.images, folder))
        self.masked, side = masked, pieces.TILES_A_SIDE * self.tile_size
        self.pieces = pieces.cut(self.grid.width, self.grid.height, side)
        if not any(map(self._content, self.pieces)):
            path, masked = redact(self.s2.images[0].path), self.options.mask
            raise SRError(
                f"{path} has no data in the area of the output, all pixels there are 0"
                f"{' or masked' if masked else ''}; take another image"
                f"{', another --mask' if masked else ''} or another area"
            )

    def _content(self, piece: Piece) -> float:
        return self.masked.content(self.grid.part(piece.window))

    def _card(self) -> dict:
        options, s2, grid = self.options, self.s2, self.grid
        size = [grid.width, grid.height]
        s2_files = {"files": [image.record() for image in s2.images]}
        return {
            "sentinel2": s2.record or s2_files,
            "offset": s2.offset,
            "model_dir": str(options.model_dir),
            "model_card": model_card.brief(self.model.card),
            "crop": self.crop,
            "tile_size": self.tile_size,
            "piece": {"tiles": pieces.TILES_A_SIDE**2, "block": self.pieces[0].block},
            "mask": options.mask and redact(options.mask),
            "precision": self.arithmetic,
            "uncertainty": options.uncertainty,
            "consistent": options.consistent,
            "modulation": self.modulation if options.consistent else None,
            "grid": {"transform": grid.transform[:6], "size": size},
            "versions": cards.versions(),
        }

    def _dependencies(self) -> dict:
        """Return the settings and files that the pixels depend on."""
        model, mask_file = self.options.model_dir, self.options.mask
        # Each run has its own copies of a search; the record has the items.
        s2 = [] if self.s2.record else [*chain(*self.s2.tiles), *self.s2.scl]
        inputs = {"s2_images": s2, "mask": [mask_file] if mask_file else []}
        for name, paths in inputs.items():
            inputs[name] = files.states(chain(*map(raster.sources, paths)))
        settings = {k: v for k, v in self.card.items() if k != "model_card"}
        return {**settings, "model": saved_model.fingerprint(model), **inputs}

    def _save_model(self) -> str:
        """Return the SavedModel to serve: the user's, or a new one around it."""
        path = self.options.model_dir
        if not (self.network or self.calibration):
            return path
        served, crop = self.temporary / "served", self.model_crop
        return serving.save(path, served, crop, self.calibration, self.network)

    def make(self, write: Callable[[Piece, Path], None]) -> None:
        """Make the missing pieces of the image, or of the share of `--part`.

        `write(piece, path)` super-resolves a piece; its nodata is set afterwards.
        """
        bands, part = len(self.names) * len(BANDS), self.options.part
        copies = pieces.PIECES_SHARE if self.options.consistent else 0
        later = 0 if part else copies + pieces.JOINED_SHARES[len(self.names) - 1]

        def write_with_nodata(piece: Piece, path: Path) -> None:
            content = self._content(piece)
            if not content:
                shape = bands, piece.height, piece.width
                return pieces.write(path, np.zeros(shape, np.uint16), piece)
            with engine_errors("super-resolving"):
                write(piece, path)
            raster.check_written(path)  # OTB does not report a full disk
            if content < 1:
                area = self.grid.part(piece.window)
                pieces.set_nodata(path, area, self.masked.images)

        share = self.pieces[part[0] - 1 :: part[1]] if part else self.pieces
        task = "super-resolution"
        pieces.make(self.folder, share, write_with_nodata, 2 * bands, task, later)

    def finish(self) -> dict | None:
        """Join the pieces, write all files, and return the card; None for a share."""
        if self.options.part:
            print("this share is done; the same command without --part joins all")
            return None
        folder = self.folder
        if self.options.consistent:
            correct = consistency_correction.correct
            blur = blur_metres(self.modulation)
            folder = correct(self.s2, blur, self.grid, self.pieces, folder)
        card = self.outputs.write(folder, self.pieces, self.grid, self.s2, self.card)
        # Nothing can fail from here on.  The folder may lie behind a link.
        shutil.rmtree(os.path.realpath(self.folder), ignore_errors=True)
        output, grid = card["output"], self.grid
        print(
            f"written: {self.outputs.image}, {grid.width} x {grid.height} pixels of "
            f"{output['spacing']:g} m, {output['dtype']}, {output['crs']}; "
            + ", ".join(map(str, self.outputs.paths[1:]))
        )
        return card
