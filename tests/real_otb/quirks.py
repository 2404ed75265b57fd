"""Where otblite does not follow OTB 8.1.1, and why: a table, row by row."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tests.real_otb import cases
from tests.real_otb.differential import WARPS, answer, apart

LARGEST = np.finfo(np.float32).max
COMPLEX = re.compile("omplex|type 'c'|SingleMethodExecute")


@dataclass
class Case:
    """A case with two answers that differ."""

    case: dict
    theirs: dict
    ours: dict

    def __post_init__(self):
        self.application, self.pixel = self.case["application"], self.case["pixel"]
        self.expression = cases.spell(self.case["parameters"].get("exp", [""]))
        listed = (
            i if isinstance(i, list) else [i] for i in self.case["images"].values()
        )
        self.images = [image for image in sum(listed, []) if "seed" in image]

    def refused(self, words: str) -> bool:
        """Check that otblite alone refuses, with these words."""
        return "refused" not in self.theirs and words in self.ours.get("refused", "")

    def everywhere(self, true: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> bool:
        """Check OTB's pixels that differ, and the float64 behind ours."""
        shapes = [np.shape(a.get("pixels")) for a in (self.theirs, self.ours)]
        if shapes[0] != shapes[1] or not shapes[0]:
            return False
        numbers = answer(self.case | {"pixel": "double"})["pixels"]
        wrong = apart(self.case, self.theirs["pixels"], self.ours["pixels"])
        return bool(true(self.theirs["pixels"][wrong], numbers[wrong]).all())

    def has(self, special: str) -> bool:
        return any(
            image["special"] == special and image["type"].startswith("float")
            for image in self.images
        )


def is_complex(c: Case) -> bool:
    if c.application != "BandMathX" or "refused" in c.ours:
        return False
    if "refused" in c.theirs:
        return bool(COMPLEX.search(c.theirs["refused"]))
    if len(c.theirs["pixels"]) < len(c.ours["pixels"]):
        return bool(re.search(r"log|sqrt|pow|\^|/", c.expression))
    return c.everywhere(lambda theirs, numbers: np.isnan(numbers))


def is_tie(c: Case) -> bool:
    """Check that a centre lies between two pixels of the moving image."""
    if c.application not in WARPS or c.case["parameters"].get("interpolator") != "nn":
        return False
    fixed, moving = map(cases.transform, c.images)
    rows, cols = np.indices(c.images[0]["size"]) + 0.5
    places = np.array(~moving @ (fixed @ (cols, rows)))
    return bool((np.abs(places - np.round(places)) < 1e-6).any())


def is_miscounted(c: Case) -> bool:
    keys = ("mse", "mae", "psnr") if "mse" in c.ours and "mse" in c.theirs else ()
    same = [np.allclose(c.theirs[key], c.ours[key], 1e-5) for key in keys]
    return (
        bool(same) and all(same) and any((cases.pixels(i) < 0).any() for i in c.images)
    )


class Quirk(NamedTuple):
    """What OTB does, a seed that shows it, and how such a case is known."""

    reason: str
    example: tuple[str, int]
    explains: Callable[[Case], bool]


QUIRKS = [
    Quirk(
        "a rotated image: OTB drops the rotation, so that no pixel is in its place",
        ("ReadImageInfo", 22),
        lambda c: c.refused("a rotated image is not supported"),
    ),
    Quirk(
        "a region outside of the image: OTB warns and cuts out another region",
        ("ExtractROI", 11),
        lambda c: c.application == "ExtractROI" and c.refused("not inside the image"),
    ),
    Quirk(
        "NaN as int32: OTB converts as the processor does, to the least int32",
        ("ConcatenateImages", 61),
        lambda c: c.pixel == "int32" and c.everywhere(lambda _, real: np.isnan(real)),
    ),
    Quirk(
        "32 bits: OTB clamps to the largest number as float32, which is one more",
        ("ConcatenateImages", 90),
        lambda c: (
            c.pixel in ("int32", "uint32")
            and c.everywhere(lambda _, real: ~(np.abs(real) < 2**31 - 1))
        ),
    ),
    Quirk(
        "infinity as float64: OTB clamps it to the largest float32",
        ("ConcatenateImages", 315),
        lambda c: c.pixel == "double" and c.everywhere(lambda _, real: np.isinf(real)),
    ),
    Quirk(
        "infinity in a warp: the order of the sums decides whether it becomes NaN",
        ("Superimpose", 520),
        lambda c: (
            c.application in WARPS
            and c.has("inf")
            and c.everywhere(lambda _, real: ~np.isfinite(real))
        ),
    ),
    Quirk(
        "a centre between two pixels: noise decides which one is the nearest",
        ("Superimpose", 8620),
        is_tie,
    ),
    Quirk(
        "no variation in LMVM: noise below 0 has no root, where otblite has the mean",
        ("BundleToPerfectSensor", 26),
        lambda c: (
            c.case["parameters"].get("method") == "lmvm"
            and c.everywhere(lambda theirs, _: np.isnan(theirs))
        ),
    ),
    Quirk(
        "different signs: an overflow in ITK lets OTB take such pixels for equal",
        ("CompareImages", 6),
        is_miscounted,
    ),
    Quirk(
        "complex numbers: OTB refuses the image or drops a band where there is one",
        ("BandMathX", 7),
        is_complex,
    ),
    Quirk(
        "infinity in BandMathX: OTB takes it for the least integer of 64 bits",
        ("BandMathX", 118),
        lambda c: (
            c.application == "BandMathX"
            and c.everywhere(lambda _, real: np.abs(real) == LARGEST)
        ),
    ),
    Quirk(
        "and after or: OTB jumps to a wrong place where the first part is true",
        ("BandMathX", 116),
        lambda c: (
            c.application == "BandMathX"
            and bool(re.search("or [^)]* and ", c.expression))
        ),
    ),
    Quirk(
        "syntax: OTB's BandMathX knows assignments and hexadecimal numbers",
        ("BandMathX", 87),
        lambda c: (
            c.application == "BandMathX" and bool(re.search(" = |0x", c.expression))
        ),
    ),
    Quirk(
        "the median of NaN: OTB sorts, and NaN has no place in an order",
        ("BandMathX", 1256),
        lambda c: c.has("nan") and "median" in c.expression,
    ),
]


def quirk_of(case: dict, theirs: dict, ours: dict) -> str:
    """Return the reason that explains a difference; nothing if there is none."""
    found = (row.reason for row in QUIRKS if row.explains(Case(case, theirs, ours)))
    return next(found, "")
