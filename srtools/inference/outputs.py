"""Files that exercise 5 writes: the image, its standard deviation, card, preview."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srtools import cards, files
from srtools.conventions import BANDS, OFFSET_TAG
from srtools.errors import SRError
from srtools.images import figures, raster
from srtools.inference import cog, pieces
from srtools.inference.prepare import Job
from srtools.urls import redact


@dataclass(frozen=True)
class Outputs:
    """Names of the files."""

    image: Path
    """GeoTIFF."""
    preview: Path | None
    """PNG, input and output side by side."""
    uncertainty: bool
    """Whether there is an image of the standard deviation, too."""

    @property
    def card(self) -> Path:
        """JSON beside the image."""
        return self.image.with_suffix(".json")

    @property
    def images(self) -> dict[Path, range]:
        """Each image, and the numbers of its bands in the pieces."""
        count = len(BANDS)
        found = {self.image: range(1, count + 1)}
        if self.uncertainty:
            std = self.image.with_name(f"{self.image.stem}_std.tif")
            found[std] = range(count + 1, 2 * count + 1)
        return found

    @property
    def paths(self) -> list[Path]:
        """All files."""
        return [*self.images, self.card, *([self.preview] if self.preview else [])]

    def check(self, overwrite: bool, read: Sequence[str]) -> None:
        """Check the names, and that no file is lost.

        Arguments:
            overwrite: whether existing files may be replaced.
            read: files that the run reads.

        Raises:
            SRError: if a file cannot be written, or must not be.
        """
        files.check_name(self.image)
        files.refuse_existing(self.paths, overwrite, read)
        if self.image.suffix.lower() not in (".tif", ".tiff"):
            raise SRError(
                f"{self.image}: the image is a GeoTIFF, its name must end in .tif"
            )
        files.refuse_folders(self.paths)
        if self.preview and self.preview.suffix.lower() != ".png":
            raise SRError(
                f"{self.preview}: the preview is a PNG, its name must end in .png"
            )

    def make_folders(self) -> None:
        """Make the folders of all files, or say now that they cannot be written."""
        for path in self.paths:
            files.make_folder(path.parent)

    def write(self, job: Job, has_nodata: bool) -> dict:
        """Join the pieces; write the card and the preview.

        Arguments:
            job: image whose pieces are made.
            has_nodata: whether some pixels may be 0.

        Returns:
            The card with the description of the image.
        """
        card, paths = dict(job.card), [image.path for image in job.s2]
        seen = card["sentinel2"].get("items") or [Path(redact(p)).name for p in paths]
        about = {
            "AREA_OR_POINT": "Area",
            "PROCESSING": f"super-resolution by {card['model_dir']}",
            "SENTINEL2": " ".join(map(str, seen)),
            OFFSET_TAG: str(card["offset"]),
        }
        for path, numbers in self.images.items():
            bands = dict(zip(numbers, BANDS, strict=True))
            with files.whole_file(path) as partial:
                cog.join(
                    job.folder,
                    job.pieces,
                    partial,
                    bands,
                    job.plan.grid,
                    about,
                    has_nodata,
                )
        pieces.remove(job.folder)
        card["output"] = raster.describe(self.image, "the output").record()
        cards.write_card(self.card, card)
        if self.preview:
            figures.save_preview(self.preview, paths, card["offset"], self.image)
        return card
