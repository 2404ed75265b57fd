"""Charts of an evaluation, as SVG text."""

import io

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

COLOURS = {
    "nearest": "#c5cad3", "bilinear": "#8d97a8", "bicubic": "#e0872a",
    "model": "#1d6fd8", "truth": "#2b9a5c",
}  # fmt: skip
INK, FAINT = "#39414d", "#dfe3e9"
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "sr_eval", "font.family": "sans-serif",
    "font.size": 10, "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.edgecolor": "#b8bec8", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": FAINT,
    "axes.axisbelow": True, "legend.frameon": False, "axes.titlesize": 11,
    "axes.titleweight": "bold", "axes.titlelocation": "left",
}  # fmt: skip


def _figure(width: float = 4.8, height: float = 3.1):
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots()


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()


def bars(bands: list[str], values: dict[str, dict], title: str, unit: str) -> str:
    """Draw one group of bars per band, one bar per method.

    Arguments:
        bands: names of the groups.
        values: by method, by band.
        title, unit: what is drawn, and in what.
    """
    with matplotlib.rc_context(STYLE):
        figure, axis = _figure()
        width = 0.8 / len(values)
        for number, (method, by_band) in enumerate(values.items()):
            places = np.arange(len(bands)) + (number - (len(values) - 1) / 2) * width
            heights = [by_band[band] for band in bands]
            colour = COLOURS.get(method, list(COLOURS.values())[-1 - number])
            axis.bar(places, heights, 0.9 * width, color=colour, label=method)
        axis.set_xticks(range(len(bands)), bands)
        axis.grid(axis="x", visible=False)
        axis.tick_params(axis="x", length=0)
        lowest = min(min(v[b] for b in bands) for v in values.values())
        highest = max(max(v[b] for b in bands) for v in values.values())
        if lowest > 0.6 * highest:  # differences would be lost above a zero
            axis.set_ylim(lowest - 0.5 * (highest - lowest) - 1e-9, None)
        axis.set_ylabel(unit)
        axis.set_title(title, pad=24)
        axis.legend(
            ncols=len(values), loc="lower left", bbox_to_anchor=(-0.02, 0.98),
            fontsize=9, handlelength=1, columnspacing=1, borderaxespad=0,
        )  # fmt: skip
        return _svg(figure)


def curves(
    cycles_per_metre: list[float], values: dict[str, list], title: str,
    unit: str, level: float, marks: dict[str, float | None],
) -> str:  # fmt: skip
    """Draw one curve per method over frequency, with the pixel size it stands for.

    Arguments:
        cycles_per_metre: frequencies.
        values: by method, one value per frequency.
        title, unit: what is drawn.
        level: of the dashed line.
        marks: by method, a pixel size in metres to mark with a dot, or None.
    """
    with matplotlib.rc_context(STYLE):
        figure, axis = _figure()
        frequency = np.array(cycles_per_metre)
        axis.axhline(level, color="#9aa3b0", linewidth=1, linestyle="--")
        for method, numbers in values.items():
            colour = COLOURS.get(method, COLOURS["truth"])
            axis.plot(frequency, numbers, color=colour, linewidth=2, label=method)
            if marks.get(method):
                axis.plot(
                    1 / (2 * marks[method]), level, "o", color=colour, markersize=7,
                    markeredgecolor="white",
                )  # fmt: skip
        sizes = [
            s for s in (20, 10, 5, 3, 2, 1.5) if 1 / (2 * s) <= frequency[-1] * 1.01
        ]
        axis.set_xticks([1 / (2 * size) for size in sizes], [f"{s:g}" for s in sizes])
        axis.set_xlim(0, frequency[-1])
        axis.set_ylim(0, max(1.05, min(2, max(max(v) for v in values.values()))))
        axis.set_xlabel("detail that needs pixels of ... metres")
        axis.set_ylabel(unit)
        axis.set_title(title)
        axis.legend(fontsize=9, loc="upper right")
        return _svg(figure)


def histogram(gains: np.ndarray) -> str:
    """Draw how the gain over bicubic is spread over the patches."""
    with matplotlib.rc_context(STYLE):
        figure, axis = _figure()
        low, high = min(gains.min(), 0), max(gains.max(), 0)
        bins = np.linspace(low, high, 31) if high > low else 10
        _, edges, drawn = axis.hist(gains, bins=bins, color=COLOURS["model"])
        for edge, bar in zip(edges[1:], drawn, strict=False):
            if edge <= 1e-9:
                bar.set_color(COLOURS["bicubic"])
        axis.axvline(0, color=INK, linewidth=1)
        axis.grid(axis="x", visible=False)
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("gain over bicubic, dB (negative: bicubic is better)")
        axis.set_ylabel("patches")
        axis.set_title("Gain, patch by patch")
        return _svg(figure)


def scene_map(
    windows: np.ndarray, size: int, values: np.ndarray, scene: dict, title: str
) -> str:
    """Draw the patches where they lie in the scene, coloured by a value.

    Arguments:
        windows: [n, 2] first row and column of each patch.
        size: of the patches, in the pixels of `windows`.
        values: [n] what colours them; if some are negative, 0 is white.
        scene: card of the image, with size, origin and spacing, or empty.
        title: what is drawn.
    """
    spacing = scene.get("spacing", 1.0)
    left, top = scene.get("origin", (0.0, 0.0))
    cols, rows = scene.get("size") or (windows + size).max(axis=0)[::-1]
    with matplotlib.rc_context(STYLE):
        figure, axis = _figure(4.8, 3.6)
        squares = [
            Rectangle(
                (left + col * spacing, top - (row + size) * spacing),
                *[size * spacing] * 2,
            )
            for row, col in windows
        ]
        if values.min() < 0:
            most = np.abs(values).max()
            scale = ScalarMappable(TwoSlopeNorm(0, -most, most), "PuOr")
        else:
            scale = ScalarMappable(cmap="viridis")
            scale.set_clim(0, values.max() or 1)
        colours = scale.to_rgba(values)
        extent = Rectangle(
            (left, top - rows * spacing), cols * spacing, rows * spacing,
            facecolor="#edf0f4",
        )  # fmt: skip
        axis.add_patch(extent)
        axis.add_collection(
            PatchCollection(
                squares, facecolor=colours, edgecolor="white", linewidth=0.3
            )
        )
        axis.set_xlim(left, left + cols * spacing)
        axis.set_ylim(top - rows * spacing, top)
        axis.set_aspect("equal")
        axis.ticklabel_format(useOffset=False, style="plain")
        axis.locator_params(nbins=3)
        axis.tick_params(labelsize=8)
        axis.grid(visible=False)
        figure.colorbar(scale, ax=axis, shrink=0.85)
        axis.set_title(title)
        return _svg(figure)
