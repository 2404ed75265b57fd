"""The classes of Sentinel-2's scene classification (SCL)."""

MISSING_CLASS = 0
LAST_CLASS = 11

BAD_CLASSES = {
    1: "defective",
    3: "cloud_shadow",
    8: "cloud_medium",
    9: "cloud_high",
    10: "thin_cirrus",
}
"""Classes of pixels that do not show ground.  Saturated pixels belong to class 1.  Dark
areas (2), water (6), unclassified pixels (7) and snow (11) do show ground."""
