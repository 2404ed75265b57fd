"""Pictures of exercise 1: quality of the pair, and map of the groups."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from srtools.conventions import BANDS
from srtools.images.figures import save, stretch, to_display
from srtools.pair.quality import PairQuality

COLOURS = {"train": (0.2, 0.5, 1.0), "valid": (1.0, 0.9, 0.1), "test": (1.0, 0.2, 0.2)}


def save_pair(
    path: str | Path, quality: PairQuality, quicklook: np.ndarray, size: tuple[int, int]
) -> None:
    """Draw the shifts of the blocks over XS, and the radiometry of each band.

    `quicklook` is XS at any scale, `size` its height and width in pixels.
    """
    figure = Figure(figsize=(13, 6.6), dpi=90, layout="constrained")
    left, right = figure.subfigures(1, 2)
    axis = left.subplots()
    _show(axis, quicklook, size)
    _draw_shifts(axis, quality)
    for band, axis in enumerate(right.subplots(2, 2).flat):
        _draw_fit(axis, quality, band)
    save(figure, path)


def _show(axis: Any, quicklook: np.ndarray, size: tuple[int, int]) -> None:
    image, extent = quicklook[..., :3].astype(float), (0, size[1], size[0], 0)
    axis.imshow(to_display(image, stretch(image)), extent=extent)
    axis.set(xlim=extent[:2], ylim=extent[2:])
    axis.set_axis_off()


def _draw_shifts(axis: Any, quality: PairQuality) -> None:
    arrows = []
    for block in quality.blocks:
        middle = block.col + block.size / 2, block.row + block.size / 2
        if block.verdict == "used":
            arrows.append((*middle, block.east, block.north))
        else:
            axis.text(*middle, block.verdict, color="red", ha="center")
    if arrows:
        # The dark rim makes arrows visible on light roofs.
        look = {"color": "yellow", "edgecolor": "black", "linewidth": 0.6}
        quiver = axis.quiver(*np.transpose(arrows), scale=40, width=0.007, **look)
        axis.quiverkey(quiver, 0.84, 1.02, 3, "arrow of 3 m", labelpos="E", **look)
    shift = quality.criteria()[0].value
    axis.set_title(f"Sentinel-2 against Spot: {shift}", loc="left", fontsize=11)


def _draw_fit(axis: Any, quality: PairQuality, band: int) -> None:
    lr, xs, changed = quality.samples
    fit, title = quality.fits[band], BANDS[band]
    for where, colour in ((~changed, "tab:blue"), (changed, "tab:red")):
        axis.plot(lr[where, band], xs[where, band], ".", ms=2, color=colour)
    if fit:
        axis.axline((0, fit.bias), slope=fit.gain, color="black", lw=1)
        title += f": Spot = {fit.gain:.3f} S2 {round(fit.bias):+d}, R2 {fit.r2:.3f}"
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("Sentinel-2, DN (red: changed)", fontsize=8)
    axis.set_ylabel("Spot, DN", fontsize=8)


def save_split(
    path: str | Path,
    quicklook: np.ndarray,
    shape: tuple[int, int],
    windows: dict[str, np.ndarray],
    size: int,
) -> None:
    """Draw the patches of each group over XS; all but the quicklook is in XS pixels."""
    height, width = 8 * np.array(shape) / max(shape)
    figure = Figure(figsize=(width, height + 0.5), dpi=90, layout="constrained")
    axis = figure.subplots()
    _show(axis, quicklook, shape)
    for group, starts in windows.items():
        squares = [Rectangle((col, row), size, size) for row, col in starts]
        tint = {"facecolor": COLOURS[group], "linewidth": 0, "alpha": 0.4}
        axis.add_collection(PatchCollection(squares, **tint))
        axis.plot([], [], "s", color=COLOURS[group], label=f"{group}: {len(starts)}")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    save(figure, path)
