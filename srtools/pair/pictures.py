"""Pictures of exercise 1: how well the images fit, and where the groups lie."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from srtools.conventions import BANDS
from srtools.images.figures import save, stretch, to_display
from srtools.matching.registration import BlockShift
from srtools.pair.quality import PairQuality

COLOURS = {"train": (0.2, 0.5, 1.0), "valid": (1.0, 0.9, 0.1), "test": (1.0, 0.2, 0.2)}


def save_pair(
    path: str | Path, quality: PairQuality, quicklook: np.ndarray, size: tuple[int, int]
) -> None:
    """Draw the shifts over a quicklook, and the radiometry of each band.

    `quicklook` is XS at any scale, `size` the height and width of XS in pixels.
    """
    figure = Figure(figsize=(13, 6.6), dpi=90, layout="constrained")
    left, right = figure.subfigures(1, 2)
    _draw_shifts(left.subplots(), quality, quicklook, size)
    axes = right.subplots(2, 2)
    for band, axis in enumerate(axes.flat):
        _draw_fit(axis, quality, band)
    save(figure, path)


def _draw_shifts(
    axis: Any, quality: PairQuality, quicklook: np.ndarray, size: tuple[int, int]
) -> None:
    image = quicklook[..., :3].astype(float)
    extent = (0, size[1], size[0], 0)
    axis.imshow(to_display(image, stretch(image)), extent=extent)
    axis.set(xlim=extent[:2], ylim=extent[2:])
    used = [block for block in quality.blocks if block.verdict == "used"]
    for block in quality.blocks:
        if block.verdict != "used":
            axis.text(*_middle(block), block.verdict, color="red", ha="center")
    if used:
        cols, rows = zip(*map(_middle, used), strict=True)
        east, north = [b.east for b in used], [b.north for b in used]
        # A dark rim, so that they are seen on light roofs and on dark woods.
        look = {"color": "yellow", "edgecolor": "black", "linewidth": 0.6}
        arrows = axis.quiver(cols, rows, east, north, scale=40, width=0.007, **look)
        # Above the picture: no ground makes it unreadable there.
        axis.quiverkey(arrows, 0.84, 1.02, 3, "arrow of 3 m", labelpos="E", **look)
    axis.set_axis_off()
    shift = quality.criteria()[0].value
    axis.set_title(f"Sentinel-2 against Spot: {shift}", loc="left", fontsize=11)


def _draw_fit(axis: Any, quality: PairQuality, band: int) -> None:
    lr, xs, changed = quality.samples
    fit = quality.fits[band]
    for where, colour in ((~changed, "tab:blue"), (changed, "tab:red")):
        axis.plot(lr[where, band], xs[where, band], ".", ms=2, color=colour)
    title = BANDS[band]
    if fit:
        ends = np.percentile(lr[:, band], (0, 100))
        axis.plot(ends, fit.gain * ends + fit.bias, color="black", lw=1)
        bias = round(fit.bias)
        title += f": Spot = {fit.gain:.3f} S2 {bias:+d}, R2 {fit.r2:.3f}"
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("Sentinel-2, DN (red: changed)", fontsize=8)
    axis.set_ylabel("Spot, DN", fontsize=8)


def _middle(block: BlockShift) -> tuple[float, float]:
    return block.col + block.size / 2, block.row + block.size / 2


def save_split(
    path: str | Path,
    quicklook: np.ndarray,
    shape: tuple[int, int],
    windows: dict[str, np.ndarray],
    size: int,
) -> None:
    """Draw the patches of each group, whose size is in pixels, over a quicklook.

    `shape` and `windows` are in pixels of the image that the quicklook shows.
    """
    image = quicklook[..., :3].astype(float)
    picture = to_display(image, stretch(image))
    scale = np.divide(picture.shape[:2], shape)
    for group, starts in windows.items():
        tint = np.zeros(picture.shape[:2], bool)
        ends = np.ceil((starts + size) * scale).astype(int)
        for (row, col), (end_row, end_col) in zip(
            (starts * scale).astype(int), ends, strict=True
        ):
            tint[row:end_row, col:end_col] = True
        picture[tint] = 0.6 * picture[tint] + 0.4 * np.array(COLOURS[group])
    height, width = 8 * np.array(shape) / max(shape)
    figure = Figure(figsize=(width, height + 0.5), dpi=90, layout="constrained")
    axis = figure.subplots()
    axis.imshow(picture)
    axis.set_axis_off()
    for group, starts in windows.items():
        axis.plot([], [], "s", color=COLOURS[group], label=f"{group}: {len(starts)}")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    save(figure, path)
