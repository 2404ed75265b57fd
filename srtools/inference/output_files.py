"""Files that exercise 5 writes: the image, its intervals, card, preview."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil

from srtools import cards, files
from srtools.conventions import BANDS, OFFSET_TAG
from srtools.errors import SRError
from srtools.images import figures, raster
from srtools.images.grid import Grid
from srtools.inference.pieces import Piece, write_vrt
from srtools.network.intervals import SERVED
from srtools.sentinel2.sentinel2_image import Sentinel2
from srtools.urls import redact

MEANING = f"half-width in DN; holds {float(SERVED):.0%} of pixels like those validated"
COG_OPTIONS = {
    "driver": "COG",
    "compress": "DEFLATE",
    "predictor": 2,
    "level": 1,  # a tenth larger than level 6, and three times as fast
    "blocksize": 512,
    "overview_compress": "DEFLATE",
    "overview_predictor": 2,
    "overview_resampling": "AVERAGE",
    "bigtiff": "IF_SAFER",
    "num_threads": "ALL_CPUS",
}

JOINING = {  # little memory, beside that of TensorFlow; no slower
    "GDAL_MAX_DATASET_POOL_SIZE": 4,  # open pieces; GDAL would keep 100 open
    "VRT_NUM_THREADS": 1,  # those of COG_OPTIONS suffice
}


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
        tags = {
            "AREA_OR_POINT": "Area",
            "PROCESSING": f"super-resolution by {card['model_dir']}",
            "SENTINEL2": " ".join(card["sentinel2"].get("items") or names),
            OFFSET_TAG: str(card["offset"]),
        }
        with files.whole_files(self.beside, replaced=[self.interval]) as partial:
            for number, path in enumerate(self.images):
                more = {"INTERVAL": MEANING} if number else {}
                first, vrt = 1 + number * len(BANDS), folder / f"{path.stem}.vrt"
                write_vrt(vrt, pieces, grid, first, tags | more)
                write_cog(vrt, partial / path.name)
            image = partial / self.image.name
            record = raster.describe(image, "the output").record()
            card = {**card, "output": {**record, "path": str(self.image)}}
            cards.write_card(partial / self.card.name, card)
            if self.preview:
                figures.save_preview(self.preview, s2.read, image)
        return card


def write_cog(vrt: Path, path: Path) -> None:
    """Write the VRT of the pieces as a Cloud Optimized GeoTIFF with overviews."""
    try:
        with rasterio.Env(**JOINING):
            rasterio.shutil.copy(str(vrt), str(path), **COG_OPTIONS)
        raster.check_written(path)  # on a full disk GDAL may return without an error
    except (*raster.GDAL_ERRORS, OSError) as error:
        raise SRError(
            f"{path.name} cannot be written ({raster.reason_of(error)}); the "
            f"pieces are kept in {vrt.parent}: make room and run the same command again"
        ) from None
