"""What the metadata of a Spot product (DIMAP, version 2) tell."""

import logging
import re
from datetime import date
from pathlib import Path

from srtools.errors import SRError
from srtools.urls import is_remote

log = logging.getLogger(__name__)


METADATA = re.compile(r"DIM_.*\.XML", re.IGNORECASE)
KINDS = {"P": "PAN", "MS": "XS"}
"""What is wanted, by the first part of SPECTRAL_PROCESSING ("MS-N" lacks nothing)."""


def find_pair(folder: str) -> tuple[str, str]:
    """Find PAN and XS in the folder of a product.

    Source: `SPECTRAL_PROCESSING` in its DIM_*.XML, which GDAL opens as one image
    however many tiles there are.

    Raises:
        SRError: if not exactly one of each is there.
    """
    if not Path(folder).is_dir():
        raise SRError(
            f"{folder} is not a folder; that of a Spot product is expected, in which "
            "the DIM_*.XML of PAN and of MS lie"
        )
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in sorted(Path(folder).rglob("*")):
        if METADATA.fullmatch(path.name):
            for told in _told(path, r"SPECTRAL_PROCESSING>\s*([A-Z]+)"):
                found.get(told, []).append(str(path))
    for kind, paths in found.items():
        if len(paths) != 1:
            names = f" ({', '.join(paths)})" if paths else ""
            raise SRError(
                f"{folder} holds {len(paths)} {KINDS[kind]} images with a "
                f"DIM_*.XML{names}, one is expected; name the images by --pan and --xs"
            )
    return found["P"][0], found["MS"][0]


def _beside(path: Path) -> list[Path]:
    """Give the metadata files in the folder of an image."""
    if is_remote(str(path)) or not path.parent.is_dir():
        return []
    return [file for file in path.parent.iterdir() if METADATA.fullmatch(file.name)]


def _told(path: Path, pattern: str) -> set[str]:
    """Give what a pattern finds in a file, or nothing if it cannot be read."""
    try:
        return set(re.findall(pattern, path.read_text(errors="replace")))
    except OSError:
        return set()


def imaging_date(image: str) -> date | None:
    """Read the day on which Spot came by.

    Arguments:
        image: DIM_*.XML, or an image with such files beside it, as products have them.

    Returns:
        None if nothing tells, or files beside it tell different days.
    """
    path = Path(image)
    files = [path] if path.suffix.lower() == ".xml" else _beside(path)
    told = set()
    for file in files:
        told |= _told(file, r"<IMAGING_DATE>\s*(\d{4}-\d\d-\d\d)")
    try:
        (day,) = map(date.fromisoformat, told)
    except ValueError:  # none, several, or no day at all
        return None
    log.info("Spot came by on %s, says its metadata", day)
    return day
