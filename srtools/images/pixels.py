"""A sample of the pixels: can they be DN, and is ESA's offset still in them?

Every band is judged.  Reflectance x 10000 lies between some 0 and 12000; what lies far
beyond is a fill value, a wrapped number, or another scale.
"""

import logging
import math
from collections.abc import Sequence

import numpy as np

from srtools.conventions import OFFSET_DN
from srtools.errors import SRError
from srtools.images.raster import ImageInfo, read
from srtools.urls import is_remote, redact

log = logging.getLogger(__name__)

SAMPLE_PIXELS = 512  # a side
REMOTE_STEP = 8  # pixels of a remote image, from one of the sample to the next

LOWEST_DN = -1000  # 0 less the offset; darkest ground is brighter
HIGHEST_DN = 30000  # no ground reflects three times the light
WRAPPED_DN = 2**16 - OFFSET_DN  # from here on: numbers below 0, taken as unsigned
WHITE_DN = 12000  # clouds and snow in the sun
MOST_FILL_SHARE = 0.01  # of a band, above `HIGHEST_DN`: roofs and clouds saturate
MOST_WHITE_SHARE = 0.02  # of a band, above `WHITE_DN`
MOST_ALIKE_SHARE = 0.01  # of a band, with the most extreme value
MOST_MEDIAN_DN = 15000  # of a band
LARGEST_BYTE = 255
DARK_SCALE_DN = 1000  # above which at least a pixel in a thousand should be

DARKEST_SHARE = 0.001  # of a band, that is left out as outliers
DARK_DN = 700  # a product without offset has something darker, one with it has not
MOST_DARK_SHARE = 0.01  # of a band, darker than that
MOST_BELOW_SHARE = 0.03  # of a band, darker than the offset
OFFSET_OPTION = "--offset"  # users of it are warned; metadata are not believed
TO_0 = "gdalwarp -srcnodata {} -dstnodata 0"


def sample(
    images: Sequence[ImageInfo], area: ImageInfo | None = None
) -> dict[str, np.ndarray]:
    """Read some pixels of each band, over an area; {name of the band: DN but 0}."""
    bands = {}
    for image in images:
        window = slice(0, image.height), slice(0, image.width)
        if area:
            window = image.grid.clip(image.grid.touched(area.grid.bounds_in(image.crs)))
        # Of a remote image the overviews are enough, which are a 64th of the bytes.
        step = REMOTE_STEP if is_remote(image.path) else 1
        sides = [math.ceil((part.stop - part.start) / step) for part in window]
        pixels = read([image], window, [min(side, SAMPLE_PIXELS) for side in sides])
        name = redact(image.path)
        for number in range(image.bands):
            place = name if image.bands == 1 else f"band {number + 1} of {name}"
            values = pixels[..., number]
            bands[place] = values[values != 0].astype(np.int64)
    return bands


def check_plausible(
    images: Sequence[ImageInfo],
    what: str,
    linear: bool = False,
    area: ImageInfo | None = None,
) -> dict[str, np.ndarray]:
    """Check that pixels can be DN, and return the sample.

    Arguments:
        linear: whether any linear coding of reflectance will do.
        area: image over whose rectangle to look; None: everywhere.
    """
    bands = {f"{what} {place}": x for place, x in sample(images, area).items()}
    for place, values in bands.items():
        wrong = _impossible(values, linear)
        if wrong:
            raise SRError(f"{place} holds {wrong}")
        if not linear:
            _warn_of_doubt(values, place)
    if not linear:
        _check_scale(bands)
    flat = [place for place, values in bands.items() if np.ptp(values) == 0]
    if flat and len(flat) < len(bands):
        raise SRError(
            f"{flat[0]} holds nothing but DN {bands[flat[0]][0]}, as transparency or "
            "an empty band does, other bands show ground; take the band itself"
        )
    return bands


def _impossible(values: np.ndarray, linear: bool) -> str | None:
    """Return why values cannot be DN: fill, wrapped numbers, too large a scale."""
    if not values.size:
        return "nothing but 0, which is no data; check the file"
    lowest = values.min()
    alike = (values == lowest).mean()
    if lowest <= LOWEST_DN or lowest < 0 and alike > MOST_ALIKE_SHARE:
        return (
            f"DN of {lowest}, which look like no data; 0 is expected there "
            f"({TO_0.format(lowest)})"
        )
    high = values[values > HIGHEST_DN]
    share, middle = high.size / values.size, np.median(values)
    if linear or share <= MOST_FILL_SHARE and middle <= MOST_MEDIAN_DN:
        return None
    if share > MOST_FILL_SHARE:
        numbers, counts = np.unique(high, return_counts=True)
        fill = numbers[counts.argmax()]
        if counts.max() > high.size / 2:
            return (
                f"DN of {fill} in {share:.1%} of its pixels, which look like no data "
                "or transparency; 0 is expected where there is no data "
                f"({TO_0.format(fill)})"
            )
        if np.mean((high >= WRAPPED_DN) & (high < 2**16)) > 0.5:
            return (
                f"DN from {high.min()} to {high.max()} in {share:.1%} of its pixels, "
                "as if numbers below 0 had been written without their sign "
                f"({WRAPPED_DN} is {WRAPPED_DN - 2**16}); take the product as it was "
                f"published and give --offset {OFFSET_DN}"
            )
    return (
        f"DN up to {values.max()}, half of them above {middle:.0f}; reflectance x "
        "10000 is expected: if 65535 is a reflectance of 1, gdal_translate -scale 0 "
        "65535 0 10000; a stretched picture is of no use"
    )


def _warn_of_doubt(values: np.ndarray, place: str) -> None:
    """Warn of few saturated pixels, much white, or a white that may be nodata."""
    brightest = values.max()
    high, white = (np.mean(values > limit) for limit in (HIGHEST_DN, WHITE_DN))
    alike = np.mean(values == brightest)
    if high:
        log.warning(
            "%s holds DN up to %d, brighter than any ground, in %.3f %% of its pixels; "
            f"if they mean no data, make them 0 ({TO_0.format('...')})",
            place,
            brightest,
            100 * high,
        )
    if white > MOST_WHITE_SHARE:
        log.warning(
            "%.0f %% of the pixels of %s are brighter than DN %d; where there is no "
            "cloud and no snow they are not reflectance x 10000",
            100 * white,
            place,
            WHITE_DN,
        )
    elif brightest > 0.75 * WHITE_DN and MOST_ALIKE_SHARE < alike < 1:
        log.warning(
            "%.0f %% of the pixels of %s have the DN %d, and none is brighter: if it "
            f"means no data, make it 0 ({TO_0.format('...')})",
            100 * alike,
            place,
            brightest,
        )


def _check_scale(bands: dict[str, np.ndarray]) -> None:
    """Check that the scale is not too small, which no single band can prove."""
    place = next(iter(bands))
    largest = max(values.max() for values in bands.values())
    if largest <= LARGEST_BYTE:
        kind = "reflectances cut to whole numbers" if largest <= 1 else "8-bit colours"
        raise SRError(
            f"{place} holds no DN above {largest}, as {kind} do; reflectance x 10000 "
            "is expected: take the bands of the product"
        )
    bright = max(np.quantile(v, 1 - DARKEST_SHARE) for v in bands.values())
    if bright < DARK_SCALE_DN:
        log.warning(
            "%s is nowhere brighter than DN %.0f, a reflectance of %.2f: is it water, "
            "or has it another scale than 10000?",
            place,
            bright,
            bright / 10000,
        )


def check_offset(
    bands: dict[str, np.ndarray], offset: int, offset_source: str = ""
) -> None:
    """Check whether the offset that will be subtracted is in the pixels.

    Shadow and water have a reflectance near 0, so that their DN are near 0 without
    the offset and near 1000 with it.  A user is warned of a contradiction, metadata
    are refused.

    Arguments:
        bands: of one Sentinel-2 image, DN but 0; see `sample`.
        offset_source: metadata, `OFFSET_OPTION`, or "" if unknown.
    """
    darkest = min(np.quantile(values, DARKEST_SHARE) for values in bands.values())
    below = {place: (values <= offset).mean() for place, values in bands.items()}
    place = max(below, key=below.get)
    dark = max((values < DARK_DN).mean() for values in bands.values())
    wrong = None
    if offset and below[place] > MOST_BELOW_SHARE:
        black = (
            f"{below[place]:.0%} of the pixels of {place} are not brighter than the "
            f"offset of {offset} and become black"
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
