"""The files of exercise 1, and the card that says how they were made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srtools import cards
from srtools.conventions import (
    BANDS,
    DATASET_CARD,
    FACTOR,
    GROUPS,
    KINDS,
    OWN_GRID_IMAGE,
    SCALE,
    patches_name,
)
from srtools.images import qgis
from srtools.images.raster import ImageInfo
from srtools.pair.quality import PairQuality
from srtools.pair.splits import Blocks, Interleaved
from srtools.sentinel2.source import Sentinel2
from srtools.urls import redact

PAIR_PICTURE, SPLIT_PICTURE = "pair.png", "split.png"


def output_files(out_dir: str | Path, groups: Sequence[str] = GROUPS) -> list[Path]:
    """List the files that the exercise makes for some groups."""
    patches = [patches_name(group, kind) for group in groups for kind in KINDS]
    images = [*patches, OWN_GRID_IMAGE]
    styles = [qgis.style_of(image) for image in images]
    others = (PAIR_PICTURE, SPLIT_PICTURE, DATASET_CARD)
    return [Path(out_dir) / name for name in (*images, *styles, *others)]


@dataclass(frozen=True)
class Made:
    """Results of the exercise that the card keeps."""

    quality: PairQuality
    """How well the pair fits."""
    shift: dict | None
    """The shift that was corrected before; None if none was."""
    split: Blocks | Interleaved
    """Groups of the patches."""
    left_out: dict[str, int]
    """Number of unusable patches, for each reason."""
    windows: dict[str, np.ndarray]
    """First row and column of the patches of each group, [n, 2]."""
    own_grid: dict
    """Record of the kept Sentinel-2 image."""
    command: str = ""
    """Command that makes the same patches."""


def write_card(
    folder: Path,
    options: Any,
    spot: tuple[ImageInfo, ImageInfo],
    s2: Sentinel2,
    made: Made,
) -> dict[str, Any]:
    """Write dataset.json, and give its contents.

    Arguments:
        folder: for the file.
        options: `srtools.cli.dataset.Options`.
        spot: PAN and XS, as they were given.
        s2: files and facts of Sentinel-2.
        made: results.
    """
    pan, xs = spot
    size = options.patch_size
    card = {
        "bands": list(BANDS),
        "factor": FACTOR,
        "offset": s2.offset,
        "scale": SCALE,
        "lr": {"patch_size": size, "spacing": xs.spacing},
        "hr": {"patch_size": FACTOR * size, "spacing": pan.spacing},
        "split": made.split.record(),
        "step": options.step or size,
        "proportions": list(options.proportions),
        "left_out": made.left_out,
        "pair": made.quality.record(),
        "coregistered": made.shift,
        "harmonized": options.harmonize,
        "pan": pan.record(),
        "xs": xs.record(),
        "sentinel2": s2.record
        or {"files": [[redact(path) for path in tile] for tile in s2.tiles]},
        "s2_day": s2.day and s2.day.isoformat(),
        "sentinel2_own_grid": made.own_grid,
        "command": made.command,
        "versions": cards.versions(),
        "groups": {
            group: {"patches": len(places), "windows": np.asarray(places).tolist()}
            for group, places in {**dict.fromkeys(GROUPS, ()), **made.windows}.items()
        },
    }
    cards.write_card(folder / DATASET_CARD, card)
    return card
