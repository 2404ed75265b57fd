"""Names of bands in descriptions and file names, and their order."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.urls import redact

COLOURS = ("red", "green", "blue", "near infrared")  # in the order of BANDS
SPOT_CODES = {"B2": "B04", "B1": "B03", "B0": "B02", "B3": "B08"}
# English and French; a word ends where no letter follows.
WORDS = {
    "B04": r"(?<![a-z])(red|rouge)(?![a-z])(?!.?edge)",
    "B03": r"(?<![a-z])(green|vert)(?![a-z])",
    "B02": r"(?<![a-z])(blue|bleu)(?![a-z])",
    "B08": r"(?<![a-z])(?<!narrow.)(nir|pir|near.?infra.?red|proche.?infra.?rouge)"
    r"(?![a-z0-9])",
    "B8A": r"(?<![a-z])(nir0?8|narrow.?nir)(?![a-z0-9])",
    "red edge": r"(?<![a-z])red.?edge",
}


def sentinel2_band(text: str) -> str | None:
    """Return the one band of Sentinel-2 that a text names; None for no or several.

    Codes of two characters come before colours, and those before codes of one digit,
    which may be mere numbers.

    >>> sentinel2_band("T31UDQ_20220714T105629_B08_10m"), sentinel2_band("FRE_B4")
    ('B08', 'B04')
    >>> sentinel2_band("B1, red"), sentinel2_band("B8A, nir"), sentinel2_band("B2-B4")
    ('B04', 'B8A', None)
    """
    codes = {f"B{code}" for code in _codes(text, r"\d\d|8A")}
    names = codes or _colours(text) or {f"B0{code}" for code in _codes(text, r"\d")}
    return names.pop() if len(names) == 1 else None


def spot_band(text: str) -> str | None:
    """Return the Sentinel-2 name of the one band of Spot that a text names, or None.

    >>> spot_band("B0 Blue"), spot_band("B2"), spot_band("Band 1")
    ('B02', 'B04', None)
    """
    names = _colours(text) or {SPOT_CODES[f"B{code}"] for code in _codes(text, "[0-3]")}
    return names.pop() if len(names) == 1 else None


def _codes(text: str, pattern: str) -> list[str]:
    return re.findall(rf"(?<![A-Za-z0-9])B({pattern})(?![A-Za-z0-9])", text)


def _colours(text: str) -> set[str]:
    return {band for band, word in WORDS.items() if re.search(word, text.lower())}


def check_order(
    images: Sequence[ImageInfo], label: str, read: Callable[[str], str | None]
) -> None:
    """Check that the names of bands do not contradict the order of `BANDS`.

    `images` are four with one band or one with four; `read`, `sentinel2_band` or
    `spot_band`, returns the band that a text names.  `label` is for messages.
    """
    bands = [band for image in images for band in image.band_infos]
    titles = [band.title for band in bands]
    if len(set(titles)) == 1:
        titles = [""] * len(titles)
    others = [band.colour for band in bands]
    if len(images) > 1:
        others = [Path(redact(image.path)).stem for image in images]
    elif any(map(read, titles)):
        others = [""] * len(titles)
    titles = [
        title if read(title) else x for title, x in zip(titles, others, strict=True)
    ]
    names = list(map(read, titles))
    if all(name in (None, band) for name, band in zip(names, BANDS, strict=True)):
        return
    order = ""
    if len(images) == 1 and set(names) == set(BANDS):
        places = " ".join(f"-b {names.index(band) + 1}" for band in BANDS)
        order = f": gdal_translate {places}"
    raise SRError(
        f"the bands of {label} are named {', '.join(name or '?' for name in names)} "
        f"({', '.join(title or '-' for title in titles)}); {', '.join(BANDS)} in this "
        f"order are expected, which is {', '.join(COLOURS)}{order}"
    )
