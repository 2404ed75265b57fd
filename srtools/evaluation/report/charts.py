"""Charts of an evaluation, as SVG text."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
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

from srtools.evaluation.coverage import GROUNDS

STYLE = Path(__file__).with_name("charts.mplstyle")
COLOURS = {
    "nearest": "#c5cad3",
    "bilinear": "#8d97a8",
    "bicubic": "#e0872a",
    "model": "#1d6fd8",
}
INK = "#39414d"
PIXEL_SIZES = (20, 10, 5, 3, 2, 1.5)  # metres, on the axis of frequencies


def _colour(name: str, number: int) -> str:
    """Give a method's own colour, or one for the first and the second of two models."""
    return COLOURS.get(name) or (COLOURS["bicubic"], COLOURS["model"])[number % 2]


@contextmanager
def _figure(height: float = 3.1) -> Iterator[tuple[Figure, Axes]]:
    """Give an empty figure, `height` inches high, in the style of all charts."""
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure(figsize=(4.8, height))
        FigureCanvasSVG(figure)
        # The margins are known: measuring them would take most of the time.
        figure.subplots_adjust(left=0.13, right=0.98, bottom=0.16, top=0.84)
        yield figure, figure.subplots()


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()


def bars(bands: list[str], values: dict[str, dict], title: str, unit: str) -> str:
    """Draw one group of bars per band, one bar per method.

    Arguments:
        bands: names of the groups.
        values: by method, by band.
        title: line above the chart.
        unit: label of the axis.
    """
    with _figure() as (figure, axis):
        width = 0.8 / len(values)
        for number, (method, by_band) in enumerate(values.items()):
            places = np.arange(len(bands)) + (number - (len(values) - 1) / 2) * width
            heights = [by_band[band] for band in bands]
            colour = _colour(method, number)
            axis.bar(places, heights, 0.9 * width, color=colour, label=method)
        axis.set_xticks(range(len(bands)), bands)
        axis.grid(axis="x", visible=False)
        axis.tick_params(axis="x", length=0)
        heights = [by_band[band] for by_band in values.values() for band in bands]
        lowest, highest = min(heights), max(heights)
        if lowest > 0.6 * highest:  # from zero on, the differences would be invisible
            axis.set_ylim(lowest - 0.5 * (highest - lowest) - 1e-9, None)
        axis.set_ylabel(unit)
        axis.set_title(title, pad=24)
        axis.legend(
            ncols=len(values),
            loc="lower left",
            bbox_to_anchor=(-0.02, 0.98),
            handlelength=1,
            columnspacing=1,
            borderaxespad=0,
        )
        return _svg(figure)


def curves(
    cycles_per_metre: list[float],
    values: dict[str, list],
    title: str,
    unit: str,
    *,
    level: float,
    marks: dict[str, float | None] | None = None,
) -> str:
    """Draw one curve per method over frequency, with the pixel size it stands for.

    Arguments:
        cycles_per_metre: frequencies.
        values: by method, one value per frequency.
        title: line above the chart.
        unit: label of the axis.
        level: height of the dashed line.
        marks: by method, a pixel size in metres to mark with a dot, or None.
    """
    with _figure() as (figure, axis):
        frequency = np.array(cycles_per_metre)
        axis.axhline(level, color="#9aa3b0", linewidth=1, linestyle="--")
        for number, (method, numbers) in enumerate(values.items()):
            colour = _colour(method, number)
            axis.plot(frequency, numbers, color=colour, linewidth=2, label=method)
            if marks and marks.get(method):
                at = 1 / (2 * marks[method])
                dot = {"markersize": 7, "markeredgecolor": "white"}
                axis.plot(at, level, "o", color=colour, **dot)
        sizes = [s for s in PIXEL_SIZES if 1 / (2 * s) <= frequency[-1] * 1.01]
        axis.set_xticks([1 / (2 * size) for size in sizes], [f"{s:g}" for s in sizes])
        axis.set_xlim(0, frequency[-1])
        highest = max(max(numbers) for numbers in values.values())
        axis.set_ylim(0, max(1.05, min(2, highest)))
        axis.set_xlabel("detail that needs pixels of ... metres")
        axis.set_ylabel(unit)
        axis.set_title(title)
        axis.legend(loc="upper right")
        return _svg(figure)


def histogram(gains: np.ndarray) -> str:
    """Draw the distribution of the gain over bicubic, dB, over the patches."""
    with _figure() as (figure, axis):
        low, high = min(gains.min(), 0), max(gains.max(), 0)
        bins = np.linspace(low, high, 31) if high > low else 10
        _, edges, drawn = axis.hist(gains, bins=bins, color=COLOURS["model"])
        for edge, bar in zip(edges[1:], drawn, strict=False):
            if edge <= 1e-9:
                bar.set_color(COLOURS["bicubic"])
        axis.axvline(0, color=INK, linewidth=1)
        axis.grid(axis="x", visible=False)
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.xaxis.get_major_locator().set_params(nbins=7)
        axis.set_xlabel("gain over bicubic, dB (negative: bicubic is better)")
        axis.set_ylabel("patches")
        axis.set_title("Gain, patch by patch")
        return _svg(figure)


def promises(levels: dict[str, dict], title: str) -> str:
    """Draw how often intervals hold the truth over what they promise.

    Arguments:
        levels: `levels` of `srtools.evaluation.coverage`.
        title: line above the chart.
    """
    with _figure() as (figure, axis):
        figure.subplots_adjust(left=0.17)  # the ticks are wider than elsewhere
        promised = [float(level) for level in levels]
        ends = min(promised) - 0.05, 0.99
        axis.plot(ends, ends, color="#9aa3b0", linewidth=1, linestyle="--")
        grounds = {name for found in levels.values() for name in found["by_ground"]}
        lines = {
            "all pixels": [found["coverage"]["all"] for found in levels.values()],
            **{
                name: [
                    found["by_ground"][name]["coverage"] for found in levels.values()
                ]
                for name in GROUNDS
                if name in grounds
            },
        }
        for colour, (name, held) in zip(
            (COLOURS["model"], "#8d97a8", "#2f9e6e", COLOURS["bicubic"]),
            lines.items(),
            strict=False,
        ):
            width = 2 if name == "all pixels" else 1
            look = {"color": colour, "linewidth": width}
            axis.plot(promised, held, "o-", label=name, **look)
        axis.set_xlim(*ends)
        axis.set_ylim(
            min(ends[0], *(min(held) for held in lines.values())) - 0.02, 1.01
        )
        axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
        axis.yaxis.set_major_formatter(PercentFormatter(1, 0))
        axis.set_xlabel("pixels that the interval promises to hold")
        axis.set_ylabel("pixels that it holds")
        axis.set_title(title)
        axis.legend(loc="lower right")
        return _svg(figure)


def scene_map(
    windows: np.ndarray,
    size: int,
    values: np.ndarray,
    scene: dict,
    title: str,
    ground: np.ndarray | None = None,
) -> str:
    """Draw the patches where they lie in the scene, coloured by a value.

    Arguments:
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
    with _figure(height=3.6) as (figure, axis):
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
        figure.colorbar(colours, ax=axis, shrink=0.85)
        axis.set_title(title)
        return _svg(figure)
