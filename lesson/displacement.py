"""Displacement between two images of the same ground, in pixels."""

import numpy as np


def displacement(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the rows and columns t for which image(x) is like reference(x + t).

    A small displacement changes each pixel by the slope of the reference there.  A
    linear fit finds it, whatever the gain and the bias between the images [h, w].
    Pixels that are nan in either image do not count.

    Source: Lucas and Kanade, "An iterative image registration technique", 1981.
    """
    slopes = np.gradient(reference)  # nan beside nan
    valid = np.isfinite(image) & np.isfinite(reference + sum(slopes))
    values, *slopes = (x[valid] for x in (reference, *slopes))
    columns = np.stack([*slopes, values, np.ones_like(values)], axis=-1)
    return np.linalg.lstsq(columns, image[valid], rcond=None)[0][:2]
