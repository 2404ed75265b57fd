"""Unusable pixels, and the neighbours that they spoil."""

import numpy as np
import pytest

from srtools.images.raster import describe
from srtools.pair import usable_pixels
from tests.rasters import CORNER

HEIGHT, WIDTH = 60, 70


@pytest.fixture
def scene(write_raster):
    """Return a function that writes a scene with a few bad pixels and looks at it."""

    def look(changes: dict | None = None, with_scl: bool = True):
        """`changes` maps an image to (rows, columns, value), on its own grid."""
        images = {
            "xs": (np.full((HEIGHT, WIDTH, 4), 500, np.uint16), 6.0),
            "pan": (np.full((4 * HEIGHT, 4 * WIDTH), 400, np.uint16), 1.5),
            "s2": (np.full((36, 42, 4), 1600, np.uint16), 10.0),
            "scl": (np.full((18, 21), 4, np.uint8), 20.0),
        }
        for name, (rows, cols, value) in (changes or {}).items():
            images[name][0][rows, cols] = value
        paths = {
            name: write_raster(f"{name}.tif", pixels, spacing)
            for name, (pixels, spacing) in images.items()
        }
        if not with_scl:
            paths["scl"] = None
        for name in ("pan", "xs"):
            paths[name] = describe(paths[name], name)
        return usable_pixels.find_usable_pixels(**paths)

    return look


def spread(rows: slice, cols: slice) -> np.ndarray:
    """Mark a rectangle and all within 4 pixels of it."""
    marked = np.zeros((HEIGHT, WIDTH), bool)
    marked[
        max(rows.start - 4, 0) : rows.stop + 4, max(cols.start - 4, 0) : cols.stop + 4
    ] = True
    return marked


def test_nothing_is_wrong(scene):
    pixels = scene()
    assert pixels.usable.all() and pixels.usable.shape == (HEIGHT, WIDTH)
    assert pixels.shares["missing"] == 0 and pixels.shares["cloud"] == 0


# Rows and columns of an image, and those on the grid of XS.  A pixel of 10 m covers the
# centres of 6 m pixels: from 30 m to 40 m those at 33 and 39 m, pixels 5 and 6.
XS = (slice(20, 22), slice(30, 33)), (slice(20, 22), slice(30, 33))
PAN = (slice(40, 48), slice(80, 84)), (slice(10, 12), slice(20, 21))
S2 = (slice(3, 4), slice(6, 9)), (slice(5, 7), slice(10, 15))
SCL = (slice(3, 6), slice(3, 6)), (slice(10, 20), slice(10, 20))
CLOUD = "cloud, shadow or defect"


@pytest.mark.parametrize(
    ("name", "value", "reason", "places"),
    [
        ("xs", 0, "no data", XS),
        ("xs", [0, 500, 500, 500], "no data", XS),
        ("pan", 0, "no data", PAN),
        ("s2", 0, "no data", S2),
        ("scl", 0, "no data", SCL),
        ("s2", 65535, "saturated", S2),
        ("xs", 65535, "saturated", XS),
        ("pan", 65535, "saturated", PAN),
        *(("scl", code, CLOUD, SCL) for code in (1, 3, 8, 9, 10)),
    ],
)
def test_what_is_bad_spoils_its_surroundings(name, value, reason, places, scene):
    place, on_xs = places
    pixels = scene({name: (*place, value)})
    expected = spread(*on_xs)
    np.testing.assert_array_equal(pixels.bad[reason], expected)
    for other in set(usable_pixels.REASONS) - {reason}:
        assert not pixels.bad[other].any()
    np.testing.assert_array_equal(pixels.usable, ~expected)


def test_other_classes_are_ground(scene):
    codes = np.repeat([[2, 4, 5, 6, 7, 11]], 5, axis=0)
    assert scene({"scl": (slice(0, 5), slice(0, 6), codes)}).usable.all()


def test_shares_are_of_the_ground_that_spot_shows(scene):
    """Half of XS is empty; of the rest Sentinel-2 lacks a tenth, clouds hide a half."""
    changes = {
        "xs": (slice(0, 30), slice(None), 0),
        "s2": (slice(None), slice(0, 42), 1600),
        "scl": (slice(None), slice(0, 21), 9),
    }
    pixels = scene(changes)
    assert pixels.shares["cloud"] == 1 and pixels.shares["missing"] == 0
    changes["s2"] = (slice(18, 36), slice(0, 21), 0)  # the lower left quarter
    changes["scl"] = (slice(None), slice(0, 21), 4)
    pixels = scene(changes)
    assert (
        pixels.shares["missing"] == pytest.approx(0.5) and pixels.shares["cloud"] == 0
    )


def test_without_classes_nothing_is_known_of_clouds(scene):
    change = {"scl": (slice(0, 5), slice(0, 5), 9)}
    assert scene(change).shares["cloud"] > 0
    pixels = scene(change, with_scl=False)
    assert pixels.shares["cloud"] is None and pixels.usable.all()


def test_strips_do_not_show(scene, monkeypatch):
    change = {
        "xs": (slice(20, 22), slice(30, 33), 0),
        "scl": (slice(9, 12), slice(3, 6), 8),
    }
    whole = scene(change)
    monkeypatch.setattr(usable_pixels, "STRIP_ROWS", 7)
    cut = scene(change)
    for reason in usable_pixels.REASONS:
        np.testing.assert_array_equal(cut.bad[reason], whole.bad[reason])
    assert cut.shares == whole.shares


def test_one_line_of_pan_is_seen(scene):
    """The 16 PAN pixels of a pixel of XS all count, not the one in its middle."""
    dark = scene({"pan": (slice(85, 86), slice(None), 0)})
    np.testing.assert_array_equal(
        dark.bad["no data"], spread(slice(21, 22), slice(0, WIDTH))
    )
    bright = scene({"pan": (slice(85, 86), slice(40, 41), 65535)})
    np.testing.assert_array_equal(
        bright.bad["saturated"], spread(slice(21, 22), slice(10, 11))
    )


def test_beyond_pan_there_is_no_data(write_raster):
    """PAN begins 9 m further east and 4.4 m further south: two pixels, and one."""
    xs = write_raster("xs.tif", np.full((HEIGHT, WIDTH, 4), 500, np.uint16), 6.0)
    s2 = write_raster("s2.tif", np.full((36, 42, 4), 1600, np.uint16), 10.0)
    ones = np.ones((4 * HEIGHT, 4 * WIDTH), np.uint16)
    pan = write_raster("pan.tif", ones, 1.5, (CORNER[0] + 9, CORNER[1] - 4.4))
    bad = usable_pixels.find_usable_pixels(
        describe(pan, "PAN"), describe(xs, "XS"), s2
    ).bad
    expected = spread(slice(0, 1), slice(0, WIDTH))
    expected |= spread(slice(0, HEIGHT), slice(0, 2))
    np.testing.assert_array_equal(bad["no data"], expected)


def test_an_enlarged_xs_is_no_pan(scene, caplog):
    """Each value 4 x 4 times; with a little texture inside it may be PAN."""
    random = np.random.default_rng(0)
    coarse = random.integers(300, 3000, (HEIGHT, WIDTH), np.uint16)
    pan = coarse.repeat(4, axis=0).repeat(4, axis=1)
    everywhere = slice(None), slice(None)
    scene({"pan": (*everywhere, pan)})
    assert "PAN has one value in each pixel of XS" in caplog.text
    caplog.clear()
    textured = pan + random.integers(0, 3, pan.shape, np.uint16)
    assert scene({"pan": (*everywhere, textured)}).usable.all()
    assert not caplog.text
