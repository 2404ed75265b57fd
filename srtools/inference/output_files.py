"""Files that exercise 5 writes: the image, its intervals, card, preview."""

import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from srtools import cards, files
from srtools.conventions import BANDS, OFFSET_TAG, SCALE
from srtools.errors import SRError
from srtools.images import figures, raster
from srtools.images.grid import Grid
from srtools.inference import cog
from srtools.inference.pieces import Piece, write_vrt
from srtools.network.intervals import SERVED
from srtools.sentinel2.sentinel2_image import Sentinel2
from srtools.urls import redact

MEANING = f"half-width in DN; holds {float(SERVED):.0%} of pixels like those validated"
JOINED_SIZE = 1.6  # of the pieces' size: the image, and its overviews a second time


class OutputFiles:
    """Paths of the image, its intervals, its card and a preview, and their writing."""

    def __init__(self, out: str, preview: str | None, uncertainty: bool) -> None:
        """Name the files after the image `out`."""
        self.image = Path(out)
        self.card = self.image.with_suffix(".json")
        self.preview = Path(preview) if preview else None
        self.interval = self.image.with_name(f"{self.image.stem}_interval.tif")
        self.images = [self.image] + [self.interval] * uncertainty
        self.beside = [*self.images, self.card]
        self.paths = self.beside + ([self.preview] if preview else [])

    def check(self, overwrite: bool, inputs: Sequence[str]) -> None:
        """Raise if a name is invalid, an input, or exists without `overwrite`."""
        files.check_name(self.image)
        # The intervals of an earlier image would seem to be those of this one.
        files.refuse_existing([*self.paths, self.interval], overwrite, inputs)
        files.refuse_folders(self.paths)
        for path, kind, *endings in (
            (self.image, "GeoTIFF", ".tif", ".tiff"),
            (self.preview, "PNG", ".png"),
        ):
            if path and path.suffix.lower() not in endings:
                raise SRError(
                    f"{path} will be a {kind}: its name must end in {endings[0]}"
                )

    def write(
        self,
        folder: Path,
        pieces: Sequence[Piece],
        grid: Grid,
        s2: Sentinel2,
        card: dict[str, Any],
    ) -> dict[str, Any]:
        """Join the pieces in `folder`; write all files or none; return the card."""
        names = [Path(redact(image.path)).name for image in s2.images]
        made = sum((folder / piece.name).stat().st_size for piece in pieces)
        scarce = shutil.disk_usage(folder).free < JOINED_SIZE * made
        tags = {
            "PROCESSING": f"super-resolution by {card['model_dir']}",
            "SENTINEL2": " ".join(card["sentinel2"].get("items") or names),
            OFFSET_TAG: str(card["offset"]),
        }
        with files.whole_files(self.beside, replaced=[self.interval]) as partial:
            for number, path in enumerate(self.images):
                more = {"INTERVAL": MEANING} if number else {}
                settings = grid, tags | more, 1 + number * len(BANDS)
                remove = scarce and path is self.images[-1]
                write_cog(partial / path.name, folder, pieces, *settings, remove)
            image = partial / self.image.name
            record = raster.describe(image, "the output").record()
            card = {**card, "output": {**record, "path": str(self.image)}}
            cards.write_card(partial / self.card.name, card)
            if self.preview:
                figures.save_preview(self.preview, s2.read, image)
        return card


def write_cog(
    path: Path,
    folder: Path,
    pieces: Sequence[Piece],
    grid: Grid,
    tags: Mapping[str, str] = {},
    first: int = 1,
    remove: bool = False,
) -> None:
    """Join the pieces in `folder`, four bands from number `first`, with overviews.

    Other files in the folder of `path` are temporary.  With `remove`, each piece is
    removed when its blocks are copied.
    """
    source = write_vrt(folder / f"{path.stem}.vrt", pieces, grid, first)
    made = {"count": len(BANDS), "dtype": "uint16", "nodata": 0} | pieces[0].creation
    files, empty = [folder / p.name for p in pieces], Path(f"{path}.empty.tif")
    try:
        # The tags of the image are those of one without blocks.
        with rasterio.open(empty, "w", SPARSE_OK=True, **made, **vars(grid)) as file:
            file.update_tags(**tags)
            file.descriptions, file.scales = BANDS, [SCALE] * len(BANDS)
        bands = slice(first - 1, first - 1 + len(BANDS))
        rows = [
            [cog.read(files[index], index)[1][:, bands] for index, _ in row]
            for _, row in groupby(enumerate(pieces), lambda item: item[1].row)
        ]
        directories = [(cog.read(empty)[0], np.block(rows))]
        while max(directories[-1][1].shape[2:]) > 1:
            half = Path(f"{path}.{len(files)}.tif")
            cog.write_half(source, half, made)
            directories.append(cog.read(half, len(files)))
            files.append(half)
            source = half
        cog.write(path, directories, files, files if remove else files[len(pieces) :])
    except (*raster.GDAL_ERRORS, OSError) as error:
        raise SRError(
            f"{path.name} cannot be written ({raster.reason_of(error)}); the pieces in "
            f"{folder} are kept: make room and run the same command again"
        ) from None
