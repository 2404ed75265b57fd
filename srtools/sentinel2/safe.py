"""An unzipped .SAFE folder, a product of ESA: its image files and its offset."""

import re
from pathlib import Path

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2.items import offset_of

IMAGES = (".jp2", ".tif", ".tiff")


def read_safe(folder: str | Path) -> tuple[list[str], list[str], int | None]:
    """Return the files of `BANDS` at 10 m, those of the SCL, and the offset, DN.

    The list of the SCL may be empty.  An offset of None is unknown.
    """
    bands = []
    for band in BANDS:
        files = _images(folder, f"R10m/*_{band}_10m.*")
        if len(files) != 1:
            raise SRError(
                f"{folder} has {len(files)} files of band {band} at 10 m, one is "
                "expected (GRANULE/*/IMG_DATA/R10m); give the unzipped .SAFE folder of "
                "one product of Level-2A, not Level-1C"
            )
        bands += files
    return bands, _images(folder, "R20m/*_SCL_20m.*"), _offset(Path(folder))


def _images(folder: str | Path, pattern: str) -> list[str]:
    """Find images below IMG_DATA; side files of GDAL, QGIS and macOS do not count."""
    return [
        str(path)
        for path in sorted(Path(folder).glob(f"GRANULE/*/IMG_DATA/{pattern}"))
        if path.suffix.lower() in IMAGES and not path.name.startswith(".")
    ]


def _offset(folder: Path) -> int | None:
    """Read the offset, DN, or derive it from the baseline; None if it is unknown."""
    try:
        text = (folder / "MTD_MSIL2A.xml").read_text(errors="replace")
    except OSError:
        text = ""
    added = set(re.findall(r"<BOA_ADD_OFFSET[^>]*>\s*(-?\d+)", text))
    if added:
        return -int(added.pop()) if len(added) == 1 else None
    match = re.search(r"<PROCESSING_BASELINE>\s*(\d\d)\.(\d\d)", text)
    match = match or re.search(r"_N(\d\d)(\d\d)_", folder.name)
    return offset_of(".".join(match.groups()) if match else "")
