"""BandMath's expressions against Python and NumPy, and their refusals."""

import random
import re

import numpy as np
import pytest
from otblite import expressions

import pyotb

A = np.array([[0.0, 0.3, 1.0, 2.0, -2.0, 7.5, -0.75, 3.0]])
B = np.array([[2.0, 0.0, 0.5, -1.0, 3.0, 0.0, 0.25, 2.0]])
LARGEST = np.finfo(np.float32).max


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


# Expressions of both BandMath and BandMathX, and their values in NumPy.
BOTH = {
    "2 ^ -a": 2.0**-A,
    "2 ^ -a ^ 2": 2.0 ** -(A**2),
    "1e3 * a + .5 - 5. + 1.5E-2": 1000 * A - 4.485,
    "a > 0 ? 1 : a < -1 ? 2 : 3": np.where(A > 0, 1, np.where(A < -1, 2, 3)),
    "a > 0 ? 1 : 0 + 5": np.where(A > 0, 1, 5),
    "a + b > 2 ? 1 : 0": np.where(A + B > 2, 1, 0),
    "a > 0 && b > 0 ? 1 : 0": (A > 0) & (B > 0),
    "a < 0 || b > 0 && b > 1 ? 1 : 0": (A < 0) | ((B > 0) & (B > 1)),
    "(a < 0 || b > 0) && b > 1 ? 1 : 0": ((A < 0) | (B > 0)) & (B > 1),
    "a == 1 ? 1 : 0": A == 1,
    "a != b ? 1 : 0": A != B,
    "abs(a) + exp(b)": abs(A) + np.exp(B),
    "sqrt(abs(a))": np.sqrt(abs(A)),
    "log(exp(a)) + log10(100)": A + 2,
    "sin(a) + cos(a) + tan(a)": np.sin(A) + np.cos(A) + np.tan(A),
    "sinh(a) + cosh(a) + tanh(a)": np.sinh(A) + np.cosh(A) + np.tanh(A),
    "min(a, b, 1) - max(2, a, b)": np.minimum(np.minimum(A, B), 1)
    - np.maximum(np.maximum(2, A), B),
    "min(a)": A,
    "max(a, b, 1, 2, -3, a * b, a - b, 0, b / 2)": np.max(
        [A, B, A * B, A - B, np.full(A.shape, 2)], axis=0
    ),
}
# C's logic, which muParserX refuses.
LENIENT = {
    "a < 3 == 1": (A < 3) == 1,
    "abs(a > 0)": A > 0,
    "a > 0 ? b > 0 : 0": (A > 0) & (B > 0),
    "-(a > 0)": -1.0 * (A > 0),
    "+a": A,
    # `or` and `and` bind alike, and looser than `&&`.
    "a or 1 and 0": np.zeros(A.shape),
    "1 or 0 && 0": np.ones(A.shape),
}
ONLY_BANDMATH = LENIENT | {
    "asin(b / 9)": np.arcsin(B / 9),
    "atan(a)": np.arctan(A),
    "rint(a) + sign(b)": np.floor(A + 0.5) + np.sign(B),
}
CASES = [
    *((text, (False, True), [values]) for text, values in BOTH.items()),
    *((text, (False,), [values]) for text, values in ONLY_BANDMATH.items()),
]


@pytest.mark.parametrize(
    ("text", "parsers", "expected"), CASES, ids=lambda v: str(v)[:30]
)
def test_values(text, parsers, expected):
    """Each application knows the words of its own parser only."""
    for strict in (False, True):
        if strict in parsers:
            result = compute(text, strict)
            np.testing.assert_allclose(result, expected, rtol=1e-14)
        else:
            with pytest.raises(ValueError, match="BandMathX|not supported"):
                compute(text, strict)


# Refused expressions by the words that name them; OTB's BandMath refuses them, too.
NAMED = {
    "end": ["a +", "", "(a", "a ? 1"],
    r"\)": ["a)", "min()"],
    "% 2": ["a % 2"],
    "& im1b2": ["a & b"],
    r"\| im1b2": ["a | b"],
    "= 3": ["a = 3"],
    "!im1b1": ["!a"],
    "im1b1": ["sin a"],
    "im1b2": ["a b"],
    "x10": ["0x10"],
    "{": ["{1, 2}"],
    ".real": ["a.real"],
    "not": ["not a"],
    **{name: [f"{name}(a, 2)"] for name in ("floor", "pow")},
    **{n: [n] for n in ("im1", "im0b1", "im1b0", "im1b1N3x3", "__import__")},
}
# Messages of BandMathX; OTB refuses these expressions, too.
STRICT = {
    "im1b1 > 0 && im1b2 ? 1 : 0": "needs a comparison as condition, not a number",
    "0 ? 1 : 2": "needs a comparison as condition",
    "(im1b1 > 0) + 1": r"write \(comparison \? 1 : 0\)",
    "im1 + 1": "two vectors of one length are expected, got one of 2 and a num",
    "im1 + {1, 2, 3}": "got one of 2 and one of 3",
    "im1 * im1": r"\+, -, mult, div and pow",
    "im1 / 2": "'/' does not take vectors; .* mlt, dv, pw",
    "2 mlt im1": "'mlt' needs a vector on its left",
    "-im1": "a number is expected, not a vector",
    "bands(im1, {3})": "bands.. takes numbers from 1 to 2, not 3",
    "bands(im1, {im1b1})": "from 1 to 2, not im1b1",
    "bands(im1, 1)": "takes a list of numbers",
    "im1b1N3x3": "only a measure can be used: mean, var, median",
    "abs(1, 2)": r"abs takes 1 value\(s\), got 2",
    "im2": "'im2' is not among the inputs",
    "im1b1N2x3": "'im1b1N2x3' is not supported",
}
MESSAGES = [
    *((t, False, f"'{name}' is not supp") for name in NAMED for t in NAMED[name]),
    *((text, True, words) for text, words in STRICT.items()),
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


def spell(generator: random.Random, depth: int) -> str:
    """Make up an expression that Python and muParser read alike."""
    if depth == 0:
        return generator.choice(["a", "b", "2", "0.5", "3.25"])
    left, right = spell(generator, depth - 1), spell(generator, depth - 1)
    return generator.choice(
        [
            f"{left} + {right}",
            f"{left} - {right}",
            f"{left} * {right}",
            f"({left}) - ({right})",
            f"-{left}",
            f"({left}) * {right}",
            f"{left} / (2 + ({right}) ^ 2)",
            f"-({left}) ^ 2 * {right}",
        ]
    )


@pytest.mark.parametrize("seed", range(60))
def test_precedence_is_that_of_python(seed):
    text = spell(random.Random(seed), 4)
    expected = np.broadcast_to(eval(text.replace("^", "**"), {"a": A, "b": B}), A.shape)
    for strict in (False, True):
        np.testing.assert_allclose(compute(text, strict), [expected], rtol=1e-9)


@pytest.fixture
def names(write_raster) -> list[str]:
    """Return an image of A and B, and images of B with several grids."""
    both = np.stack([A, B], axis=-1).astype(np.float32)
    return [
        write_raster("both.tif", both),
        write_raster("b.tif", B.astype(np.int16)),
        write_raster("away.tif", B, corner=(452007.0, 5412003.0)),
        write_raster("near.tif", B, corner=(452001.000002, 5412003.0)),
        write_raster("smaller.tif", B[:, :4]),
    ]


@pytest.mark.parametrize(
    ("images", "text", "expected"),
    [
        ([0, 1], "im1b1 + im2b1; im1b2; 2 * im1b2", [A + B.astype(int), B, 2 * B]),
        # Numbers too large are clamped, as OTB does: no infinity, and no warning,
        # which pytest would make an error.
        ([0], "1 / 0", [np.full(A.shape, LARGEST)]),
        ([0], "-1 / 0", [np.full(A.shape, -LARGEST)]),
        ([0], "exp(1000)", [np.full(A.shape, LARGEST)]),
        ([0], "(im1b1 == 0 ? 0 : im1b1 / 0)", [np.sign(A) * LARGEST]),
        ([0], "sqrt(im1b1)", [np.where(A < 0, np.nan, np.sqrt(abs(A)))]),
        ([0], "3", [np.full(A.shape, 3)]),
        ([0], "2 * 3 - 3", [np.full(A.shape, 3)]),
        # In float32 it would be 0.
        ([1], "0 * im1b1 + 16777216 + 1 - 16777216", [np.full(A.shape, 1)]),
        # A millionth of a pixel is forgiven.
        ([0, 3], "im2b1", [B]),
    ],
)
def test_images(images, text, expected, names):
    result = pyotb.BandMathX(il=[names[index] for index in images], exp=text).to_numpy()
    assert result.dtype == np.float32
    np.testing.assert_allclose(np.moveaxis(result, -1, 0), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("images", "text", "words"),
    [
        ([0], "im1b3", "'im1b3' is not among the inputs"),
        ([0], "im2b1", "'im2b1' is not among the inputs"),
        ([0, 2], "im1b1", "images on one grid are expected.*superimpose"),
        ([0, 4], "im1b1", "images of one size are expected, got 8 x 1 and 4 x 1"),
        ([0], "im1b1; im1b2", "one expression is expected; BandMathX takes several"),
        ([0], "", "one side of a ';' is empty"),
    ],
)
def test_inputs_that_do_not_fit(images, text, words, names):
    with pytest.raises(RuntimeError, match=f"BandMath: .*{words}"):
        pyotb.BandMath(il=[names[index] for index in images], exp=text)


SEMICOLONS = ("", ";", "im1b1;", "im1b1; ", ";im1b1", "1;;im1b1")


@pytest.mark.parametrize("text", SEMICOLONS)
def test_semicolons_stand_between_expressions(text, names):
    with pytest.raises(RuntimeError, match="BandMathX: .*one side of a ';' is empty"):
        pyotb.BandMathX(il=names[:1], exp=text)


def test_numbers_are_not_computed_by_python():
    """Literals would be: 10 ^ 400 is an OverflowError, (-8) ^ 0.3 a complex number."""
    assert np.isinf(compute("10 ^ 400")).all()
    assert np.isnan(compute("(-8) ^ 0.3")).all()
