"""Metadata of a Spot product (DIMAP, version 2): the date of acquisition."""

import logging
import re
from contextlib import suppress
from datetime import date
from pathlib import Path

log = logging.getLogger(__name__)

METADATA = "[Dd][Ii][Mm]_*.[Xx][Mm][Ll]"
IMAGING_DATE = re.compile(r"<IMAGING_DATE>\s*(\d{4}-\d\d-\d\d)")


def imaging_date(image: str) -> date | None:
    """Read the date of acquisition in DIM_*.XML: the file `image`, or one beside it.

    None: the date is unknown or ambiguous.
    """
    path = Path(image)
    is_metadata = path.suffix.lower() == ".xml"
    days: set[str] = set()
    for file in [path] if is_metadata else path.parent.glob(METADATA):
        with suppress(OSError):
            days.update(IMAGING_DATE.findall(file.read_text(errors="replace")))
    try:
        (day,) = map(date.fromisoformat, days)
    except ValueError:  # no date, several, or an impossible one
        return None
    log.info("Spot was acquired on %s, by its metadata", day)
    return day
