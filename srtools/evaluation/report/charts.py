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


def _colour(name: str, number: int) -> str:
    """Give a method's own colour, or one for the first and the second of two models."""
    return COLOURS.get(name) or (COLOURS["bicubic"], COLOURS["model"])[number % 2]


def _figure(width: float = 4.8, height: float = 3.1):
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    # Where things go is known: finding it out would take most of the time.
    figure.subplots_adjust(left=0.13, right=0.98, bottom=0.16, top=0.84)
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
            colour = _colour(method, number)
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
        for number, (method, numbers) in enumerate(values.items()):
            colour = _colour(method, number)
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
        axis.xaxis.get_major_locator().set_params(nbins=7)
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
        scene: card of the image, with size and spacing, or empty.
        title: what is drawn.
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
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure, axis = _figure(height=3.6)
        axis.add_patch(Rectangle((0, 0), cols * scale, rows * scale, color="#edf0f4"))
        drawn = PatchCollection(squares, facecolor=colours.to_rgba(values))
        drawn.set(edgecolor="white", linewidth=0.3)
        axis.add_collection(drawn)
        axis.set(xlim=(0, cols * scale), ylim=(rows * scale, 0), aspect="equal")
        unit = "km" if "spacing" in scene else "pixels"
        axis.set_xlabel(f"{unit} from the corner of the image")
        figure.colorbar(colours, ax=axis, shrink=0.85)
        axis.set_title(title)
        return _svg(figure)
