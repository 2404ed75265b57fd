"""Pixels that cannot be DN, and offsets that contradict the pixels."""

import re
from contextlib import nullcontext

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.images.plausibility import (
    OFFSET_OPTION,
    check_offset,
    check_plausible,
    sample,
)
from srtools.images.raster import describe

SIDE = 60
WHOLE = slice(None)


def ground(low=60, high=4500, seed=0):
    """Make four bands of DN, [side, side, 4]."""
    return np.random.default_rng(seed).uniform(low, high, (SIDE, SIDE, 4))


def with_part(value, share, bands=WHOLE, low=60, high=4500):
    """Replace a share of the rows of some bands."""
    pixels = ground(low, high)
    pixels[: round(share * SIDE), :, bands] = value
    return pixels


@pytest.fixture
def bands(write_raster):
    def read(pixels, dtype="uint16"):
        path = write_raster("s2.tif", pixels.astype(dtype), 10.0)
        return sample([describe(path, "the image")])

    return read


IMPOSSIBLE = {
    "fill of 65535": (with_part(65535, 0.1), "uint16", "DN of 65535 in 10.0% of"),
    "fill of 65000 in one band": (with_part(65000, 0.1, 2), "uint16", "band 3 .*65000"),
    "-9999": (with_part(-9999, 0.1), "int16", "DN of -9999, which look like no data"),
    "-10 as a constant": (with_part(-10, 0.1), "int16", "DN of -10, which look like"),
    "-32768": (with_part(-32768, 0.1, 3), "int16", "band 4 .*-srcnodata -32768"),
    "0 to 1": (ground(0.6, 1.2), "uint16", "above 1, as reflectances cut to whole"),
    "0 to 255": (ground(1, 255), "uint16", "no DN above 25., as 8-bit colours do"),
    "1 is 65535": (ground(2000, 64000), "uint16", "-scale 0 65535 0 10000"),
    "too bright": (ground(15000, 29000), "uint16", "half of them above 2"),
    "a thousand times": (1000 * ground(), "uint32", "if 65535 is a reflectance of 1"),
    "nothing": (ground(0, 0), "uint16", "holds nothing but 0, which is no data"),
    "one empty band": (with_part(0, 1, 1), "uint16", "band 2 .* nothing but 0"),
    "one constant band": (with_part(4095, 1, 3), "uint16", "band 4 .* nothing but DN"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_pixels_that_cannot_be_dn(bands, name):
    pixels, dtype, words = IMPOSSIBLE[name]
    with pytest.raises(SRError, match=words):
        check_plausible(bands(pixels, dtype), "the image")


def test_few_saturated_pixels_are_a_warning(bands, caplog):
    pixels = ground()
    pixels[:3, :6] = 65535
    check_plausible(bands(pixels), "the image")
    assert "brighter than any ground, in 0.500 %" in caplog.text


TRUE = {
    "ground": (ground(), "uint16"),
    "negative reflectance": (ground(-80, 3000), "int16"),
    "clouds": (with_part(ground(4000, 11800)[:20], 0.33), "uint16"),
    "deep water": (with_part(ground(1, 90)[:40], 0.66), "uint16"),
    "no data beside": (with_part(0, 0.5), "uint16"),
    "with its offset": (ground(1050, 5500), "uint16"),
    "12 bits": (ground(20, 4095), "uint16"),
}


@pytest.mark.parametrize("name", TRUE)
def test_true_pixels_pass_in_silence(bands, caplog, name):
    check_plausible(bands(*TRUE[name]), "the image")
    assert not caplog.text


def arid():
    """Make bright ground whose offset has been subtracted, a part of it below 1000."""
    random = np.random.default_rng(1)
    dark = random.random((SIDE, SIDE, 4)) < [0.45, 0.5, 0.6, 0.05]
    return np.where(dark, ground(400, 1000), ground(1000, 3500))


def coast():
    """Make land and sea with their offset; the sea lies on both sides of DN 1000."""
    sea = 1040 + 60 * np.random.default_rng(1).normal(size=(20, SIDE, 4))
    return with_part(sea, 0.33, low=1150)


OFFSETS = {
    "kept": (ground(1050, 5000), 0, "need --offset 1000"),
    "kept, a coast": (coast(), 0, "need --offset 1000"),
    "subtracted twice": (ground(200, 1500), 1000, "give --offset 0"),
    "subtracted twice, bright ground": (arid(), 1000, "of band 3 .* give --offset 0"),
    "subtracted twice, one band": (
        with_part(ground(90, 700)[:6, :, 3], 0.1, 3, 1100),
        1000,
        "band 4 .* give --offset 0",
    ),
    "kept, and subtracted": (ground(1050, 5000), 1000, ""),
    "a coast, subtracted": (coast(), 1000, ""),
    "removed before": (ground(200, 5000), 0, ""),
}


@pytest.mark.parametrize("source", ["", OFFSET_OPTION, "MTD_MSIL2A.xml"])
@pytest.mark.parametrize("name", OFFSETS)
def test_offsets_that_contradict_the_pixels(bands, caplog, name, source):
    """A wrong option is a warning, wrong metadata are an error."""
    pixels, offset, words = OFFSETS[name]
    expected = nullcontext()
    if words and source.endswith("xml"):
        words = f"MTD_MSIL2A.xml says that {offset} .*{words}"
        expected, words = pytest.raises(SRError, match=words), ""
    with expected, caplog.at_level("WARNING"):
        check_offset(bands(pixels), offset, source)
    assert re.search(words, caplog.text) if words else not caplog.text
