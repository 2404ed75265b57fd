"""Files that exercise 5 writes: the image, its intervals, card, preview, style."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srtools import cards, files
from srtools.conventions import BANDS, OFFSET_TAG
from srtools.errors import SRError
from srtools.images import figures, qgis, raster
from srtools.inference import cog, consistent, pieces
from srtools.inference.prepare import Job
from srtools.network.intervals import SERVED
from srtools.urls import redact

MEANING = f"half-width in DN; holds {float(SERVED):.0%} of pixels like those validated"
"""Tag of the image of intervals."""


@dataclass(frozen=True)
class Outputs:
    """Names of the files."""

    image: Path
    """GeoTIFF."""
    preview: Path | None
    """PNG, input and output side by side."""
    uncertainty: bool
    """Whether there is an image of the half-widths of intervals, too."""
    consistent: bool = False
    """Whether the image is corrected by Sentinel-2's own pixels."""

    @classmethod
    def of(cls, options: Any) -> "Outputs":
        """Return the outputs of `srtools.cli.inference.Options`."""
        preview = options.preview and Path(options.preview)
        return cls(Path(options.out), preview, options.uncertainty, options.consistent)

    @property
    def card(self) -> Path:
        """JSON beside the image."""
        return self.image.with_suffix(".json")

    @property
    def style(self) -> Path:
        """Style of the image for QGIS."""
        return qgis.style_of(self.image)

    @property
    def interval(self) -> Path:
        """Image of the half-widths of intervals."""
        return self.image.with_name(f"{self.image.stem}_interval.tif")

    @property
    def images(self) -> dict[Path, range]:
        """Each image, and the numbers of its bands in the pieces."""
        count = len(BANDS)
        found = {self.image: range(1, count + 1)}
        if self.uncertainty:
            found[self.interval] = range(count + 1, 2 * count + 1)
        return found

    @property
    def paths(self) -> list[Path]:
        """All files."""
        known = [*self.images, self.style, self.card]
        return known + ([self.preview] if self.preview else [])

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
        if self.interval.exists():  # that of another image
            files.refuse_existing([self.interval], overwrite, read)
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

    def write(self, job: Job) -> dict:
        """Join the pieces; write the card and the preview.

        Arguments:
            job: image whose pieces are made.

        Returns:
            The card with the description of the image.
        """
        card, paths = dict(job.card), [image.path for image in job.s2.images]
        card["consistent"] = self.consistent
        seen = card["sentinel2"].get("items") or [Path(redact(p)).name for p in paths]
        about = {
            "AREA_OR_POINT": "Area",
            "PROCESSING": f"super-resolution by {card['model_dir']}",
            "SENTINEL2": " ".join(map(str, seen)),
            OFFSET_TAG: str(card["offset"]),
        }
        folder = job.folder
        if self.consistent:
            folder = consistent.correct(job, len(BANDS) * len(self.images))
        # All or none: the pieces are removed when nothing can fail any more.
        paths_made = [*self.images, self.style, self.card]
        with files.whole_files(paths_made, replaced=[self.interval]) as partial:
            for path, numbers in self.images.items():
                bands = dict(zip(numbers, BANDS, strict=True))
                told = {} if path == self.image else {"INTERVAL": MEANING}
                cog.join(
                    folder,
                    job.pieces,
                    partial / path.name,
                    bands,
                    job.plan.grid,
                    about | told,
                )
            made = partial / self.image.name
            qgis.write_style(partial / self.style.name, qgis.limits_of(made))
            record = raster.describe(made, "the output").record()
            card["output"] = {**record, "path": str(self.image)}
            cards.write_card(partial / self.card.name, card)
            if self.preview:
                figures.save_preview(self.preview, job.s2.read, made)
        pieces.remove(job.folder)
        return card
