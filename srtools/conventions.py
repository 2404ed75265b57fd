"""What every script agrees on: bands, their order, units and sizes."""

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

SCALE = 1e-4
"""Reflectance of one DN, once the offset is removed."""

GROUPS = ("train", "valid", "test")

MARGIN = 21
"""lr pixels between patches of different groups, at least: 13 that the network sees
around itself, and 8 in which bicubic mixes the same Sentinel-2 pixels."""
