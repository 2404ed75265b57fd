"""Is an image like those that a model was trained on?

A network has learned what detail goes with what Sentinel-2 shows.  On ground of another
brightness, roughness or colour it still answers, and nobody knows how well.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from srtools.conventions import BANDS

SECTION = "training_set"
"""Section of the model's card."""

KINDS = ("brightness", "contrast", "fineness")
NDVI = "NDVI"
FEATURES = (*(f"{band} {kind}" for band in BANDS for kind in KINDS), NDVI)
"""Mean DN of a band, logarithm of its standard deviation in DN, logarithm of the mean
squared step from pixel to pixel relative to the variance; mean vegetation index."""

LEAST_SPREAD = np.array([*[30.0, 0.1, 0.1] * len(BANDS), 0.03])
"""Least spread of each feature: a training set may be all alike."""

QUANTILE = 0.99
MOST_UNLIKE = 0.2  # share of the patches; of the training set it is 0.01 at most
WORDS = {
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "poorer in contrast"),
    "fineness": ("finer", "coarser"),
    NDVI: ("greener", "less green"),
}
BAND_WORDS = dict(zip(BANDS, ("red", "green", "blue", "near infrared"), strict=True))


def features(patches: np.ndarray) -> np.ndarray:
    """Compute the `FEATURES` [n, 13] of patches [n, h, w, bands], DN without offset."""
    pixels = patches.astype(np.float64)
    mean = pixels.mean(axis=(1, 2))
    variance = pixels.var(axis=(1, 2)) + 1
    steps = sum(np.square(np.diff(pixels, axis=a)).mean(axis=(1, 2)) for a in (1, 2))
    kinds = [mean, np.log(variance) / 2, np.log((steps + 1) / variance)]
    red, infrared = pixels[..., 0], pixels[..., 3]
    ndvi = ((infrared - red) / np.maximum(infrared + red, 1)).mean(axis=(1, 2))
    return np.column_stack([np.stack(kinds, axis=-1).reshape(len(pixels), -1), ndvi])


def record(patches: np.ndarray) -> dict:
    """Compute the section of the card from lr patches [n, h, w, bands], DN."""
    values = features(patches)
    mean = values.mean(axis=0)
    spread = np.maximum(values.std(axis=0), LEAST_SPREAD)
    scaled = (values - mean) / spread
    # Shrunk towards a diagonal (Ledoit and Wolf, 2004), more so for few patches.
    trust = len(values) / (len(values) + len(FEATURES))
    correlation = trust * (scaled.T @ scaled) / len(values)
    correlation += (1 - trust) * np.eye(len(FEATURES))
    distances = _distances(scaled, correlation)
    # Few patches do not show all that is usual.
    usual = np.quantile(distances, QUANTILE) * (1 + 2 / np.sqrt(len(values)))
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
    """Compute Mahalanobis distances [n] of deviations [n, features], scaled to 1."""
    return np.sqrt((scaled * np.linalg.solve(correlation, scaled.T).T).mean(axis=-1))


class Likeness(NamedTuple):
    """How patches compare with a training set."""

    share_unlike: float
    """Share of the patches that are further from its mean than its own are."""
    strongest: str
    """Feature that deviates most in the median."""
    deviation: float
    """Its deviation, standard deviations of the training set."""

    @property
    def warning(self) -> str | None:
        """Sentence on what is unlike; None if all is usual."""
        if self.share_unlike <= MOST_UNLIKE:
            return None
        band, _, kind = self.strongest.rpartition(" ")
        band = f"{BAND_WORDS[band]} ({band}) " if band else ""
        return (
            f"{self.share_unlike:.0%} of the ground is unlike what the model was "
            f"trained on ({band}{WORDS[kind][self.deviation < 0]} by "
            f"{abs(self.deviation):.1f} standard deviations): expect less, and check it"
        )


def compare(card: Mapping[str, Any], patches: np.ndarray) -> Likeness | None:
    """Compare patches with the training set of a model.

    Arguments:
        card: of the model.
        patches: [n, h, w, bands] DN, as large as the training patches.

    Returns:
        None if the card has no such section, or there are no patches.
    """
    usual = card.get(SECTION)
    if not usual or usual.get("features") != list(FEATURES) or not len(patches):
        return None
    scaled = (features(patches) - usual["mean"]) / np.array(usual["spread"])
    distances = _distances(scaled, np.array(usual["correlation"]))
    deviations = np.median(scaled, axis=0)
    strongest = int(np.abs(deviations).argmax())
    share = float((distances > usual["usual_distance"]).mean())
    return Likeness(share, FEATURES[strongest], float(deviations[strongest]))
