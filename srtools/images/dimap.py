"""What the metadata of a Spot product (DIMAP, version 2) tell."""

import logging
import re
from datetime import date
from pathlib import Path

from srtools.urls import is_remote

log = logging.getLogger(__name__)


def imaging_date(image: str) -> date | None:
    """Read the day on which Spot came by.

    Arguments:
        image: DIM_*.XML, or an image with such files beside it, as products have them.

    Returns:
        None if nothing tells, or files beside it tell different days.
    """
    path = Path(image)
    if is_remote(image) or not path.parent.is_dir():
        return None
    metadata = re.compile(r"DIM_.*\.XML", re.IGNORECASE)
    files = [file for file in path.parent.iterdir() if metadata.fullmatch(file.name)]
    if path.suffix.lower() == ".xml":
        files = [path]
    told = set()
    for file in files:
        try:
            text = file.read_text(errors="replace")
        except OSError:
            continue
        told |= set(re.findall(r"<IMAGING_DATE>\s*(\d{4}-\d\d-\d\d)", text))
    try:
        (day,) = map(date.fromisoformat, told)
    except ValueError:  # none, several, or no day at all
        return None
    log.info("Spot came by on %s, says its metadata", day)
    return day
