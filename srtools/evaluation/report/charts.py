"""Charts of an evaluation.

The functions draw into an empty chart, `axis`; called without it, they return SVG text.
"""

import io
from collections.abc import Callable
from functools import wraps
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
from matplotlib.ticker import PercentFormatter

STYLE = Path(__file__).with_name("charts.mplstyle")
COLOURS = {
    "nearest": "#c5cad3",
    "bilinear": "#8d97a8",
    "bicubic": "#e0872a",
    "model": "#1d6fd8",
}
GREY, GREEN = "#9aa3b0", "#2f9e6e"
PIXEL_SIZES = (20, 10, 5, 3, 2, 1.5)  # metres, on the axis of frequencies


def _svg(draw: Callable[..., None]) -> Callable[..., str]:
    """Let a function draw into an empty chart, and return it as SVG text."""

    @wraps(draw)
    def drawn(*arguments, **options) -> str:
        text = io.StringIO()
        with matplotlib.rc_context(fname=STYLE):
            figure = Figure(figsize=(4.8, 3.1))
            FigureCanvasSVG(figure)
            # Fixed margins: measuring them would take most of the time.
            figure.subplots_adjust(left=0.17, right=0.98, bottom=0.16, top=0.84)
            draw(figure.subplots(), *arguments, **options)
            figure.savefig(
                text, format="svg", transparent=True, metadata={"Date": None}
            )
        return text.getvalue()

    return drawn


def _colour(name: str, number: int) -> str:
    """Return a method's own colour, or one for the first and second of two models."""
    return COLOURS.get(name) or (COLOURS["bicubic"], COLOURS["model"])[number % 2]


@_svg
def bars(axis: Axes, bands: list[str], values: dict, title: str, unit: str) -> None:
    """Draw one group of bars per band, one bar per method: `values` by method, band."""
    width = 0.8 / len(values)
    heights = np.array(
        [[by_band[band] for band in bands] for by_band in values.values()]
    )
    for number, (method, row) in enumerate(zip(values, heights, strict=True)):
        places = np.arange(len(bands)) + (number - (len(values) - 1) / 2) * width
        colour = _colour(method, number)
        axis.bar(places, row, 0.9 * width, color=colour, label=method)
    axis.set_xticks(range(len(bands)), bands)
    axis.grid(axis="x", visible=False)
    lowest, highest = heights.min(), heights.max()
    if lowest > 0.6 * highest:  # from zero on, the differences would be invisible
        axis.set_ylim(lowest - 0.5 * (highest - lowest) - 1e-9, None)
    axis.set_ylabel(unit)
    axis.set_title(title, pad=24)
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 0.98), "borderaxespad": 0}
    axis.legend(ncols=len(values), handlelength=1, columnspacing=1, **place)


@_svg
def curves(
    axis: Axes,
    cycles_per_metre: list[float],
    values: dict[str, list],
    labels: tuple[str, str],
    level: float,
    marks: dict[str, float | None] | None = None,
) -> None:
    """Draw one curve per method over frequency, with the pixel size it stands for.

    Arguments:
        axis: the chart.
        cycles_per_metre: frequencies.
        values: by method, one value per frequency.
        labels: title, and label of the vertical axis.
        level: height of the dashed line.
        marks: by method, a pixel size in metres to mark with a dot, or None.
    """
    frequency = np.array(cycles_per_metre)
    axis.axhline(level, color=GREY, linewidth=1, linestyle="--")
    for number, (method, numbers) in enumerate(values.items()):
        colour = _colour(method, number)
        axis.plot(frequency, numbers, color=colour, linewidth=2, label=method)
        if marks and marks.get(method):
            dot = {"color": colour, "markersize": 7, "markeredgecolor": "white"}
            axis.plot(1 / (2 * marks[method]), level, "o", **dot)
    sizes = [s for s in PIXEL_SIZES if 1 / (2 * s) <= frequency[-1] * 1.01]
    axis.set_xticks([1 / (2 * size) for size in sizes], [f"{s:g}" for s in sizes])
    axis.set_xlim(0, frequency[-1])
    axis.set_ylim(0, np.clip(max(map(max, values.values())), 1.05, 2))
    axis.set(xlabel="detail that needs pixels of ... metres", ylabel=labels[1])
    axis.set_title(labels[0])
    axis.legend(loc="upper right")


@_svg
def histogram(axis: Axes, gains: np.ndarray) -> None:
    """Draw the distribution of the gain over bicubic, dB, over the patches."""
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


@_svg
def promises(axis: Axes, levels: dict[str, dict], title: str) -> None:
    """Draw how often intervals hold the truth over what they promise, by ground.

    Arguments:
        axis: the chart.
        levels: `levels` of `srtools.evaluation.coverage`.
        title: line above the chart.
    """
    promised = [float(level) for level in levels]
    ends = min(promised) - 0.05, 0.99
    axis.plot(ends, ends, color=GREY, linewidth=1, linestyle="--")
    records = levels.values()
    lines = {"all pixels": [record["coverage"]["all"] for record in records]}
    for ground in next(iter(records))["by_ground"]:
        lines[ground] = [record["by_ground"][ground]["coverage"] for record in records]
    colours = COLOURS["model"], COLOURS["bilinear"], GREEN, COLOURS["bicubic"]
    for colour, (name, held) in zip(colours, lines.items(), strict=False):
        axis.plot(promised, held, "o-", label=name, color=colour)
    lowest = min(ends[0], *(min(held) for held in lines.values()))
    axis.set(xlim=ends, ylim=(lowest - 0.02, 1.01))
    axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
    axis.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axis.set_xlabel("pixels that the interval promises to hold")
    axis.set_ylabel("pixels that it holds")
    axis.set_title(title)
    axis.legend(loc="lower right")


@_svg
def scene_map(
    axis: Axes,
    windows: np.ndarray,
    size: int,
    values: np.ndarray,
    scene: dict,
    title: str,
    ground: np.ndarray | None = None,
) -> None:
    """Draw the patches where they lie in the scene, coloured by a value.

    Arguments:
        axis: the chart.
        windows: [n, 2] first row and column of each patch.
        size: side of the patches, pixels of `windows`.
        values: [n] value of each patch; if some are negative, 0 is white.
        scene: card of the image, with size and spacing, or empty.
        title: line above the map.
        ground: [h, w, 3] picture of the scene in 0-1, to draw them on.
    """
    scale = scene.get("spacing", 1000.0) / 1000  # kilometres, or pixels if unknown
    cols, rows = scene.get("size") or (windows + size).max(axis=0)[::-1]
    colours = ScalarMappable(cmap="viridis")
    colours.set_clim(0, values.max() or 1)
    if values.min() < 0:
        most = np.abs(values).max()
        colours = ScalarMappable(TwoSlopeNorm(0, -most, most), "PuOr")
    squares = [
        Rectangle((col * scale, row * scale), size * scale, size * scale)
        for row, col in windows.tolist()
    ]
    axis.grid(False)
    if ground is None:
        ground = np.full((1, 1, 3), 0.93)
    # Pale, so that the colours of the patches are what one sees.
    extent = (0, cols * scale, rows * scale, 0)
    axis.imshow(0.4 + 0.6 * ground, extent=extent, aspect="equal")
    drawn = PatchCollection(squares, facecolor=colours.to_rgba(values))
    drawn.set(edgecolor="white", linewidth=0.5, alpha=0.85)
    axis.add_collection(drawn)
    axis.set(xlim=(0, cols * scale), ylim=(rows * scale, 0), aspect="equal")
    unit = "km" if "spacing" in scene else "pixels"
    axis.set_xlabel(f"{unit} from the corner of the image")
    axis.figure.colorbar(colours, ax=axis, shrink=0.85)
    axis.set_title(title)
