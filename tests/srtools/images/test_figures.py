"""Pictures: nodata does not count."""

import numpy as np
import rasterio

from srtools.images import figures


def test_no_data_is_black_and_does_not_count_in_pictures(tmp_path, write_raster):
    random = np.random.default_rng(0)
    pixels = random.integers(1001, 9000, (40, 40, 4)).astype(np.uint16)
    half_empty = np.where(np.arange(40)[None, :, None] < 20, 0, pixels)
    crs, bounds = rasterio.CRS.from_epsg(32631), (452001, 5411763, 452241, 5412003)
    full, empty = (
        figures.read_area([write_raster(f"{n}.tif", array)], crs, bounds, 99)
        for n, array in enumerate((pixels, half_empty))
    )
    np.testing.assert_array_equal(full, pixels)
    shown = figures.to_display(empty, figures.stretch(empty))
    assert not shown[:, :20].any()
    alone = full[:, 20:]
    expected = figures.to_display(alone, figures.stretch(alone))
    np.testing.assert_allclose(shown[:, 20:], expected)
    figures.stretch(0 * empty)  # nothing at all is no error
