"""Distance between the statistics of an image and those of a training set."""

import logging
from typing import NamedTuple

import numpy as np

from srtools.conventions import BANDS

log = logging.getLogger(__name__)

SECTION = "training_set"
"""Section of the model's card."""

KINDS = ("brightness", "contrast", "fineness")
FEATURES = (*(f"{band} {kind}" for band in BANDS for kind in KINDS), "NDVI")
"""Mean DN; log of the standard deviation; log of the mean squared step from pixel to
pixel relative to the variance; mean vegetation index."""

LEAST_SPREAD = np.array([*[30.0, 0.1, 0.1] * len(BANDS), 0.03])
"""Least standard deviation of each feature, for patches that are alike."""

QUANTILE = 0.99
MOST_UNLIKE = 0.2  # share of the patches; in the training set it is 0.01 at most


class DomainShift(NamedTuple):
    """Comparison of patches with a training set."""

    share_unlike: float  # share of the patches beyond the usual distance
    strongest: str  # feature with the largest median deviation
    deviation: float  # that deviation, standard deviations of the training set

    @property
    def is_unlike(self) -> bool:
        """True if more of the ground is unlike the training set than is usual."""
        return self.share_unlike > MOST_UNLIKE


def features(patches: np.ndarray) -> np.ndarray:
    """Compute `FEATURES` [n, 13] of lr patches [n, h, w, bands], DN without offset."""
    pixels = patches.astype(np.float64)
    mean = pixels.mean(axis=(1, 2))
    variance = pixels.var(axis=(1, 2)) + 1
    steps = sum(np.square(np.diff(pixels, axis=a)).mean(axis=(1, 2)) for a in (1, 2))
    kinds = [mean, np.log(variance) / 2, np.log((steps + 1) / variance)]
    red, infrared = pixels[..., 0], pixels[..., 3]
    ndvi = ((infrared - red) / np.maximum(infrared + red, 1)).mean(axis=(1, 2))
    return np.column_stack([np.stack(kinds, axis=-1).reshape(len(pixels), -1), ndvi])


def record(patches: np.ndarray) -> dict:
    """Return the card's `SECTION` on training patches: lr, [n, h, w, bands] DN."""
    values = features(patches)
    mean = values.mean(axis=0)
    spread = np.maximum(values.std(axis=0), LEAST_SPREAD)
    scaled = (values - mean) / spread
    # Shrinkage towards a diagonal covariance (Ledoit and Wolf, 2004).
    trust = len(values) / (len(values) + len(FEATURES))
    correlation = trust * (scaled.T @ scaled) / len(values)
    correlation += (1 - trust) * np.eye(len(FEATURES))
    # Few patches do not show the whole range.
    usual = np.quantile(_distances(scaled, correlation), QUANTILE)
    usual *= 1 + 2 / np.sqrt(len(values))
    return {
        "patches": len(values),
        "size": patches.shape[1],
        "features": list(FEATURES),
        "mean": np.round(mean, 4).tolist(),
        "spread": np.round(spread, 4).tolist(),
        "correlation": np.round(correlation, 4).tolist(),
        "usual_distance": round(float(usual), 3),
    }


def _distances(scaled: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Compute Mahalanobis distances [n] of [n, features], over sqrt(features)."""
    return np.sqrt((scaled * np.linalg.solve(correlation, scaled.T).T).mean(axis=-1))


def compare(card: dict, patches: np.ndarray, scene: str) -> DomainShift | None:
    """Compare lr patches [n, h, w, bands] DN with the training set of a model's card.

    `patches` have the size of training patches.  None: no patches, or no `SECTION`.
    A warning, which names the `scene`, is logged if too many of them are unlike it.
    """
    usual = card.get(SECTION)
    if not usual or usual.get("features") != list(FEATURES) or not len(patches):
        return None
    scaled = (features(patches) - usual["mean"]) / np.array(usual["spread"])
    distances = _distances(scaled, np.array(usual["correlation"]))
    deviations = np.median(scaled, axis=0)
    strongest = int(np.abs(deviations).argmax())
    name, deviation = FEATURES[strongest], float(deviations[strongest])
    share = float((distances > usual["usual_distance"]).mean())
    shift = DomainShift(share, name, deviation)
    if shift.is_unlike:
        blur = "; if the blur differs, try --consistent" * ("fineness" in name)
        log.warning(
            f"{scene}: {share:.0%} of the ground is unlike the training set of the "
            f"model, up to {MOST_UNLIKE:.0%} is usual; most of all the median {name}: "
            f"{deviation:+.1f} standard deviations; expect less, check the result, or "
            f"train on such ground{blur}"
        )
    return shift
