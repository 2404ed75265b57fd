"""Lower bound of the time: read the inputs and write the outputs, without computing.

python -m bench.file_copies FOLDER FILE...   decodes every file, and encodes the patches
"""

import sys
import warnings
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning

LINES = 1024  # read and written at once


def copy(source: Path, target: Path | None) -> None:
    """Read a GeoTIFF; with a target write it again with the same compression."""
    with rasterio.open(source) as file:
        strips = [
            ((row, min(row + LINES, file.height)), (0, file.width))
            for row in range(0, file.height, LINES)
        ]
        if target is None:
            for strip in strips:
                file.read(window=strip)
            return
        profile = {**file.profile, "predictor": 2, "num_threads": 2}
        with rasterio.open(target, "w", **profile) as out:
            for strip in strips:
                out.write(file.read(window=strip), window=strip)


if __name__ == "__main__":
    # Patches images have no georeference.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    folder = Path(sys.argv[1])
    for name in map(Path, sys.argv[2:]):
        copy(name, folder / name.name if name.stem.endswith("_patches") else None)
