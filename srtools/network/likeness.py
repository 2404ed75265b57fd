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
"""Of each patch: mean DN of a band; logarithm of its standard deviation in DN;
logarithm of the mean squared step from pixel to pixel, relative to the variance; mean
vegetation index."""

LEAST_SPREAD = np.array([*[30.0, 0.1, 0.1] * len(BANDS), 0.03])
"""Of each feature: a training set that is all alike must not make all else strange."""

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
    """Give the `FEATURES` of each patch, [n, 13].

    Arguments:
        patches: [n, h, w, bands] DN without offset.
    """
    pixels = patches.astype(np.float64)
    mean = pixels.mean(axis=(1, 2))
    variance = pixels.var(axis=(1, 2)) + 1
    steps = sum(np.square(np.diff(pixels, axis=a)).mean(axis=(1, 2)) for a in (1, 2))
    of_bands = np.stack(
        [mean, np.log(variance) / 2, np.log((steps + 1) / variance)], axis=-1
    )
    red, infrared = pixels[..., 0], pixels[..., 3]
    index = (infrared - red) / np.maximum(infrared + red, 1)
    return np.column_stack([of_bands.reshape(len(pixels), -1), index.mean(axis=(1, 2))])


def record(patches: np.ndarray) -> dict:
    """Give the section of the card: what is usual in a training set.

    Arguments:
        patches: [n, h, w, bands] lr patches, DN.
    """
    found = features(patches)
    mean = found.mean(axis=0)
    spread = np.maximum(found.std(axis=0), LEAST_SPREAD)
    scaled = (found - mean) / spread
    # Towards features that do not hang together, the more the fewer patches there are.
    trust = len(found) / (len(found) + len(FEATURES))
    together = trust * (scaled.T @ scaled) / len(found)
    together += (1 - trust) * np.eye(len(FEATURES))
    distances = _distances(scaled, together)
    # Few patches do not show all that is usual.
    usual = np.quantile(distances, QUANTILE) * (1 + 2 / np.sqrt(len(found)))
    return {
        "patches": len(found),
        "size": patches.shape[1],
        "features": list(FEATURES),
        "mean": np.round(mean, 4).tolist(),
        "spread": np.round(spread, 4).tolist(),
        "correlation": np.round(together, 4).tolist(),
        "usual_distance": round(float(usual), 3),
    }


def _distances(scaled: np.ndarray, together: np.ndarray) -> np.ndarray:
    """Give Mahalanobis distances, [n]: features that hang together count once.

    Arguments:
        scaled: [n, features] deviations from the mean, in standard deviations.
        together: [features, features] their correlation.
    """
    return np.sqrt((scaled * np.linalg.solve(together, scaled.T).T).mean(axis=-1))


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
        """Say in words what is unlike; None if all is usual."""
        if self.share_unlike <= MOST_UNLIKE:
            return None
        band, _, kind = self.strongest.rpartition(" ")
        word = WORDS[kind][self.deviation < 0]
        whose = f"{BAND_WORDS[band]} ({band}) " if band else ""
        return (
            f"{self.share_unlike:.0%} of the ground is unlike what the model was "
            f"trained on ({whose}{word} by {abs(self.deviation):.1f} standard "
            "deviations): expect less, and check it"
        )


def compare(card: Mapping[str, Any], patches: np.ndarray) -> Likeness | None:
    """Compare patches with the training set of a model.

    Arguments:
        card: of the model.
        patches: [n, h, w, bands] DN, as large as the training patches.

    Returns:
        None if the card does not tell, or there are no patches.
    """
    known = card.get(SECTION)
    if not known or known.get("features") != list(FEATURES) or not len(patches):
        return None
    mean, spread = np.array(known["mean"]), np.array(known["spread"])
    scaled = (features(patches) - mean) / spread
    distances = _distances(scaled, np.array(known["correlation"]))
    deviations = np.median(scaled, axis=0)
    strongest = int(np.abs(deviations).argmax())
    share = float((distances > known["usual_distance"]).mean())
    return Likeness(share, FEATURES[strongest], float(deviations[strongest]))
