"""Charts of an evaluation."""

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import TwoSlopeNorm
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


def histogram(axis: Axes, gains: np.ndarray) -> None:
    """Draw the histogram of the gain of each patch over bicubic, [n] dB."""
    low, high = min(gains.min(), 0), max(gains.max(), 0)
    bins = np.linspace(low, high, 31) if high > low else 10
    _, edges, drawn = axis.hist(gains, bins=bins, color=COLOURS["model"])
    for edge, bar in zip(edges[1:], drawn, strict=False):
        if edge <= 1e-9:
            bar.set_color(COLOURS["bicubic"])
    axis.axvline(0, color="black", linewidth=1)
    axis.grid(axis="x", visible=False)
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.xaxis.get_major_locator().set_params(nbins=7)
    axis.set_xlabel("gain over bicubic, dB (negative: bicubic is better)")
    axis.set_ylabel("patches")
    axis.set_title("Gain, patch by patch")


def scene_map(axis: Axes, test: EvalSet, gains: np.ndarray) -> None:
    """Draw the footprints of the test patches, coloured by their gains, [n] dB."""
    spacing = FACTOR * test.spacing / 1000  # kilometres per lr pixel
    side = spacing * test.size / FACTOR
    most = np.abs(gains).max() or 1
    colours = ScalarMappable(TwoSlopeNorm(0, -most, most), "PuOr")
    squares = [
        Rectangle((col, row), side, side)
        for row, col in (test.windows * spacing).tolist()
    ]
    face = {"facecolor": colours.to_rgba(gains), "edgecolor": "white"}
    axis.add_collection(PatchCollection(squares, linewidth=0.5, **face))
    axis.autoscale_view()
    axis.set(aspect="equal", facecolor="#f2f2f2")
    axis.invert_yaxis()
    axis.set_xlabel("km from the corner of the image")
    axis.figure.colorbar(colours, ax=axis, shrink=0.85)
    axis.set_title("Gain over bicubic, dB")
