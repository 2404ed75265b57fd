"""The scores of a test set: some numbers of each patch are kept, no pixels.

With four methods, two areas and four bands they take 544 bytes per patch, a tenth of a
gigabyte for the 100 000 patches of a whole Spot scene.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from srtools.conventions import FACTOR, SCALE
from srtools.images.zooms import ZOOMS
from srtools.metrics import ergas, psnr

MODEL = "model"
BASELINE = "bicubic"  # the zoom that a model has to beat
METHODS = (*ZOOMS, MODEL)
NAMES = ("l1", "l2", "ssim", "mean", "sam")
WORST = 10  # patches in the table of the worst


class Scores:
    """The scores of every patch, by area and method.

    Arguments:
        bands: names of the bands.
    """

    def __init__(self, bands: Sequence[str]):
        self.bands = list(bands)
        count = len(self.bands)
        self._widths = [(name, 1 if name == "sam" else count) for name in NAMES]
        self._tables = defaultdict(list)

    def add(self, found: dict[str, dict[str, dict[str, np.ndarray]]]) -> None:
        """Add the `all_scores` of a batch, in the order of the patches."""
        for method, areas in found.items():
            for area, scores in areas.items():
                columns = [scores[name].reshape(-1, n) for name, n in self._widths]
                table = np.concatenate(columns, axis=1, dtype=np.float32)
                self._tables[area, method].append(table)

    def per_patch(self, area: str, method: str, name: str) -> np.ndarray:
        """Give one score of all patches, [n, bands]; SAM, of all bands, [n, 1]."""
        names = [known for known, _ in self._widths]
        ends = np.cumsum([0, *(width for _, width in self._widths)])
        first, last = ends[names.index(name)], ends[names.index(name) + 1]
        return np.concatenate([t[:, first:last] for t in self._tables[area, method]])

    def count(self) -> int:
        """Give the number of patches."""
        return sum(map(len, next(iter(self._tables.values()), [])))

    def gains(self, area: str) -> np.ndarray:
        """PSNR of the model less that of bicubic, dB, [n]."""
        model, baseline = (
            psnr(self.per_patch(area, method, "l2").mean(axis=1))
            for method in (MODEL, BASELINE)
        )
        return model - baseline

    def columns(self, area: str, method: str) -> np.ndarray:
        """Give L1, L2, SSIM and spectral angle of all patches over bands, [n, 4]."""
        names = ("l1", "l2", "ssim", "sam")
        found = [self.per_patch(area, method, name) for name in names]
        return np.stack([v.mean(axis=1, dtype=np.float64) for v in found], axis=1)

    def area(self, area: str) -> dict:
        """Give the `record` of each method, and the gain of the model over bicubic."""
        methods = [m for known, m in self._tables if known == area]
        found = {method: self.record(area, method) for method in methods}
        model, baseline = (found[m]["psnr_db"] for m in (MODEL, BASELINE))
        gains = {band: model[band] - baseline[band] for band in model}
        mean = self.per_patch(area, MODEL, "mean").mean(axis=0, dtype=np.float64)
        return {
            **found,
            "truth_mean_dn": self._named(mean / SCALE),
            "gain_db": gains["all"],
            "gain_db_per_band": gains,
        }

    def record(self, area: str, method: str) -> dict:
        """Give the scores over all patches, per band and over all bands.

        The PSNR over all bands is that of the mean of their L2.
        """
        l1, l2, ssim, mean = (
            self.per_patch(area, method, name).mean(axis=0, dtype=np.float64)
            for name in ("l1", "l2", "ssim", "mean")
        )
        sam = self.per_patch(area, method, "sam").mean(dtype=np.float64)
        return {
            "l1_reflectance": self._named(l1),
            "l2_reflectance": self._named(l2),
            "l1_dn": self._named(l1 / SCALE),
            "l2_dn": self._named(l2 / SCALE**2),
            "psnr_db": {**self._named(psnr(l2)), "all": float(psnr(l2.mean()))},
            "ssim": None if np.isnan(ssim).any() else self._named(ssim),
            "sam_degrees": float(sam),
            "ergas": self._ergas(l2, mean) if mean.all() else None,
        }

    def _ergas(self, l2: np.ndarray, mean: np.ndarray) -> dict[str, float]:
        bands = {
            band: ergas(l2[[i]], mean[[i]], 1 / FACTOR)
            for i, band in enumerate(self.bands)
        }
        return {**bands, "all": ergas(l2, mean, 1 / FACTOR)}

    def worst(self, area: str, windows: np.ndarray | None, count: int = WORST) -> list:
        """List the patches where the model gains least, the worst first."""
        gains = self.gains(area)
        l1, l2 = (
            {m: self.per_patch(area, m, n).mean(axis=1) for m in (BASELINE, MODEL)}
            for n in ("l1", "l2")
        )
        return [
            {
                "patch": int(index),
                "window": None if windows is None else windows[index].tolist(),
                "gain_db": float(gains[index]),
                **{f"l1_dn_{m}": float(l1[m][index] / SCALE) for m in l1},
                **{f"psnr_db_{m}": float(psnr(l2[m][index])) for m in l2},
            }
            for index in np.argsort(gains, kind="stable")[:count]
        ]

    def _named(self, values: np.ndarray) -> dict[str, float]:
        named = dict(zip(self.bands, values.tolist(), strict=True))
        return {**named, "all": float(values.mean())}
