"""Do the intervals hold what they promise?  Their coverage on test patches."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.ndimage import gaussian_filter, sobel, uniform_filter

from srtools.conventions import BANDS, INPUT, OUTPUT, SCALE
from srtools.evaluation.scores import named
from srtools.network import intervals
from srtools.network.serving import mean_of_views
from srtools.tf import tf

GROUNDS = ("flat", "textured", "edges")
FLAT_DN = 100.0  # standard deviation in 7 x 7 pixels, below which the truth is flat
COHERENT = 0.5  # of the structure tensor, above which ground is an edge
TENSOR_PIXELS = 1.5  # standard deviation of its window


def measure(
    network: Callable,
    card: dict,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    views: int,
) -> dict | None:
    """Count the pixels of test patches that lie within the intervals of a model's card.

    Arguments:
        network: serving function of the model.
        card: card of the model.
        batches: lr [n, h, w, bands] in DN, and hr [n, 4 h, 4 w, bands] in reflectance.
        views: views of the image, 1 or 8.

    Returns:
        None if the card has no intervals, or the patches are too small.
    """
    record = (card.get(intervals.SECTION) or {}).get(str(views))
    if not record:
        return None
    counts = Counts()
    for lr, hr in batches:
        if min(hr.shape[1:3]) <= 2 * intervals.CUT:
            return None

        def answer(image: tf.Tensor) -> tf.Tensor:
            return network(**{INPUT: image})[OUTPUT] / SCALE

        mean, spread = mean_of_views(answer, tf.constant(lr), views)
        shown = intervals.signs(mean, spread)
        halves = {
            level: intervals.half_widths(shown, record, level).numpy()
            for level in intervals.LEVELS
        }
        counts.add(mean.numpy(), hr / SCALE, halves)
    return {"views": views, **counts.record(), "left_out": record["left_out"]}


class Counts:
    """Pixels within their intervals, by level, band and kind of ground."""

    def __init__(self):
        self.patches = 0
        self.pixels = np.zeros(len(GROUNDS))
        shape = len(intervals.LEVELS), len(GROUNDS), len(BANDS)
        self.held, self.width = np.zeros(shape), np.zeros(shape)

    def add(
        self, answer: np.ndarray, truth: np.ndarray, halves: dict[str, np.ndarray]
    ) -> None:
        """Add patches [n, h, w, bands] in DN; half-widths are cut on each side."""
        cut = slice(intervals.CUT, -intervals.CUT)
        errors = np.abs(answer - truth)[:, cut, cut]
        kinds = np.stack([kinds_of_ground(image) for image in truth])[:, cut, cut]
        self.patches += len(truth)
        for kind in range(len(GROUNDS)):
            here = kinds == kind
            self.pixels[kind] += here.sum()
            for place, level in enumerate(intervals.LEVELS):
                half = halves[level][here]
                self.held[place, kind] += (errors[here] <= half).sum(axis=0)
                self.width[place, kind] += half.sum(axis=0)

    def record(self) -> dict:
        """Return, by level, coverage and mean half-width; by band, and by ground."""
        total, per_band = self.pixels.sum(), self.pixels * len(BANDS)
        shares = dict(zip(GROUNDS, (self.pixels / total).tolist(), strict=True))
        levels = {}
        for level, held, width in zip(
            intervals.LEVELS, self.held, self.width, strict=True
        ):
            levels[level] = {
                "coverage": named(held.sum(axis=0) / total),
                "half_width_dn": named(width.sum(axis=0) / total),
                "by_ground": {
                    ground: {
                        "coverage": float(held[kind].sum() / per_band[kind]),
                        "half_width_dn": float(width[kind].sum() / per_band[kind]),
                    }
                    for kind, ground in enumerate(GROUNDS)
                    if self.pixels[kind]
                },
            }
        return {"patches": self.patches, "share_of_ground": shares, "levels": levels}


def kinds_of_ground(truth: np.ndarray) -> np.ndarray:
    """Classify each pixel of the truth as flat, textured or an edge.

    Ground is an edge where the gradients around it agree in their direction: where the
    coherence of the structure tensor is high (Bigün and Granlund, 1987).

    Arguments:
        truth: [h, w, bands] DN.

    Returns:
        [h, w] places in `GROUNDS`.
    """
    grey = truth.mean(axis=-1, dtype=np.float64)
    variance = uniform_filter(grey**2, 7) - uniform_filter(grey, 7) ** 2
    down, right = sobel(grey, 0), sobel(grey, 1)
    dd, rr, dr = (
        gaussian_filter(product, TENSOR_PIXELS)
        for product in (down**2, right**2, down * right)
    )
    coherence = np.hypot(dd - rr, 2 * dr) / np.maximum(dd + rr, 1e-9)
    kinds = np.where(coherence > COHERENT, 2, 1)
    return np.where(variance < FLAT_DN**2, 0, kinds)
