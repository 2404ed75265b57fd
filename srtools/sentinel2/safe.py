"""Sentinel-2 products as ESA packs them: an unzipped .SAFE folder."""

import re
from pathlib import Path
from typing import NamedTuple

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2.items import offset_of, parse_baseline


class Product(NamedTuple):
    """What a SAFE folder holds."""

    bands: list[str]
    """Files of B04, B03, B02, B08 at 10 m."""
    offset: int | None
    """What to subtract from the DN, None if the product does not say."""


def is_safe(path: str | Path) -> bool:
    """Tell whether a path is a folder, which no image is."""
    return Path(path).is_dir()


def read_safe(folder: str | Path) -> Product:
    """Find the 10 m bands of a Level-2A product, and their offset.

    Raises:
        SRError: if it is not one.
    """
    found = []
    for band in BANDS:
        files = sorted(Path(folder).glob(f"GRANULE/*/IMG_DATA/R10m/*_{band}_10m.*"))
        files = [file for file in files if file.suffix != ".xml"]  # notes of GDAL
        if len(files) != 1:
            level1 = any(Path(folder).glob(f"GRANULE/*/IMG_DATA/*_{band}.*"))
            raise SRError(
                f"{folder} has {len(files)} files of band {band} at 10 m, one is "
                "expected (GRANULE/*/IMG_DATA/R10m); "
                + (
                    "this is a Level-1C product: take Level-2A"
                    if level1
                    else "give the unzipped .SAFE folder of one Level-2A product"
                )
            )
        found.append(str(files[0]))
    return Product(found, _offset(Path(folder)))


def sure(offset: int | None) -> int:
    """Give an offset that is known.

    Raises:
        SRError: if it is not.
    """
    if offset is None:
        raise SRError(
            "the SAFE folder does not say its processing baseline, on which the offset "
            "of the DN depends; give --offset 1000 from baseline 04.00 on, else 0"
        )
    return offset


def _offset(folder: Path) -> int | None:
    """Read the offset that ESA added, or work it out from the baseline."""
    try:
        text = (folder / "MTD_MSIL2A.xml").read_text(errors="replace")
    except OSError:
        text = ""
    added = set(re.findall(r"<BOA_ADD_OFFSET[^>]*>\s*(-?\d+)", text))
    if len(added) == 1:
        return -int(added.pop())
    baseline = re.search(r"<PROCESSING_BASELINE>\s*(\d\d\.\d\d)", text)
    name = re.search(r"_N(\d\d)(\d\d)_", folder.name)
    if baseline:
        return offset_of(parse_baseline(baseline[1]))
    return offset_of(parse_baseline(".".join(name.groups()))) if name else None
