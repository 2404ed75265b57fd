"""Plausibility of a sample of the pixels: are they DN, and is ESA's offset in them?

Reflectance x 10000 lies between about 0 and 12000.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from srtools.conventions import OFFSET_DN
from srtools.errors import SRError
from srtools.images.raster import ImageInfo, read
from srtools.urls import redact

log = logging.getLogger(__name__)

SAMPLE_PIXELS = 512  # side of the sample

LOWEST_DN = -1000  # 0 less the offset; darkest ground is brighter
HIGHEST_DN = 30000  # no ground reflects three times the light
MOST_FILL_SHARE = 0.01  # share above `HIGHEST_DN`; roofs and clouds saturate
MOST_ALIKE_SHARE = 0.01  # share with the lowest value
MOST_MEDIAN_DN = 15000
LARGEST_BYTE = 255

DARKEST_SHARE = 0.001  # share left out as outliers
DARK_DN = 700  # a product without offset has darker pixels, one with it has none
MOST_DARK_SHARE = 0.01  # share darker than `DARK_DN`
MOST_BELOW_SHARE = 0.03  # share not brighter than the offset
OFFSET_OPTION = "--offset"  # users of it are warned; metadata are refused

FAULTS = (
    (
        lambda x: (
            x["lowest"] <= LOWEST_DN
            or (x["lowest"] < 0 and x["lowest_share"] > MOST_ALIKE_SHARE)
        ),
        "DN of {lowest}, which look like no data; 0 is expected there "
        "(gdalwarp -srcnodata {lowest} -dstnodata 0)",
    ),
    (
        lambda x: MOST_FILL_SHARE < x["high_share"] < 2 * x["fill_share"],
        "DN of {fill} in {high_share:.1%} of its pixels, which look like no data or "
        "transparency; 0 is expected where there is no data "
        "(gdalwarp -srcnodata {fill} -dstnodata 0)",
    ),
    (
        lambda x: x["high_share"] > MOST_FILL_SHARE or x["median"] > MOST_MEDIAN_DN,
        "DN up to {highest}, half of them above {median:.0f}; reflectance x 10000 is "
        "expected: if 65535 is a reflectance of 1, gdal_translate -scale 0 65535 0 "
        "10000; a stretched picture is of no use",
    ),
)
"""Conditions on `_statistics` that refuse a band, and their messages.  The first counts
for any linear coding of reflectance."""


def sample(
    images: Sequence[ImageInfo], area: ImageInfo | None = None
) -> dict[str, np.ndarray]:
    """Return {band: DN of a sample of pixels, without 0} over `area` or everywhere."""
    bands = {}
    for image in images:
        bounds = (area or image).bounds_in(image.crs)
        window = image.clip(image.touched(bounds))
        sides = [min(part.stop - part.start, SAMPLE_PIXELS) for part in window]
        pixels = read([image], window, sides)
        name = redact(image.path)
        for number in range(image.bands):
            place = name if image.bands == 1 else f"band {number + 1} of {name}"
            values = pixels[..., number]
            bands[place] = values[values != 0].astype(np.int64)
    return bands


def check_plausible(
    bands: dict[str, np.ndarray], label: str, linear: bool = False
) -> None:
    """Check that the pixels of a `sample` can be DN (reflectance x 10000).

    `linear` accepts any linear coding of reflectance.  `label` is for messages.
    """
    bands = {f"{label} {place}": values for place, values in bands.items()}
    for place, values in bands.items():
        if not values.size:
            raise SRError(
                f"{place} holds nothing but 0, which is no data; check the file"
            )
        statistics = _statistics(values)
        for condition, message in FAULTS[:1] if linear else FAULTS:
            if condition(statistics):
                raise SRError(f"{place} holds {message.format(**statistics)}")
        if not linear and statistics["high_share"]:
            log.warning(
                "%s holds DN up to %d, brighter than any ground, in %.3f %% of its "
                "pixels; if they mean no data, make them 0 (gdalwarp -srcnodata)",
                place,
                statistics["highest"],
                100 * statistics["high_share"],
            )
    if not linear:
        _check_scale(bands)
    flat = [place for place, values in bands.items() if np.ptp(values) == 0]
    if flat and len(flat) < len(bands):
        raise SRError(
            f"{flat[0]} holds nothing but DN {bands[flat[0]][0]}, as transparency or "
            "an empty band does, other bands show ground; take the band itself"
        )


def _statistics(values: np.ndarray) -> dict[str, Any]:
    """Compute the entries for `FAULTS`: DN and shares (0-1) of a band's pixels."""
    lowest = values.min()
    numbers, counts = np.unique(values[values > HIGHEST_DN], return_counts=True)
    return {
        "lowest": lowest,
        "lowest_share": np.mean(values == lowest),
        "highest": values.max(),
        "median": np.median(values),
        "high_share": counts.sum() / values.size,
        "fill": numbers[counts.argmax()] if counts.size else None,
        "fill_share": counts.max(initial=0) / values.size,
    }


def _check_scale(bands: dict[str, np.ndarray]) -> None:
    """Raise if no band has a DN above 255, as in pictures or rounded reflectances."""
    largest = max(values.max() for values in bands.values())
    if largest <= LARGEST_BYTE:
        kind = "reflectances cut to whole numbers" if largest <= 1 else "8-bit colours"
        raise SRError(
            f"{next(iter(bands))} holds no DN above {largest}, as {kind} do; "
            "reflectance x 10000 is expected: take the bands of the product"
        )


def check_offset(
    bands: dict[str, np.ndarray], offset: int, offset_source: str = ""
) -> None:
    """Check whether a `sample` of Sentinel-2 contains the offset to subtract, DN.

    The DN of shadow and water are near 0 without the offset and near 1000 with it.
    A contradiction is a warning if `offset_source` is `OFFSET_OPTION` or "" (unknown),
    and an error if it names metadata.
    """
    darkest = min(np.quantile(values, DARKEST_SHARE) for values in bands.values())
    dark = max((values < DARK_DN).mean() for values in bands.values())
    below, place = max(((dn <= offset).mean(), place) for place, dn in bands.items())
    wrong = None
    if offset and below > MOST_BELOW_SHARE:
        black = (
            f"{below:.0%} of the pixels of {place} are not brighter than the offset of "
            f"{offset} and become black"
        )
        if dark > MOST_DARK_SHARE:
            wrong = (
                f"{black}, and {dark:.0%} are darker than DN {DARK_DN}, as if it had "
                "been subtracted before: give --offset 0"
            )
        else:
            log.info("%s; dark water does that", black)
    elif not offset and darkest >= DARK_DN:
        wrong = (
            f"no pixel is darker than DN {darkest:.0f}, as if the offset of {OFFSET_DN}"
            " were still in them; ESA products of baseline 04.00 or later need "
            f"--offset {OFFSET_DN}"
        )
    if wrong and offset_source not in ("", OFFSET_OPTION):
        raise SRError(
            f"{offset_source} says that {offset} is to be subtracted from the DN, but "
            f"{wrong} (or --offset {offset} if that is right)"
        )
    if wrong:
        log.warning("%s", wrong)
