"""Extended file names: `image.tif?&key=value&...`, as OTB 9 reads them."""

import logging
import os
import re
from dataclasses import dataclass, field

from otblite.image import Window
from otblite.parameters import TRUE

log = logging.getLogger("otblite")

REMOTE = ("http://", "https://", "/vsi")
STREAMING = ("streaming:type", "streaming:sizemode", "streaming:sizevalue")
# Options of OTB without an effect here: files of sensor geometry, tags of rational
# polynomials, several images written in one pass.
WRITING_NOTHING = ("writegeom", "writerpctags", "multiwrite")
READING_NOTHING = ("skipgeom", "skiprpctag", "geom")


@dataclass
class InputName:
    """Options in the extended file name of an input."""

    path: str
    bands: str = ""
    """As `bands` of an output, in words: how many there are is not known yet."""
    skip_carto: bool = False
    """True if the georeference is to be ignored: pixels of 1 x 1 from 0, no CRS."""


@dataclass
class OutputName:
    """Options in the extended file name of an output."""

    path: str
    creation_options: dict[str, str] = field(default_factory=dict)
    box: Window | None = None
    nodata: float | None = None
    epsg: int | None = None
    """CRS to write instead of the image's own."""
    bands: list[int] | None = None
    """Indices from 0."""
    streaming: tuple[str, int] | None = None
    """Type (`tiled` or `stripped`) and height of the windows to compute."""


def split(name: str) -> tuple[str, list[str]]:
    """Separate the file name from its options at the *last* `?&`.

    So a signed URL, which has a `?` and `&`, passes as it is.  Of a local file with a
    suffix the options may begin at the first `?`, as in OTB 8.
    """
    path, mark, options = name.rpartition("?&")
    if not mark and not name.startswith(REMOTE):
        path, mark, options = name.partition("?")
        mark = mark and os.path.splitext(path)[1] and not os.path.exists(name)
    return (path, [o for o in options.split("&") if o]) if mark else (name, [])


def _unknown(option: str) -> None:
    """Go on, as OTB does."""
    log.warning("The option '%s' of a file name is not known and has no effect", option)


def parse_input(name: str) -> InputName:
    """Read the extended file name of an input image.

    Raises:
        ValueError: naming an option of OTB that is not supported.
    """
    path, options = split(name)
    parsed = InputName(path)
    for option in options:
        key, _, value = option.partition("=")
        if key == "bands":
            if not value:
                raise ValueError("'bands' of a file name has no value")
            parsed.bands = option
        elif key == "skipcarto":
            parsed.skip_carto = value.lower() in TRUE
        elif key in ("resol", "sdataidx") and value != "0":
            raise ValueError(f"'{key}' of a file name is not supported when reading")
        elif key not in (*READING_NOTHING, "resol", "sdataidx"):
            _unknown(key)
    return parsed


def parse_output(name: str, bands: int) -> OutputName:
    """Read the extended file name of an output image that has `bands` bands.

    Raises:
        ValueError: naming a value that is not supported.
    """
    path, options = split(name)
    parsed = OutputName(path)
    streaming = {}
    for option in options:
        key, _, value = option.partition("=")
        if key.startswith("gdal:co:"):
            parsed.creation_options[key.removeprefix("gdal:co:")] = value
        elif key == "box":
            parsed.box = _box(option, value)
        elif key == "nodata":
            # `value`, or `band:value,...`; of a GeoTIFF it is one for all bands, and
            # GDAL keeps the last.
            numbers = {_number(option, p.split(":")[-1]) for p in value.split(",")}
            parsed.nodata = _number(option, re.split("[,:]", value)[-1])
            if len(numbers) > 1:
                log.warning("A GeoTIFF has one no-data value: %s", parsed.nodata)
        elif key == "bands":
            parsed.bands = read_bands(option, bands)
        elif key == "epsg":
            parsed.epsg = int(value) if value.isdigit() else None
            if not parsed.epsg:
                log.warning("'%s' of a file name is no EPSG code", option)
        elif key in STREAMING:
            streaming[key] = value
        elif key not in WRITING_NOTHING:
            _unknown(key)
    if streaming.get("streaming:sizemode") == "height":
        height = int(_number(STREAMING[2], streaming.get(STREAMING[2], "")))
        parsed.streaming = streaming.get("streaming:type", "auto"), max(height, 1)
    return parsed


def _number(option: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"'{option}' needs one number, got '{value}'") from None


def _box(option: str, value: str) -> Window:
    match = re.fullmatch(r"(\d+):(\d+):(\d+):(\d+)", value)
    if not match:
        raise ValueError(f"'{option}' is not box=startx:starty:sizex:sizey")
    col, row, width, height = map(int, match.groups())
    return Window(row, col, height, width)


def read_bands(option: str, count: int) -> list[int]:
    """Read `bands=1,3:4,-1`: numbers from 1, from the end if negative, ranges.

    Returns:
        Indices from 0.

    Raises:
        ValueError: if it is not that, or an image of `count` bands lacks one.
    """
    chosen: list[int] = []
    for part in option.partition("=")[2].split(","):
        match = re.fullmatch(r"(-?\d*)(:?)(-?\d*)", part)
        if not match or part in ("", ":"):
            raise ValueError(f"'{option}' is not a list of bands like 1,3:4")
        first = _band(option, match[1] or "1", count)
        last = _band(option, match[3] or str(count), count) if match[2] else first
        chosen += range(first, last + 1)
    return chosen


def _band(option: str, number: str, count: int) -> int:
    index = int(number) - 1 if int(number) > 0 else count + int(number)
    if not 0 <= index < count or int(number) == 0:
        raise ValueError(f"'{option}': the image has bands 1 to {count}, not {number}")
    return index
