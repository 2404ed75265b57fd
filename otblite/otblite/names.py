"""Extended file names: `image.tif?&key=value&...`, as OTB 9 reads them."""

import re
from dataclasses import dataclass, field

from otblite.image import Window

STREAMING = ("streaming:type", "streaming:sizemode", "streaming:sizevalue")


@dataclass
class OutputName:
    """What an output's extended file name asks for."""

    path: str
    creation_options: dict[str, str] = field(default_factory=dict)
    box: Window | None = None
    nodata: float | None = None
    bands: list[int] | None = None
    """Indices from 0."""
    streaming: tuple[str, int] | None = None
    """Type (`tiled` or `stripped`) and height of the windows to compute."""


def split(name: str) -> tuple[str, list[str]]:
    """Separate the file name from its options at the *last* `?&`.

    So a signed URL, which has a `?` and `&` of its own, passes as it is.
    """
    path, mark, options = name.rpartition("?&")
    return (path, [o for o in options.split("&") if o]) if mark else (name, [])


def parse_output(name: str, bands: int) -> OutputName:
    """Read the extended file name of an output image that has `bands` bands.

    Raises:
        ValueError: naming an option or a value that is not supported.
    """
    path, options = split(name)
    found = OutputName(path)
    streaming = {}
    for option in options:
        key, _, value = option.partition("=")
        if key.startswith("gdal:co:"):
            found.creation_options[key.removeprefix("gdal:co:")] = value
        elif key == "box":
            found.box = _box(option, value)
        elif key == "nodata":
            found.nodata = _number(option, value)
        elif key == "bands":
            found.bands = _bands(option, value, bands)
        elif key in STREAMING:
            streaming[key] = value
        else:
            raise ValueError(
                f"extended file name option '{key}' is not supported; supported are "
                f"gdal:co:NAME, box, nodata, bands and {', '.join(STREAMING)}"
            )
    if streaming.get("streaming:sizemode") == "height":
        height = int(_number(STREAMING[2], streaming.get(STREAMING[2], "")))
        found.streaming = streaming.get("streaming:type", "auto"), max(height, 1)
    return found


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


def _bands(option: str, value: str, count: int) -> list[int]:
    """Read `bands=1,3:4,-1`: numbers from 1, from the end if negative, ranges."""
    chosen: list[int] = []
    for part in value.split(","):
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
