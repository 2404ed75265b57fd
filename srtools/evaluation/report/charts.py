"""Charts of an evaluation."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from srtools.conventions import FACTOR
from srtools.evaluation.eval_set import EvalSet

STYLE = Path(__file__).with_name("charts.mplstyle")
COLOURS = {
    "nearest": "#c5cad3",
    "bilinear": "#8d97a8",
    "bicubic": "#e0872a",
    "model": "#1d6fd8",
}
GREY = "#9aa3b0"
MOST_NUMBERED = 30  # patches that are labelled with their number
CURVES = {  # title and label of the vertical axis, by key of the spectrum
    "correlation": ("Is it the right detail?", "correlation with the truth"),
    "power_ratio": ("Is there enough detail?", "power, relative to the truth"),
}
PIXEL_SIZES = (20, 10, 5, 3, 2, 1.5)  # ticks of the frequency axis, metres


def svg(draw: Callable[..., None], *arguments) -> str:
    """Draw on an empty chart with one of the functions below; return SVG text."""
    text = io.StringIO()
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure(figsize=(4.8, 3.1))
        FigureCanvasSVG(figure)
        # Margins are fixed, because computing them takes most of the time.
        figure.subplots_adjust(left=0.17, right=0.98, bottom=0.16, top=0.84)
        draw(figure.subplots(), *arguments)
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()


def curves(axis: Axes, spectrum: dict, name: str) -> None:
    """Draw one of `CURVES` over frequency for each method; `spectrum` holds them.

    Each tick is at the highest frequency that pixels of its label, metres, can hold.  A
    dot marks the effective resolution, where the correlation crosses the dashed line.
    """
    frequency, values = np.array(spectrum["cycles_per_metre"]), spectrum[name]
    title, label = CURVES[name]
    marks = spectrum["effective_resolution_metres"] if name == "correlation" else {}
    level = spectrum["threshold"] if marks else 1.0
    axis.axhline(level, color=GREY, linewidth=1, linestyle="--")
    for method, numbers in values.items():
        colour = COLOURS[method]
        axis.plot(frequency, numbers, color=colour, linewidth=2, label=method)
        if marks.get(method):
            dot = {"color": colour, "markersize": 7, "markeredgecolor": "white"}
            axis.plot(1 / (2 * marks[method]), level, "o", **dot)
    sizes = [s for s in PIXEL_SIZES if 1 / (2 * s) <= frequency[-1] * 1.01]
    axis.set_xticks([1 / (2 * size) for size in sizes], [f"{s:g}" for s in sizes])
    axis.set_xlim(0, frequency[-1])
    axis.set_ylim(0, np.clip(max(map(max, values.values())), 1.05, 2))
    axis.set(xlabel="detail that needs pixels of ... metres", ylabel=label, title=title)
    axis.legend(loc="upper right")


def bars(axis: Axes, gains: np.ndarray) -> None:
    """Draw the gain of each patch over bicubic as a bar, [n] dB; the best is first."""
    ranked = np.argsort(-gains, kind="stable")
    edges = (np.arange(len(gains))[:, None] + [-0.4, 0.4]).ravel()
    for name, part in ("model", gains > 0), ("bicubic", gains < 0):
        if part.any():  # one shape, however many patches
            heights = np.where(part, gains, 0)[ranked]
            heights = np.column_stack([heights, 0 * heights]).ravel()[:-1]
            style = {"color": COLOURS[name], "label": f"{name} is better"}
            axis.stairs(heights, edges, fill=True, **style)
    axis.axhline(0, color="black", linewidth=1)
    axis.grid(axis="x", visible=False)
    few = len(gains) <= MOST_NUMBERED
    axis.set_xticks(range(len(gains)) if few else [], ranked if few else None)
    axis.set_xlabel("number of the patch" if few else f"{len(gains)} patches")
    axis.set_ylabel("gain over bicubic, dB")
    axis.set_title("Gain, patch by patch")
    if gains.any():
        axis.legend(loc="upper right")


def scene_map(axis: Axes, test: EvalSet, gains: np.ndarray) -> None:
    """Draw the footprints of the test patches, coloured by their gains, [n] dB.

    Patches of the other groups are grey.
    """
    spacing = FACTOR * test.spacing / 1000  # kilometres per lr pixel
    side = spacing * test.size / FACTOR
    most = np.abs(gains).max() or 1
    tints = [COLOURS["bicubic"], "#f7f7f7", COLOURS["model"]]
    tints = LinearSegmentedColormap.from_list("better", tints)
    colours = ScalarMappable(TwoSlopeNorm(0, -most, most), tints)

    def draw(windows: Any, **style: Any) -> None:
        corners = (np.reshape(windows, (-1, 2)) * spacing).tolist()
        squares = [Rectangle((col, row), side, side) for row, col in corners]
        axis.add_collection(PatchCollection(squares, linewidth=0.5, **style))

    for group in test.dataset.get("groups", {}).values():
        draw(group.get("windows", ()), facecolor="#dfe3e9", edgecolor="white")
    draw(test.windows, facecolor=colours.to_rgba(gains), edgecolor="#39414d")
    if len(gains) <= MOST_NUMBERED:
        for number, (row, col) in enumerate(test.windows * spacing + side / 2):
            ink = "white" if abs(gains[number]) > 0.6 * most else "black"
            middle = {"ha": "center", "va": "center"}
            axis.text(col, row, number, fontsize=8, color=ink, **middle)
    axis.autoscale_view()
    axis.set(aspect="equal", xlabel="km from the corner of the image", ylabel="km")
    axis.grid(visible=False)
    axis.invert_yaxis()
    axis.figure.colorbar(colours, ax=axis, shrink=0.9)
    title = "Gain over bicubic, dB\nnumbers: patches; grey: other groups"
    axis.set_title(title, loc="right")
