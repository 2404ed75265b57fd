"""Conventions of all scripts: bands, their order, units, sizes and file names."""

BANDS = ("B04", "B03", "B02", "B08")
"""Sentinel-2 bands in the order of Spot-7: red, green, blue, near infrared."""

INPUT = "lr"
"""Input of a model: Sentinel-2 on the 6 m grid, DN without offset."""

OUTPUT = "hr"
"""Output of a model that is trained: reflectance, 0-1, at 1.5 m."""

OUTPUT_DN = "hr_dn"
"""The same output in DN, for 16-bit images; it is not trained."""

FACTOR = 4
"""hr pixels (1.5 m) per lr pixel (6 m), along an axis."""

S2_SPACING_METRES = 10.0
"""Pixel size of `BANDS`."""

LR_SPACING_METRES = 6.0
"""Pixel size of Spot's XS, and of lr: Sentinel-2 resampled to its grid."""

HR_SPACING_METRES = LR_SPACING_METRES / FACTOR
"""Pixel size of Spot's PAN, of hr, and of the network's output."""

SCALE = 1e-4
"""Reflectance of one DN, once the offset is removed."""

OFFSET_DN = 1000
"""Offset of the DN of Sentinel-2 since ESA's processing baseline 04.00."""

GROUPS = ("train", "valid", "test")

SPLITS = ("blocks", "interleaved")
"""Ways to distribute the patches over the groups."""

KINDS = ("lr", "hr")

DATASET_CARD = "dataset.json"

OWN_GRID_IMAGE = "sentinel2.tif"
"""Sentinel-2 on its own 10 m grid, beside the patches."""

FIELD_LR_PIXELS = 15
"""Margin of the receptive field of `sr_model.py` with its defaults, lr pixels."""

INTERPOLATION_REACH_LR_PIXELS = 8
"""Smallest gap between patches that share no pixel of Sentinel-2, lr pixels: bicubic
interpolation to 6 m mixes 2 pixels of 10 m on either side."""


def leak_margin(field: int) -> int:
    """Return the gap between groups of patches that prevents leakage, lr pixels.

    `field` is the margin of the network's receptive field, lr pixels.
    """
    return field + INTERPOLATION_REACH_LR_PIXELS


def patches_name(group: str, kind: str) -> str:
    """Return the file name of the patches image of a group and kind ("lr" or "hr").

    >>> patches_name("train", "lr")
    'train_lr_patches.tif'
    """
    return f"{group}_{kind}_patches.tif"


OFFSET_TAG = "SENTINEL2_OFFSET_SUBTRACTED"
"""Tag of an image file: the offset, DN, that is already subtracted from its pixels."""
