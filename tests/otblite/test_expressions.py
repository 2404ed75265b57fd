"""BandMath's expressions against Python and numpy, and against what OTB refuses."""

import math
import random
import re

import numpy as np
import pytest
from otblite import expressions, files

import pyotb

A = np.array([[0.0, 0.3, 1.0, 2.0, -2.0, 7.5, -0.75, 3.0]])
B = np.array([[2.0, 0.0, 0.5, -1.0, 3.0, 0.0, 0.25, 2.0]])
LARGEST = np.finfo(np.float32).max


def compute(text: str, strict: bool = False) -> np.ndarray:
    """Evaluate with im1b1 = A and im1b2 = B; a name in it may be `a` or `b`."""
    text = re.sub(r"\b([ab])\b", lambda m: f"im1b{'ab'.index(m[1]) + 1}", text)
    bands = {"im1b1": A, "im1b2": B}
    (formula,) = expressions.translate(text, strict)
    found = expressions.evaluate(formula, {n: bands[n] for n in formula.operands})
    return np.broadcast_to(found, A.shape)


# What BandMath and BandMathX have in common, and what numpy makes of it.
BOTH = {
    "a - b - 3": A - B - 3,
    "8 / 4 / 2": np.full(A.shape, 1.0),
    "7 / 2 * a": 3.5 * A,
    "a - -b": A + B,
    "a * -b": -A * B,
    "-a ^ 2": -(A**2),
    "2 ^ 3 ^ 2": np.full(A.shape, 512.0),
    "2 ^ -a": 2.0**-A,
    "2 ^ -a ^ 2": 2.0 ** -(A**2),
    "a ^ 3": A**3,
    "a + b * 2": A + B * 2,
    "(a + b) * 2": (A + B) * 2,
    "1e3 * a + .5 - 5. + 1.5E-2": 1000 * A - 4.485,
    "a > 0 ? 1 : a < -1 ? 2 : 3": np.where(A > 0, 1, np.where(A < -1, 2, 3)),
    "a > 0 ? b > 0 ? 1 : 2 : 3": np.where(A > 0, np.where(B > 0, 1, 2), 3),
    "a > 0 ? 1 : 0 + 5": np.where(A > 0, 1, 5),
    "a + b > 2 ? 1 : 0": np.where(A + B > 2, 1, 0),
    "a > 0 && b > 0 ? 1 : 0": (A > 0) & (B > 0),
    "a < 0 || b > 0 && b > 1 ? 1 : 0": (A < 0) | ((B > 0) & (B > 1)),
    "(a < 0 || b > 0) && b > 1 ? 1 : 0": ((A < 0) | (B > 0)) & (B > 1),
    "(a > 0) == (b > 0) ? 1 : 0": (A > 0) == (B > 0),
    "a == 1 ? 1 : 0": A == 1,
    "a != b ? 1 : 0": A != B,
    "a >= 1 ? 1 : 0": A >= 1,
    "a <= 1 ? 1 : 0": A <= 1,
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
    "3": np.full(A.shape, 3.0),
    "ndvi(a, b)": np.where(A + B == 0, 0, (B - A) / np.where(A + B == 0, 1, A + B)),
    "ln(exp(a)) + log2(2 ^ b)": A + B,
    "sum(a, b, 1)": A + B + 1,
    "pi + e * a": np.pi + np.e * A,
    "(a > 0 and b > 0) ? 1 : 0": (A > 0) & (B > 0),
    "(a > 0 or b > 0) ? 1 : 0": (A > 0) | (B > 0),
    "  ( ( a ) )  ": A,
}
# C's logic, which muParserX refuses.
LENIENT = {
    "a && b": (A != 0) & (B != 0),
    "a || b": (A != 0) | (B != 0),
    "a ? 5 : 6": np.where(A != 0, 5, 6),
    "(a > 0) + 1": 1.0 + (A > 0),
    "a > 0": A > 0,
    "1 < a < 3": (1 < A) * 1 < 3,
    "a < 3 == 1": (A < 3) == 1,
    "abs(a > 0)": A > 0,
    "a > 0 ? b > 0 : 0": (A > 0) & (B > 0),
    "-(a > 0)": -1.0 * (A > 0),
    "+a": A,
    "a and b": (A != 0) & (B != 0),
    "a or b": (A != 0) | (B != 0),
    # The two bind alike, and looser than `&&`.
    "a or 1 and 0": np.zeros(A.shape),
    "1 or 0 && 0": np.ones(A.shape),
}
ONLY_BANDMATH = {
    "asin(b / 9)": np.arcsin(B / 9),
    "atan(a)": np.arctan(A),
    "atan2(a, b)": np.arctan2(A, B),
    "rint(a) + sign(b)": np.floor(A + 0.5) + np.sign(B),
    "avg(a, b, 4)": (A + B + 4) / 3,
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("text", BOTH)
def test_both(text, strict):
    np.testing.assert_allclose(compute(text, strict), BOTH[text], rtol=1e-14)


@pytest.mark.parametrize("text", [*LENIENT, *ONLY_BANDMATH])
def test_only_bandmath(text):
    expected = (LENIENT | ONLY_BANDMATH)[text]
    np.testing.assert_allclose(compute(text), expected, rtol=1e-14)
    with pytest.raises(ValueError, match="BandMathX|not supported"):
        compute(text, strict=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a > 0 && b ? 1 : 0", "needs a comparison as condition, not a number"),
        ("0 ? 1 : 2", "needs a comparison as condition"),
        ("(a > 0) + 1", r"write \(comparison \? 1 : 0\)"),
    ],
)
def test_strict_errors_say_what_to_do(text, words):
    with pytest.raises(ValueError, match=words):
        compute(text, strict=True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a % 2", "% 2"),
        ("a & b", "& im1b2"),
        ("a | b", r"\| im1b2"),
        ("a = 3", "= 3"),
        ("!a", "!im1b1"),
        ("not a", "not"),
        ("floor(a)", "floor"),
        ("pow(a, 2)", "pow"),
        ("im1", "im1"),
        ("im0b1", "im0b1"),
        ("im1b0", "im1b0"),
        ("im1b1N3x3", "im1b1N3x3"),
        ("0x10", "x10"),
        ("a b", "im1b2"),
        ("a +", "end"),
        ("", "end"),
        ("(a", "end"),
        ("a)", r"\)"),
        ("a ? 1", "end"),
        ("min()", r"\)"),
        ("sin a", "im1b1"),
        ("{1, 2}", "{"),
        ("a; b", "; im1b2"),
        ("__import__", "__import__"),
        ("a.real", ".real"),
    ],
)
def test_what_is_refused_is_named(text, named):
    with pytest.raises(ValueError, match=rf"^expression '.*': '{named}' is not supp"):
        compute(text)


AB = np.stack([A, B])
# What BandMathX makes of `im1`, whose bands are a and b: [components, h, w].
VECTORS = {
    "im1": AB,
    "{a, 2}": [A, np.full(A.shape, 2)],
    "bands(im1, {2, 1, 2})": [B, A, B],
    "im1 + im1 - {1, 2}": [2 * A - 1, 2 * B - 2],
    "im1 * 3; 3 * im1": np.concatenate([3 * AB, 3 * AB]),
    "im1 mult im1 mlt 2": 2 * AB**2,
    "im1 dv 2 pw 2": (AB / 2) ** 2,
    "im1 div {2, 4}; im1 pow {2, 2}": [A / 2, B / 4, A**2, B**2],
    "cat(im1, {7}, b)": [A, B, np.full(A.shape, 7), B],
    "vabs(im1)": abs(AB),
    "mean(im1); var(im1)": [AB.mean(0), AB.var(0)],
    "vmin(im1); vmax(im1)": [AB.min(0), AB.max(0)],
    "vnorm(im1); dotpr(im1, {1, 2})": [np.hypot(A, B), A + 2 * B],
    "a - vect2scal(mean(im1))": [A - AB.mean(0)],
    "(a > 0 ? im1 : {1, 2})": [np.where(A > 0, A, 1), np.where(A > 0, B, 2)],
}


@pytest.mark.parametrize("text", VECTORS)
def test_vectors(text):
    named = re.sub(r"\b([ab])\b", lambda m: f"im1b{'ab'.index(m[1]) + 1}", text)
    bands = {"im1b1": A, "im1b2": B}
    found = [
        np.broadcast_to(
            expressions.evaluate(formula, {n: bands[n] for n in formula.operands}),
            A.shape,
        )
        for part in named.split(";")
        for formula in expressions.translate(part, True, (2,))
    ]
    np.testing.assert_allclose(found, VECTORS[text], rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("im1 + 1", "two vectors of one length are expected, got one of 2 and a num"),
        ("im1 + {1, 2, 3}", "got one of 2 and one of 3"),
        ("im1 * im1", r"\+, -, mult, div and pow"),
        ("im1 / 2", "'/' does not take vectors; .* mlt, dv, pw"),
        ("2 mlt im1", "'mlt' needs a vector on its left"),
        ("-im1", "a number is expected, not a vector"),
        ("bands(im1, {3})", "bands.. takes numbers from 1 to 2, not 3"),
        ("bands(im1, {a})", "from 1 to 2, not im1b1"),
        ("bands(im1, 1)", "takes a list of numbers"),
        ("im1b1N3x3", "only a measure can be used: mean, var, median"),
        ("median(im1)", "median takes neighbourhoods only"),
        ("abs(1, 2)", r"abs takes 1 value\(s\), got 2"),
        ("im2", "'im2' is not among the inputs"),
        ("im1b1N2x3", "'im1b1N2x3' is not supported"),
    ],
)
def test_what_vectors_cannot_do_is_told(text, words):
    text = text.replace("{a}", "{im1b1}")
    with pytest.raises(ValueError, match=words):
        expressions.translate(text, True, (2,))


@pytest.mark.parametrize("ram", [1, 256])
def test_neighbourhoods_do_not_depend_on_windows(ram, write_raster, tmp_path):
    """Against the plain definition, with the border replicated."""
    pixels = np.random.default_rng(3).normal(5000, 30, (300, 500)).astype(np.float32)
    name = write_raster("in.tif", pixels)
    text = "mean(im1b1N5x3); var(im1b1N3x3); median(im1b1N3x3); vmax(im1b1N1x3)"
    text += "; im1b1Mean; im1b1Var; im1b1Maxi; im1b1Sum; idxX; idxY; im1PhyX"
    app = pyotb.BandMathX(il=[name], exp=text, ram=ram)
    app.write(str(tmp_path / "out.tif"))
    found = files.open_image(str(tmp_path / "out.tif")).read_all()

    def boxes(height, width):
        padded = np.pad(
            pixels.astype(float), ((height // 2,) * 2, (width // 2,) * 2), "edge"
        )
        return np.lib.stride_tricks.sliding_window_view(padded, (height, width))

    rows, cols = np.mgrid[:300, :500]
    whole = pixels.astype(float)
    expected = [
        boxes(3, 5).mean((2, 3)),
        boxes(3, 3).var((2, 3)),
        np.median(boxes(3, 3), (2, 3)),
        boxes(3, 1).max((2, 3)),
        *(whole.mean(), whole.var(ddof=1), whole.max(), whole.sum()),
        *(cols, rows, 6.0),
    ]
    for band, plain in enumerate(expected):
        np.testing.assert_allclose(found[:, :, band], plain * np.ones_like(whole), 1e-6)


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
        # What float32 cannot hold: the nearest it can is 0.1000000015, 2^24, infinity.
        ("(im1b1 > 0.1 ? 1 : 0)", np.float32, 0.1, 1),
        ("(im1b1 == 16777217 ? 1 : 0)", np.float32, 16777216, 0),
        ("(im1b1 == 16777216 ? 1 : 0)", np.int32, 16777217, 0),
        ("(im1b1 == 16777216 ? 1 : 0)", np.float64, 16777217, 0),
        ("(im1b1 < 1e300 ? 1 : 0)", np.float32, 3e38, 1),
        # What is computed.
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
    found = expressions.evaluate(expressions.translate(text, True)[0], {"im1b1": band})
    assert found.dtype == np.float64 or found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


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
    expected = eval(text.replace("^", "**"), {"a": A, "b": B})
    for strict in (False, True):
        np.testing.assert_allclose(compute(text, strict), expected, rtol=1e-9)


@pytest.fixture
def names(write_raster) -> list[str]:
    """Two images of A and B, and one of B elsewhere."""
    both = np.stack([A, B], axis=-1).astype(np.float32)
    return [
        write_raster("both.tif", both),
        write_raster("b.tif", B.astype(np.int16)),
        write_raster("away.tif", B, corner=(452007.0, 5412003.0)),
        write_raster("near.tif", B, corner=(452001.000002, 5412003.0)),
        write_raster("smaller.tif", B[:, :4]),
    ]


def test_several_images_and_bands(names):
    app = pyotb.BandMathX(il=names[:2], exp="im1b1 + im2b1; im1b2; 2 * im1b2")
    expected = np.stack([A + B.astype(int), B, 2 * B], axis=-1)
    np.testing.assert_allclose(app.to_numpy(), expected, rtol=1e-6)
    assert app.to_numpy().dtype == np.float32


@pytest.mark.parametrize(
    "text", ["1 / 0", "im1b1 / 0", "log(0)", "-1 / 0", "exp(1000)"]
)
def test_what_is_too_large_is_clamped(text, names):
    """As OTB does: no infinity, and no warning (which pytest would make an error)."""
    found = pyotb.BandMath(il=names[:1], exp=text).to_numpy()
    finite = found[A[..., None] != 0] if "im" in text else found
    np.testing.assert_array_equal(abs(finite), LARGEST)


def test_what_is_not_a_number_stays_so(names):
    found = pyotb.BandMath(il=names[:1], exp="sqrt(im1b1)").to_numpy()[..., 0]
    np.testing.assert_array_equal(np.isnan(found), A < 0)


@pytest.mark.parametrize("text", ["3", "2 * 3 - 3", "1 > 0 ? 3 : 0"])
def test_without_any_band(text, names):
    app = pyotb.BandMath(il=names[:1], exp=text)
    np.testing.assert_array_equal(app.to_numpy(), np.full((1, 8, 1), 3))


def test_computed_in_double_precision(write_raster):
    """16 777 216 + 1 - 16 777 216 is 1, but 0 in float32."""
    name = write_raster("in.tif", np.array([[16777216.0]]))
    app = pyotb.BandMath(il=[name], exp="im1b1 + 1 - 16777216")
    assert app.to_numpy().item() == 1


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


@pytest.mark.parametrize("text", ["", ";", "im1b1;", "im1b1; ", ";im1b1", "1;;im1b1"])
def test_semicolons_stand_between_expressions(text, names):
    with pytest.raises(RuntimeError, match="BandMathX: .*one side of a ';' is empty"):
        pyotb.BandMathX(il=names[:1], exp=text)


def test_a_millionth_of_a_pixel_is_forgiven(names):
    app = pyotb.BandMath(il=[names[0], names[3]], exp="im2b1")
    np.testing.assert_array_equal(app.to_numpy()[..., 0], B)


def test_label_of_no_data_is_kept_where_bands_are(write_raster):
    name = write_raster("in.tif", np.ones((2, 2, 2)), nodata=4)
    same = pyotb.BandMathX(il=[name], exp="im1b1; im1b2").app._image("out")
    fewer = pyotb.BandMath(il=[name], exp="im1b1").app._image("out")
    assert same.nodata == 4 and fewer.nodata is None


def test_numbers_are_not_computed_by_python():
    """Literals would be: 10 ^ 400 is an OverflowError, (-8) ^ 0.3 a complex number."""
    assert np.isinf(compute("10 ^ 400")).all()
    assert np.isnan(compute("(-8) ^ 0.3")).all()
    assert math.isclose(compute("(0 - 8) ^ 2")[0, 0], 64)
