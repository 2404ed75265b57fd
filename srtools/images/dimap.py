"""What the metadata of a Spot product (DIMAP, version 2) tell."""

import logging
import math
import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

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


BAND_IDS = {1: ("P",), 4: ("B2", "B1", "B0", "B3")}
"""Names of the bands of PAN, and of XS in the order of their files."""


def reflectance_lines(image: str, bands: int) -> list[tuple[float, float]]:
    """Give gain and bias by which the counts of a product become DN.

    DN is top-of-atmosphere reflectance x 10000.  With L = count / GAIN + BIAS, the
    radiance, it is 10000 pi L d^2 / (E0 sin(sun elevation)), where E0 is the band's
    solar irradiance and d the distance of the sun in astronomical units,
    1 - 0.01672 cos(0.9856 (day of the year - 4) degrees).

    Source: Spot 6 and Spot 7 Imagery User Guide, radiometric calibration.

    Arguments:
        image: DIM_*.XML, or an image with it beside it.
        bands: 1 for PAN, 4 for XS.

    Raises:
        SRError: if the metadata are missing, lack a number, or say that the counts
            are no raw ones.
    """
    kind = "P" if bands == 1 else "MS"
    path = Path(image)
    files = [path] if path.suffix.lower() == ".xml" else _beside(path)
    files = [
        file
        for file in files
        if kind in _told(file, r"SPECTRAL_PROCESSING>\s*([A-Z]+)")
    ]
    if len(files) != 1:
        raise SRError(
            f"--spot_reflectance needs the DIM_*.XML of {image}, and {len(files)} of "
            f"this image lie there; give the product's own file, or --harmonize alone"
        )
    (file,) = files
    try:
        root = ElementTree.parse(file).getroot()
        processing = root.findtext(".//RADIOMETRIC_PROCESSING", "BASIC").strip()
        sun = _sun_elevation(root)
        day = date.fromisoformat(root.findtext(".//IMAGING_DATE").strip())
        gains = _by_band(root, "Band_Radiance", "GAIN")
        biases = _by_band(root, "Band_Radiance", "BIAS")
        irradiance = _by_band(root, "Band_Solar_Irradiance", "VALUE")
        lines = []
        for name in BAND_IDS[bands]:
            turn = math.radians(0.9856 * (day.timetuple().tm_yday - 4))
            distance = 1 - 0.01672 * math.cos(turn)
            factor = 1e4 * math.pi * distance**2 / irradiance[name]
            factor /= math.sin(math.radians(sun))
            lines.append((factor / gains[name], factor * biases[name]))
    except (
        ElementTree.ParseError,
        OSError,
        AttributeError,
        ValueError,
        KeyError,
        ZeroDivisionError,
    ) as error:
        raise SRError(
            f"{file} lacks what reflectance is computed from (GAIN, BIAS, solar "
            f"irradiance, sun elevation, day: {error}); leave out --spot_reflectance, "
            "--harmonize needs none of it"
        ) from None
    if processing not in ("BASIC", "LINEAR"):
        raise SRError(
            f"{file} says that its processing is {processing}: its numbers are no raw "
            "counts; leave out --spot_reflectance"
        )
    return lines


def _sun_elevation(root: ElementTree.Element) -> float:
    """Read the elevation of the sun, degrees: in the centre if several are given."""
    places = root.findall(".//Located_Geometric_Values")
    centre = [p for p in places if p.findtext("LOCATION_TYPE", "").strip() == "Center"]
    return float([*centre, *places, root][0].findtext(".//SUN_ELEVATION"))


def _by_band(root: ElementTree.Element, entry: str, value: str) -> dict[str, float]:
    found = root.findall(f".//{entry}")
    return {x.findtext("BAND_ID").strip(): float(x.findtext(value)) for x in found}


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
