"""Whether a model was trained in the season of the image that it is given."""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

log = logging.getLogger(__name__)

MOST_DAYS = 60  # of the year, between the image and the nearest training image
YEAR = 365


def warn(card: Mapping[str, Any], day: date | None) -> None:
    """Warn if all images that a model learned from are of another season.

    Arguments:
        card: of the model.
        day: of the image; None if it is not known.
    """
    told = [scene["dataset"].get("s2_day") for scene in card.get("scenes") or ()]
    learned = [date.fromisoformat(text) for text in told if text]
    if not day or not learned:
        return
    nearest = min(learned, key=lambda other: days_of_year_apart(day, other))
    apart = days_of_year_apart(day, nearest)
    if apart > MOST_DAYS:
        log.warning(
            "the image is of %s, the model was trained on images of %s at the nearest, "
            "%d days of the year apart: another season has other colours and shadows; "
            "expect less, and check it",
            f"{day:%d %B}",
            f"{nearest:%d %B}",
            apart,
        )


def days_of_year_apart(one: date, other: date) -> int:
    """Count the days between two days of the year, whatever the year.

    >>> days_of_year_apart(date(2022, 12, 30), date(2020, 1, 4))
    5
    """
    apart = abs(one.timetuple().tm_yday - other.timetuple().tm_yday) % YEAR
    return min(apart, YEAR - apart)
