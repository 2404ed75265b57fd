"""BandMath's expressions against Python and NumPy, and their refusals."""

import re

import numpy as np
import pytest
from otblite import expressions

import pyotb

A = np.array([[0.0, 0.3, 1.0, 2.0, -2.0, 7.5, -0.75, 3.0]])
B = np.array([[2.0, 0.0, 0.5, -1.0, 3.0, 0.0, 0.25, 2.0]])


BANDS = {"im1b1": A, "im1b2": B}


def spelled(text: str) -> str:
    """Replace `a` and `b` by im1b1 and im1b2."""
    return re.sub(r"\b([ab])\b", lambda m: f"im1b{'ab'.index(m[1]) + 1}", text)


def compute(text: str, strict: bool = False) -> np.ndarray:
    """Evaluate, [components, h, w], with im1b1 = A and im1b2 = B."""
    result = [
        expressions.evaluate(formula, {n: BANDS[n] for n in formula.operands})
        for part in spelled(text).split(";")
        for formula in expressions.translate(part, strict, (2,))
    ]
    return np.stack([np.broadcast_to(part, A.shape) for part in result])


# Refused expressions, whether by BandMathX, and the words that say why.
MESSAGES = [
    *((text, False, "'end' is not supp") for text in ("a +", "", "(a", "a ? 1")),
    *(
        (n, False, f"'{n}' is not supp")
        for n in ("im1", "im0b1", "im1b0", "__import__")
    ),
    ("a = 3", False, "'= 3' is not supp"),
    (
        "im1b1 > 0 && im1b2 ? 1 : 0",
        True,
        "needs a comparison as condition, not a number",
    ),
    ("(im1b1 > 0) + 1", True, r"write \(comparison \? 1 : 0\)"),
    ("im1 + {1, 2, 3}", True, "two vectors of one .* got one of 2 and one of 3"),
    ("im1 * im1", True, r"\+, -, mult, div and pow"),
    ("im1 / 2", True, "'/' does not take vectors; .* mlt, dv, pw"),
    ("2 mlt im1", True, "'mlt' needs a vector on its left"),
    ("bands(im1, {3})", True, "bands.. takes numbers from 1 to 2, not 3"),
    ("bands(im1, 1)", True, "takes a list of numbers"),
    ("im1b1N3x3", True, "only a measure can be used: mean, var, median"),
    ("abs(1, 2)", True, r"abs takes 1 value\(s\), got 2"),
    ("im2", True, "'im2' is not among the inputs"),
    ("median(im1)", True, "median takes neighbourhoods only"),
]


@pytest.mark.parametrize(("text", "strict", "words"), MESSAGES)
def test_what_is_refused_is_named(text, strict, words):
    with pytest.raises(ValueError, match=rf"^expression '.*': .*{words}"):
        compute(text, strict)


def test_too_many_operands():
    """numexpr's limit becomes an error before anything is computed."""
    text = " + ".join(f"im1b{band + 1} * {band}" for band in range(20))
    with pytest.raises(ValueError, match="more than 31 different bands and numbers"):
        expressions.translate(text)


@pytest.mark.parametrize(
    ("text", "dtype", "value", "expected"),
    [
        ("(im1b1 < 1 ? 1 : im1b1)", np.float32, 0.3, 1),
        ("(im1b1 == 0 ? 0 : min(im1b1, 9, 12))", np.uint16, 65535, 9),
        ("-(im1b1 > 2 ? im1b1 : 2)", np.float32, 2.5, -2.5),
        # The nearest numbers that float32 can hold are 0.1000000015, 2^24, infinity.
        ("(im1b1 > 0.1 ? 1 : 0)", np.float32, 0.1, 1),
        ("(im1b1 == 16777217 ? 1 : 0)", np.float32, 16777216, 0),
        ("(im1b1 == 16777216 ? 1 : 0)", np.int32, 16777217, 0),
        ("(im1b1 == 16777216 ? 1 : 0)", np.float64, 16777217, 0),
        ("(im1b1 < 1e300 ? 1 : 0)", np.float32, 3e38, 1),
        # Results.
        ("(im1b1 + 1 - im1b1)", np.float32, 2**24, 1),
        ("(2 * im1b1)", np.float32, 3e38, 2 * float(np.float32(3e38))),
        ("(im1b1 ^ 2)", np.float32, 1e30, float(np.float32(1e30)) ** 2),
        ("abs(im1b1 / 3)", np.float32, 1, 1 / 3),
    ],
)
@pytest.mark.filterwarnings("error")
def test_as_precise_as_float64(text, dtype, value, expected):
    """Choosing among float32 needs no float64, but only where float32 is exact."""
    band = np.full((2, 3), value, dtype)
    result = expressions.evaluate(expressions.translate(text, True)[0], {"im1b1": band})
    assert result.dtype == np.float64 or result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


def test_choosing_is_done_in_float32():
    (formula,) = expressions.translate("(im1b1 < 1 ? 1 : im1b1)")
    band = np.ones((2, 3), np.float32)
    assert expressions.evaluate(formula, {"im1b1": band}).dtype == np.float32


@pytest.fixture
def names(write_raster) -> list[str]:
    """Return an image of A and B, and images of B with several grids."""
    both = np.stack([A, B], axis=-1).astype(np.float32)
    return [
        write_raster("both.tif", both),
        write_raster("away.tif", B, corner=(452007.0, 5412003.0)),
        write_raster("near.tif", B, corner=(452001.000002, 5412003.0)),
        write_raster("smaller.tif", B[:, :4]),
    ]


def test_a_millionth_of_a_pixel_is_forgiven(names):
    result = pyotb.BandMathX(il=[names[0], names[2]], exp="im2b1").to_numpy()
    np.testing.assert_array_equal(result[..., 0], B.astype(np.float32))


@pytest.mark.parametrize(
    ("images", "text", "words"),
    [
        ([0], "im1b3", "'im1b3' is not among the inputs"),
        ([0], "im2b1", "'im2b1' is not among the inputs"),
        ([0, 1], "im1b1", "images on one grid are expected.*superimpose"),
        ([0, 3], "im1b1", "images of one size are expected, got 8 x 1 and 4 x 1"),
        ([0], "im1b1; im1b2", "one expression is expected; BandMathX takes several"),
        ([0], "", "one side of a ';' is empty"),
    ],
)
def test_inputs_that_do_not_fit(images, text, words, names):
    with pytest.raises(RuntimeError, match=f"BandMath: .*{words}"):
        pyotb.BandMath(il=[names[index] for index in images], exp=text)


def test_numbers_are_not_computed_by_python():
    """Literals would be: 10 ^ 400 is an OverflowError, (-8) ^ 0.3 a complex number."""
    assert np.isinf(compute("10 ^ 400")).all()
    assert np.isnan(compute("(-8) ^ 0.3")).all()
