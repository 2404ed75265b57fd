"""The scores of a test set: some numbers of each patch are kept, no pixels.

With four methods, two areas and four bands they take 544 bytes per patch, a tenth of a
gigabyte for the 100 000 patches of a whole Spot scene.
"""

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.evaluation import confidence
from srtools.images.zooms import ZOOMS
from srtools.metrics import ergas, psnr

MODEL = "model"
BASELINE = "bicubic"  # the zoom that a model has to beat
METHODS = (*ZOOMS, MODEL)
COLUMNS = ("l1", "l2", "ssim", "sam")  # of patches.csv, means over bands
WORST = 10  # patches in the table of the worst

Mean = Callable[[np.ndarray], np.ndarray]
"""Mean of the scores of all patches, [n, bands] to [bands]."""


def named(values: np.ndarray) -> dict[str, float]:
    """Return the values [bands] by name of the band, and the mean of `all`."""
    by_band = dict(zip(BANDS, values.tolist(), strict=False))
    return {**by_band, "all": float(values.mean())}


class Scores:
    """The scores of every patch, by area and method."""

    def __init__(self, mean: Mean):
        self._mean = mean
        self._batches: dict[tuple[str, str, str], list] = defaultdict(list)

    def add(self, scores: dict[str, dict[str, dict[str, np.ndarray]]]) -> None:
        """Add the `all_scores` of a batch, in the order of the patches."""
        for method, areas in scores.items():
            for area, by_name in areas.items():
                for name, values in by_name.items():
                    self._batches[area, method, name].append(values)

    def count(self) -> int:
        """Return the number of patches."""
        return sum(map(len, next(iter(self._batches.values()), [])))

    def per_patch(self, area: str, method: str, name: str) -> np.ndarray:
        """Return one score of all patches, [n, bands]; SAM, of all bands, [n, 1]."""
        return np.concatenate(self._batches[area, method, name])

    def gains(self, area: str) -> np.ndarray:
        """PSNR of the model less that of bicubic, dB, [n]."""
        model, baseline = (
            psnr(self.per_patch(area, method, "l2").mean(axis=1))
            for method in (MODEL, BASELINE)
        )
        return model - baseline

    def columns(self, area: str, method: str) -> np.ndarray:
        """Return the `COLUMNS` of all patches, [n, 4]."""
        values = [self.per_patch(area, method, name) for name in COLUMNS]
        return np.stack([v.mean(axis=1, dtype=np.float64) for v in values], axis=1)

    def area(self, area: str) -> dict:
        """Return the `record` of each method, and the gain over bicubic."""
        methods = [m for a, m, name in self._batches if (a, name) == (area, "l1")]
        records = {method: self.record(area, method) for method in methods}
        model, baseline = (records[m]["psnr_db"] for m in (MODEL, BASELINE))
        gains = {band: model[band] - baseline[band] for band in model}
        mean = self._mean(self.per_patch(area, MODEL, "mean"))
        return {
            **records,
            "truth_mean_dn": named(mean / SCALE),
            "gain_db": gains["all"],
            "gain_db_per_band": gains,
        }

    def record(self, area: str, method: str) -> dict:
        """Return the scores over all patches, per band and over all bands.

        The PSNR over all bands is that of the mean of their L2.
        """
        l1, l2, ssim, sam, mean = (
            self._mean(self.per_patch(area, method, name))
            for name in (*COLUMNS, "mean")
        )
        by_band = {"all": ergas(l2, mean, 1 / FACTOR)} if mean.all() else None
        for i, band in enumerate(BANDS[: len(l2)] if by_band else ()):
            by_band[band] = ergas(l2[[i]], mean[[i]], 1 / FACTOR)
        return {
            "l1_reflectance": named(l1),
            "l2_reflectance": named(l2),
            "l1_dn": named(l1 / SCALE),
            "l2_dn": named(l2 / SCALE**2),
            "psnr_db": {**named(psnr(l2)), "all": float(psnr(l2.mean()))},
            "ssim": None if np.isnan(ssim).any() else named(ssim),
            "sam_degrees": float(sam[0]),
            "ergas": by_band,
        }

    def worst(self, area: str, windows: np.ndarray | None, count: int = WORST) -> list:
        """List the patches where the model gains least, the worst first."""
        gains = self.gains(area)
        columns = {m: self.columns(area, m) for m in (BASELINE, MODEL)}
        return [
            {
                "patch": int(index),
                "window": None if windows is None else windows[index].tolist(),
                "gain_db": float(gains[index]),
                **{
                    f"l1_dn_{m}": float(v[index, 0] / SCALE) for m, v in columns.items()
                },
                **{
                    f"psnr_db_{m}": float(psnr(v[index, 1])) for m, v in columns.items()
                },
            }
            for index in np.argsort(gains, kind="stable")[:count]
        ]


def statistics(first: int = 0) -> dict:
    """Return functions of means [k, columns] to scores [k]; L1 is column `first`."""
    return {
        "l1_dn": lambda means: means[:, first] / SCALE,
        "l2_dn": lambda means: means[:, first + 1] / SCALE**2,
        "psnr_db": lambda means: psnr(means[:, first + 1]),
        "ssim": lambda means: means[:, first + 2],
        "sam_degrees": lambda means: means[:, first + 3],
    }


def method_intervals(
    columns: dict[str, np.ndarray], blocks: np.ndarray, kind: str
) -> dict:
    """Return the intervals of each method's scores, and of the gain over bicubic.

    Arguments:
        columns: by method, the `COLUMNS` of each patch, [n, 4].
        blocks: [n] the block of each patch; `kind` is a name for the blocks.
    """
    gain = differences(columns[BASELINE], columns[MODEL], blocks)["psnr_db"]
    return {
        "level": confidence.LEVEL,
        "blocks": int(blocks.max()) + 1,
        "kind": kind,
        "gain_db": gain["interval"],
        **{
            method: {
                name: confidence.interval(values, blocks, statistic)
                for name, statistic in statistics().items()
            }
            for method, values in columns.items()
        },
    }


def differences(one: np.ndarray, other: np.ndarray, blocks: np.ndarray) -> dict:
    """Return, by score, the two values, their difference and its interval.

    Arguments:
        one, other: [n, 4] `COLUMNS` of two methods on the same patches.
        blocks: [n] the block of each patch.
    """
    values = np.concatenate([one, other], axis=1)
    mean = values.mean(axis=0, keepdims=True)
    compared = {}
    for name, before in statistics().items():
        after = statistics(len(COLUMNS))[name]

        def difference(means: np.ndarray, before=before, after=after) -> np.ndarray:
            return after(means) - before(means)

        compared[name] = {
            "values": [float(before(mean)[0]), float(after(mean)[0])],
            "difference": float(difference(mean)[0]),
            "interval": confidence.interval(values, blocks, difference),
        }
    return compared
