"""Metadata of a Spot product (DIMAP, version 2): its two images and their day."""

import logging
import re
from datetime import date
from pathlib import Path

from srtools.errors import SRError
from srtools.urls import is_remote

log = logging.getLogger(__name__)

METADATA = re.compile(r"DIM_.*\.XML", re.IGNORECASE)
KINDS = {"P": "PAN", "MS": "XS"}
"""Images by the first part of SPECTRAL_PROCESSING ("MS-N" lacks nothing)."""


def find_pair(folder: str) -> tuple[str, str]:
    """Return the DIM_*.XML of PAN and XS, which GDAL opens whatever tiles there are."""
    if not Path(folder).is_dir():
        raise SRError(
            f"{folder} is not a folder; that of a Spot product is expected, in which "
            "the DIM_*.XML of PAN and of MS lie"
        )
    images: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in sorted(Path(folder).rglob("*")):
        if METADATA.fullmatch(path.name):
            for kind in _values(path, r"SPECTRAL_PROCESSING>\s*([A-Z]+)"):
                images.get(kind, []).append(str(path))
    for kind, paths in images.items():
        if len(paths) != 1:
            names = f" ({', '.join(paths)})" if paths else ""
            raise SRError(
                f"{folder} holds {len(paths)} {KINDS[kind]} images with a "
                f"DIM_*.XML{names}, one is expected; name the images by --pan and --xs"
            )
    return images["P"][0], images["MS"][0]


def imaging_date(image: str) -> date | None:
    """Read the day of acquisition of Spot; None if it is unknown, or there are two.

    Arguments:
        image: DIM_*.XML, or an image with such files beside it, as products have them.
    """
    path, files = Path(image), []
    if path.suffix.lower() == ".xml":
        files = [path]
    elif not is_remote(image) and path.parent.is_dir():
        files = [
            file for file in path.parent.iterdir() if METADATA.fullmatch(file.name)
        ]
    pattern = r"<IMAGING_DATE>\s*(\d{4}-\d\d-\d\d)"
    days = set().union(*(_values(file, pattern) for file in files))
    try:
        (day,) = map(date.fromisoformat, days)
    except ValueError:  # none, several, or no day at all
        return None
    log.info("Spot came by on %s, says its metadata", day)
    return day


def _values(path: Path, pattern: str) -> set[str]:
    """Return the matches of a pattern in a file; none if it cannot be read."""
    try:
        return set(re.findall(pattern, path.read_text(errors="replace")))
    except OSError:
        return set()
