"""Where otblite does not follow OTB 8.1.1, and why: a table, row by row."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tests.real_otb import cases
from tests.real_otb.differential import WARPS, answer, apart

# BandMathX keeps whole numbers in 64 bits; a larger one becomes their least.
WHOLE = 2.0**63
COMPLEX = re.compile("Complex numbers|of type 'c' whereas|SingleMethodExecute")
NEAR = 1e-6  # pixels
KERNEL = 2  # pixels on each side of a place that a kernel or a neighbourhood reads
BOX = 4  # the same of the boxes of pansharpening
LARGEST = np.finfo(np.float32).max


@dataclass
class Case:
    """A case with two answers that differ."""

    case: dict
    theirs: dict
    ours: dict

    def __post_init__(self):
        self.application, self.pixel = self.case["application"], self.case["pixel"]
        self.parameters = self.case["parameters"]
        self.expression = cases.spell(self.parameters.get("exp", [""]))
        listed = (
            i if isinstance(i, list) else [i] for i in self.case["images"].values()
        )
        self.images = [image for image in sum(listed, []) if "seed" in image]

    @cached_property
    def wrong(self) -> np.ndarray | None:
        """Pixels that differ, [bands, h, w]; None for answers of other shapes."""
        shapes = [np.shape(a.get("pixels")) for a in (self.theirs, self.ours)]
        if shapes[0] != shapes[1] or not shapes[0]:
            return None
        return apart(self.case, self.theirs["pixels"], self.ours["pixels"])

    def refused(self, words: str) -> bool:
        """Check that otblite alone refuses, with these words."""
        return "refused" not in self.theirs and words in self.ours.get("refused", "")

    def everywhere(self, true: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> bool:
        """Check OTB's pixels that differ, and the float32 behind ours."""
        if self.wrong is None:
            return False
        numbers = answer(self.case | {"pixel": "float"})["pixels"].astype(float)
        return bool(true(self.theirs["pixels"], numbers)[self.wrong].all())

    def only(self, places: np.ndarray) -> bool:
        """Check that no other pixels than those [h, w] differ."""
        return self.wrong is not None and bool(places[self.wrong.any(0)].all())

    def has(self, special: str) -> bool:
        return any(
            image["special"] == special and image["type"].startswith("float")
            for image in self.images
        )

    def rewritten(self, *patterns: str) -> dict:
        """Return the case with other words, after each pattern, in its expression."""

        def rewrite(tree: list) -> list:
            text = tree[0]
            for pattern, words in zip(patterns[::2], patterns[1::2], strict=True):
                text = re.sub(pattern, words, text)
            return [text, *map(rewrite, tree[1:])]

        parameters = self.parameters | {"exp": rewrite(self.parameters["exp"])}
        return self.case | {"parameters": parameters}


def place(image: dict):
    """Return the transform that both engines use: without a rotation."""
    return cases.transform(image | {"turn": 0})


def on_edges(positions) -> np.ndarray:
    return np.abs(positions - np.round(positions)) < NEAR


def positions(c: Case) -> np.ndarray:
    """Return where the centres lie in the moving image, (row, column) [2, h, w]."""
    fixed, moving = map(place, c.images)
    rows, cols = np.indices(c.images[0]["size"]) + 0.5
    return np.array(~moving @ (fixed @ (cols, rows)))[::-1]


def is_tie(c: Case) -> bool:
    """Check that the centres that differ lie between two pixels of the moving image.

    Unless the nearest one is taken that matters where the image ends.
    """
    if c.application not in WARPS:
        return False
    places, size = positions(c), np.array(c.images[1]["size"])[:, None, None]
    between = on_edges(places)
    if c.parameters.get("interpolator") != "nn":
        between &= (np.abs(places) < NEAR) | (np.abs(places - size) < NEAR)
    return c.only(between.any(0))


def around(true: np.ndarray, reach: int) -> np.ndarray:
    """Return the pixels [h, w] whose box, at most that large, meets true ones."""
    return ndimage.maximum_filter(true, 2 * reach + 1, mode="nearest")


def is_beside_infinity(c: Case) -> bool:
    """Check that kernel or boxes of the pixels that differ reach infinity."""
    if c.application not in WARPS or not c.has("inf"):
        return False
    fixed, moving = (np.isinf(cases.pixels(i).astype(float)).any(2) for i in c.images)
    rows, cols = (
        np.clip(np.floor(at), 0, size - 1).astype(int)
        for at, size in zip(positions(c), moving.shape, strict=True)
    )
    reached = around(moving, KERNEL)[rows, cols]
    if c.application == "BundleToPerfectSensor":
        reached = around(reached | fixed, BOX)
    return c.only(reached)


def is_tie_of_region(c: Case) -> bool:
    """Check that an end of the other image lies between two pixels."""
    if c.application != "ExtractROI" or "mode.fit.im" not in c.case["images"]:
        return False
    source, other = map(place, c.images)
    rows, cols = c.images[1]["size"]
    ends = np.array([(0.5, 0.5), (cols + 0.5, rows + 0.5)]).T
    return bool(on_edges(np.array(~source @ (other @ ends))).any())


def beside_edges(c: Case) -> dict:
    x, y = (step / 100 for step in c.images[0]["place"][:2])
    dx, dy, left, top = c.images[1]["place"]
    moved = c.images[1] | {"place": [dx, dy, left + x, top + y]}
    return c.case | {"images": c.case["images"] | {"mode.fit.im": moved}}


def is_miscounted(c: Case) -> bool:
    """Check that OTB counts all but the pixels of different signs that overflow.

    It subtracts their bits, as integers of 64 bits.
    """
    if c.application != "CompareImages" or "mse" not in c.theirs or "mse" not in c.ours:
        return False
    box = [
        [c.parameters.get(f"roi.{k}{axis}", 0) for k in ("start", "size")]
        for axis in "yx"
    ]
    if any(size == 0 for _, size in box):
        box = [[0, max(i["size"][axis] for i in c.images)] for axis in (0, 1)]
    part = tuple(slice(start, start + size) for start, size in box)
    bands = [c.parameters.get(f"{key}.channel", 1) - 1 for key in ("ref", "meas")]
    one, two = (
        cases.pixels(i)[part][:, :, band].astype(np.float32).astype(float)
        for i, band in zip(c.images, bands, strict=True)
    )
    both = tuple(map(slice, np.minimum(one.shape, two.shape)))
    one, two = one[both], two[both]
    bits = sum(np.abs(values).view(np.uint64) for values in (one, two))
    lost = (np.signbit(one) != np.signbit(two)) & (bits >= 2**63)
    return c.ours["count"] - c.theirs["count"] == lost.sum() > 0 and all(
        np.allclose(c.theirs[key], c.ours[key], 1e-5) for key in ("mse", "mae", "psnr")
    )


def wraps(c: Case) -> bool:
    """Check that OTB has the other end of a type of 32 bits."""
    if c.pixel not in ("int32", "uint32"):
        return False
    limits = np.iinfo(c.pixel)
    return c.everywhere(
        lambda theirs, real: (real >= limits.max) & (theirs == limits.min)
    )


def is_too_large(c: Case) -> bool:
    least = -WHOLE
    if c.pixel not in ("float", "double"):
        least = max(least, np.iinfo(c.pixel).min)
    return c.application == "BandMathX" and c.everywhere(
        lambda theirs, real: (np.abs(real) >= WHOLE) & (theirs == least)
    )


def lost(c: Case) -> list[int]:
    """Return our bands that OTB has not, since it meets complex numbers there.

    It refuses the image, or drops the band without a word.
    """
    if c.application != "BandMathX" or "refused" in c.ours:
        return []
    bands = range(len(c.ours["pixels"]))
    if "refused" in c.theirs:
        return list(bands) if COMPLEX.search(c.theirs["refused"]) else []
    for kept in combinations(bands, len(c.theirs["pixels"])):
        if not apart(c.case, c.theirs["pixels"], c.ours["pixels"][list(kept)]).any():
            return sorted({*bands} - {*kept})
    return []


def is_infinite(c: Case) -> bool:
    """Check that there is such a number in the bands, or in all pixels, that differ.

    At such a pixel OTB lacks one band, and has the next ones in its place.
    """
    if c.application != "BandMathX" or "refused" in c.ours:
        return False
    infinite = ~(np.abs(answer(c.case | {"pixel": "float"})["pixels"]) < LARGEST)
    shifts = ";" in c.expression and c.only(infinite.any(0))
    return shifts or bool(infinite[lost(c)].any())


def is_complex(c: Case) -> bool:
    functions = re.search(r"(log10|pow)\(", c.expression)
    return bool(functions) and (
        bool(lost(c)) or is_infinite(c) or c.everywhere(lambda _, real: np.isnan(real))
    )


def is_median_of_nan(c: Case) -> bool:
    if "median" not in c.expression or not c.has("nan"):
        return False
    nan = sum(np.isnan(cases.pixels(image).astype(float)).any(2) for image in c.images)
    return c.only(around(nan, KERNEL) > 0)


class Quirk(NamedTuple):
    """What OTB does, a seed that shows it, and how such a case is known.

    `without` makes the case without the cause: there the engines must agree.
    """

    reason: str
    example: tuple[str, int]
    explains: Callable[[Case], bool]
    without: Callable[[Case], dict] | None = None


QUIRKS = [
    Quirk(
        "32 bits: OTB clamps to the largest number as float32, which is one more",
        ("BandMathX", 20110),
        wraps,
    ),
    Quirk(
        "infinity in a warp: the order of the sums decides whether it becomes NaN",
        ("Superimpose", 520),
        is_beside_infinity,
    ),
    Quirk(
        "a centre between two pixels: noise decides which one is the nearest",
        ("Superimpose", 8620),
        is_tie,
    ),
    Quirk(
        "an end between two pixels: noise of the projection decides which one it is in",
        ("ExtractROI", 62),
        is_tie_of_region,
        beside_edges,
    ),
    Quirk(
        "no variation in LMVM: noise below 0 has no root, where otblite has the mean",
        ("BundleToPerfectSensor", 26),
        lambda c: (
            c.parameters.get("method") == "lmvm"
            and c.everywhere(lambda theirs, _: np.isnan(theirs))
        ),
    ),
    Quirk(
        "different signs: an overflow in ITK lets OTB take such pixels for equal",
        ("CompareImages", 6),
        is_miscounted,
    ),
    Quirk(
        "from 2^63 on: BandMathX takes a number for the least integer of 64 bits",
        ("BandMathX", 118),
        is_too_large,
    ),
    Quirk(
        "the median of NaN: OTB sorts, and NaN has no place in an order",
        ("BandMathX", 1256),
        is_median_of_nan,
        lambda c: c.rewritten("median", "mean"),
    ),
    Quirk(
        "and after or: OTB jumps to a wrong place where the first part is true",
        ("BandMathX", 116),
        lambda c: bool(re.search(r"\bor [^()?]* and ", c.expression)),
        lambda c: c.rewritten(r"\bor ([^()?]* and [^()?]*) \?", r"or (\1) ?"),
    ),
    Quirk(
        "logarithm and power below 0: OTB computes with complex numbers",
        ("BandMathX", 10089),
        is_complex,
        lambda c: c.rewritten("log10", "abs", "pow", "max"),
    ),
    Quirk(
        "infinity times a number: it is complex in BandMathX, which refuses the image",
        ("BandMathX", 10459),
        is_infinite,
    ),
    Quirk(
        "syntax: OTB knows assignments",
        ("BandMathX", 157),
        lambda c: c.refused("'= "),
    ),
    Quirk(
        "an image of one band in braces: OTB has 0 there",
        ("BandMathX", 20240),
        lambda c: (
            "{im1, " in c.expression and c.refused("number is expected, not a ve")
        ),
    ),
]


def quirk_of(
    case: dict, theirs: dict, ours: dict, compare: Callable[[dict], tuple[str, str]]
) -> str:
    """Return the reason that explains a difference; nothing if there is none.

    `compare` says how the engines differ on another case, and the reason of that.
    """
    known = Case(case, theirs, ours)
    for row in QUIRKS:
        if row.explains(known):
            what, reason = compare(row.without(known)) if row.without else ("", "")
            if not what or reason not in ("", row.reason):
                return row.reason
    return ""
