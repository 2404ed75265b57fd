"""Pictures of exercise 1: quality of the pair, and map of the groups."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from srtools.conventions import BANDS
from srtools.images.figures import save, stretch, to_display
from srtools.pair.quality import PairQuality

COLOURS = {"train": (0.2, 0.5, 1.0), "valid": (1.0, 0.9, 0.1), "test": (1.0, 0.2, 0.2)}
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # corners, as column and row
UNCOLOURED = "no colour, no patch: gap between groups, rim, or bad pixels"


def save_pair(
    path: str | Path, moves: dict[str, PairQuality], quicklook: Any, size: Any
) -> None:
    """Draw the shifts of the blocks over XS, and the radiometry of each band.

    `moves` holds the quality by title: one, or those before and after Spot was moved.
    `quicklook` is XS at any scale, `size` the height and width of XS in pixels.
    """
    figure = Figure(figsize=(13, 11), dpi=90, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[2.1, 1])
    maps = above.subplots(1, len(moves), squeeze=False)[0]
    for axis, (title, quality) in zip(maps, moves.items(), strict=True):
        _show(axis, quicklook, size)
        _draw_shifts(axis, quality, title)
    for band, axis in enumerate(below.subplots(1, len(BANDS))):
        _draw_fit(axis, quality, band)
    save(figure, path)


def _show(axis: Any, quicklook: np.ndarray, size: tuple[int, int]) -> None:
    image, extent = quicklook[..., :3].astype(float), (0, size[1], size[0], 0)
    axis.imshow(to_display(image, stretch(image)), extent=extent)
    axis.set(xlim=extent[:2], ylim=extent[2:])
    axis.set_axis_off()


def _draw_shifts(axis: Any, quality: PairQuality, title: str) -> None:
    arrows = []
    look = {"color": "yellow", "path_effects": [withStroke(linewidth=3)]}
    for block in quality.blocks:
        middle = block.col + block.size / 2, block.row + block.size / 2
        if block.verdict == "used":
            arrows.append((*middle, block.east, block.north))
        else:
            axis.text(*middle, block.verdict, ha="center", fontsize=11, **look)
    if arrows:
        # The dark rim makes arrows visible on light roofs; a dot is no shift.
        x, y, east, north = np.transpose(arrows)
        rim = {"color": "yellow", "edgecolor": "black", "linewidth": 0.8}
        axis.plot(x, y, "o", color="yellow", ms=4, mec="black", mew=0.8)
        quiver = axis.quiver(x, y, east, north, scale=32, width=0.009, **rim)
        key = {"labelpos": "E", "fontproperties": {"size": 12}, **rim}
        axis.quiverkey(quiver, 0.78, -0.03, 3, "arrow of 3 m", **key)
    shift = quality.criteria()[0].value
    axis.set_title(f"{title}: {shift}", loc="left", fontsize=13)


def _draw_fit(axis: Any, quality: PairQuality, band: int) -> None:
    lr, xs, changed = quality.samples
    fit, title = quality.fits[band], BANDS[band]
    for where, colour in ((~changed, "tab:blue"), (changed, "tab:red")):
        axis.plot(lr[where, band], xs[where, band], ".", ms=2, color=colour)
    if fit:
        axis.axline((0, fit.bias), slope=fit.gain, color="black", lw=1)
        title += f": Spot = {fit.gain:.3f} S2 {round(fit.bias):+d}\nR2 {fit.r2:.3f}"
    axis.set(title=title, xlabel="Sentinel-2, DN (red: changed)", ylabel="Spot, DN")


def save_split(
    path: str | Path,
    quicklook: np.ndarray,
    shape: tuple[int, int],
    windows: dict[str, np.ndarray],
    size: int,
) -> None:
    """Draw the patches of each group over XS; all but the quicklook is in XS pixels."""
    height, width = 8 * np.array(shape) / max(shape)
    figure = Figure(figsize=(width, height + 0.7), dpi=90, layout="constrained")
    axis = figure.subplots()
    _show(axis, quicklook, shape)
    for group, starts in windows.items():
        squares = starts[:, None, ::-1] + size * SQUARE
        tint = {"facecolor": COLOURS[group], "linewidth": 0, "alpha": 0.4}
        axis.add_collection(PolyCollection(squares, **tint))
        axis.plot([], [], "s", color=COLOURS[group], label=f"{group}: {len(starts)}")
    axis.plot([], [], "s", color="white", mec="black", label=UNCOLOURED)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    save(figure, path)
