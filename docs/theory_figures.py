"""Draw the figures of theory on the pages: docs/theory/*.png.

make pictures

They need no network and no images: the ground is that of the demo, or a few numbers.
On one machine the pixels are always the same; it takes less than a minute.
"""

import io
import sys
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo import sensors
from demo.landscape import draw_landscape
from demo.render import render
from sr_model import EvenZoom, KeepMean, SRModel, element_spec
from srtools.conventions import (
    BANDS,
    FACTOR,
    HR_SPACING_METRES,
    INPUT,
    LR_SPACING_METRES,
    OFFSET_DN,
    OUTPUT,
    S2_SPACING_METRES,
    SCALE,
)
from srtools.files import whole_file
from srtools.images.figures import stretch, to_display
from srtools.images.interpolation import ZOOMS, bicubic, zoom
from srtools.matching.point_spread import BLUR_METRES
from srtools.matching.registration import FINEST_PERIOD
from srtools.network.receptive_field import receptive_field
from srtools.tf import tf
from srtools.training.losses import REACH

FOLDER = Path(__file__).resolve().parent / "theory"
INCHES, DOTS = 11.0, 110  # 1210 pixels wide
MOST_BYTES = 150_000
BLUE, ORANGE, GREEN, RED, GREY = "#1f5fa8", "#d9730d", "#2e8540", "#b3261e", "#777777"
DARK = "#444444"


def main() -> None:
    """Draw all figures."""
    tf.keras.utils.set_random_seed(1)
    FOLDER.mkdir(exist_ok=True)
    for draw in (
        *(rcs, phase, residual, field, checkerboard),
        *(l1_l2, l1_shift, keep_mean, zooms, tiles, mtf, offset, unseen),
    ):
        print(draw())


def new(title: str, height: float) -> Figure:
    """Create a figure of INCHES x height with a title."""
    figure = Figure(figsize=(INCHES, height), dpi=DOTS, layout="constrained")
    figure.suptitle(title, fontsize=15)
    return figure


def save(figure: Figure, name: str) -> Path:
    """Save a figure with at most 256 colours, so that the page loads fast."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB")
    path = FOLDER / f"{name}.png"
    with whole_file(path) as partial:
        image.quantize(256, dither=Image.Dither.NONE).save(partial, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"error: {path} has {path.stat().st_size} bytes")
    return path


def show(axis, image: np.ndarray, title: str, limits=None, **options) -> None:
    """Show an image [h, w] in grey, or [h, w, bands] in true colour, without axes."""
    if image.ndim == 3:
        colours = image[..., :3]
        image = to_display(colours, limits or stretch(colours))
    axis.imshow(image, interpolation="nearest", **{"cmap": "gray", **options})
    axis.set_title(title, fontsize=12)
    axis.set_xticks([])
    axis.set_yticks([])


@cache
def ground(size: int = 768) -> np.ndarray:
    """Return the demo's ground at 1.5 m, [size, size, 4] DN without offset."""
    return render(draw_landscape(size, 1), 0, 0, size, size, 1).astype(float)


def blurred(spacing: float, east: float = 0.0, north: float = 0.0) -> np.ndarray:
    """Blur all of the ground as Sentinel-2 does, in pixels of `spacing` metres."""
    side = int(len(ground()) * HR_SPACING_METRES / spacing)
    centres = (np.arange(side) + 0.5) * spacing
    return sensors.optics(ground(), centres - east, centres + north)


def rcs() -> Path:
    """Pansharpen a piece of town; and an edge, with two sizes of the mean."""
    pan, xs = sensors.spot(ground(), np.random.default_rng(1), 0)
    pan = pan.astype(float)
    cubic = bicubic(xs[None].astype(np.float32), pan.shape)[0]
    ratio = pan / ndimage.uniform_filter(pan, 7)
    figure = new("RCS: the colour of XS, the detail of PAN", 7.4)
    above, below = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    piece = slice(300, 428), slice(300, 428)
    limits = stretch(cubic[piece][..., :3])
    axes = above.subplots(1, 4)
    darkest, brightest = np.percentile(pan[piece], (1, 99))
    show(axes[0], pan[piece], "PAN, 1.5 m", vmin=darkest, vmax=brightest)
    show(axes[1], cubic[piece], "XS, 6 m, cubic zoom", limits)
    show(axes[2], ratio[piece], "PAN / its mean over 7 x 7", vmin=0.5, vmax=1.5)
    show(axes[3], (cubic * ratio[..., None])[piece], "the product", limits)
    profile(below.subplots())
    return save(figure, "rcs")


def profile(axis) -> None:
    """Pansharpen an edge with means over 7 x 7 and 19 x 19 pixels."""
    edge = np.where(np.arange(96) < 50, 1000.0, 2500.0) + np.zeros((96, 1))
    blocks = edge.reshape(24, FACTOR, 24, FACTOR).mean(axis=(1, 3))
    zoomed = bicubic(blocks[None, ..., None].astype(np.float32), edge.shape)[0, ..., 0]
    metres = (np.arange(96) - 49.5) * HR_SPACING_METRES
    axis.plot(metres, edge[48], color="black", label="truth", drawstyle="steps-mid")
    axis.plot(metres, zoomed[48], color=GREY, label="XS, cubic zoom", ls="--")
    for size, colour in ((7, GREEN), (19, RED)):
        sharp = zoomed * edge / ndimage.uniform_filter(edge, size)
        label = f"product, mean over {size} x {size} pixels ({1.5 * size:g} m)"
        axis.plot(metres, sharp[48], color=colour, label=label, lw=2)
    axis.set(xlim=(-30, 30), xlabel="metres from an edge", ylabel="DN of XS")
    axis.legend(fontsize=11, loc="upper left")
    title = "XS is blurred over a few metres: a wider mean counts the edge twice"
    axis.set_title(title, fontsize=12)


def phase() -> Path:
    """Measure a shift of +2.4 m east and -1.8 m north by phase correlation."""
    east, north = 2.4, -1.8
    metres = np.linspace(-12, 12, 241)
    surface = correlation(
        blurred(LR_SPACING_METRES), blurred(LR_SPACING_METRES, east, north), metres
    )
    row, col = np.unravel_index(surface.argmax(), surface.shape)
    figure = new("Phase correlation: the shift is where the peak lies", 4.9)
    axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
    x, y = (middle + np.arange(-24, 24, 0.25) for middle in (554, 550))  # metres
    views = (
        sensors.optics(ground(), x, y),
        sensors.optics(ground(), x - east, y + north),
    )
    for axis, view, title in zip(axes, views, ("image 1", "image 2"), strict=False):
        show(axis, view, title, stretch(views[0][..., :3]), extent=(-24, 24, 24, -24))
        axis.axhline(0, color="white", lw=1)
        axis.axvline(0, color="white", lw=1)
        axis.set_xlabel("48 m")
    drawn = axes[2].imshow(surface, extent=(-12, 12, 12, -12), cmap="viridis")
    axes[2].plot(metres[col], metres[row], "+", color="black", ms=18, mew=2)
    axes[2].axhline(0, color="white", lw=0.7)
    axes[2].axvline(0, color="white", lw=0.7)
    axes[2].set(xlabel="metres east", ylabel="metres south")
    figure.colorbar(drawn, ax=axes[2], label="correlation", shrink=0.8)
    peak = f"the peak: {metres[col]:+.1f} m east, {-metres[row]:+.1f} m north"
    axes[2].set_title(peak, fontsize=12)
    return save(figure, "phase")


def correlation(first: np.ndarray, second: np.ndarray, shifts: np.ndarray):
    """Compute the inverse transform of the normalised cross-power spectrum.

    Arguments:
        first, second: [n, n, bands], pixels of 6 m.
        shifts: shifts down and right, metres.
    """
    spectra = []
    for image in (first, second):
        grey = image[..., :3].mean(axis=-1)
        taper = np.hanning(len(grey))
        spectra.append(np.fft.fft2((grey - grey.mean()) * np.outer(taper, taper)))
    cross = np.conj(spectra[0]) * spectra[1]
    turns = np.fft.fftfreq(len(cross), LR_SPACING_METRES)  # cycles per metre
    low = np.hypot(*np.meshgrid(turns, turns)) < 1 / FINEST_PERIOD
    waves = np.exp(2j * np.pi * np.outer(shifts, turns))
    return np.real(waves @ (low * cross / np.abs(cross)) @ waves.T) / low.sum()


def chain(axis, y: float, boxes: list[tuple[float, str, str]]) -> None:
    """Draw boxes of (x, text, colour) in a row, with arrows between them."""
    end = None
    for x, text, colour in boxes:
        width = 0.7 if len(text) == 1 else 1.7
        corner = x - width / 2, y - 0.45
        style = {"boxstyle": "round,pad=0.02", "fc": colour, "ec": DARK}
        axis.add_patch(FancyBboxPatch(corner, width, 0.9, **style))
        axis.text(x, y, text, ha="center", va="center", fontsize=10.5)
        if end is not None:
            arrow(axis, (end, y), (corner[0], y))
        end = x + width / 2


def arrow(axis, start: tuple, end: tuple, bend: float = 0.0) -> None:
    """Draw an arrow, straight or bent."""
    style = {"arrowstyle": "-|>", "mutation_scale": 14, "color": DARK}
    path = f"arc3,rad={bend}"
    axis.add_patch(FancyArrowPatch(start, end, connectionstyle=path, **style))


def residual() -> Path:
    """Draw the network of sr_model.py, one of its blocks, and a correction."""
    figure = new("A residual network adds corrections to what it has", 7.2)
    above, below = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    axis = above.subplots()
    axis.set(xlim=(-0.9, 17.5), ylim=(-4.1, 1.7))
    axis.axis("off")
    plain, block, up = "#e8eef7", "#fdebd8", "#e0f0e3"
    network = [(0.0, "lr x 0.0001\n32 x 32 x 4", "white")]
    network += [(2.2, "conv 7 x 7\n64 filters", plain)]
    network += [(4.4, "4 residual\nblocks", block), (6.2, "+", "white")]
    network += [(x, "transposed\n4 x 4, x 2", up) for x in (8.0, 10.15)]
    network += [(12.3, "conv 7 x 7\n4 bands", plain)]
    network += [(14.4, "keep the\nmean of lr", plain)]
    network += [(16.5, "hr\n128 x 128 x 4", "white")]
    chain(axis, 0, network)
    arrow(axis, (2.2, 0.5), (6.2, 0.5), -0.3)
    axis.text(4.2, 1.4, "long skip", ha="center", fontsize=11)
    inside = [(3.4, "x", "white"), (6.2, "conv 3 x 3\nReLU", block)]
    inside += [(9.0, "conv 3 x 3", block), (11.4, "+", "white"), (13.4, "ReLU", block)]
    chain(axis, -2.9, inside)
    arrow(axis, (3.4, -2.4), (11.4, -2.4), -0.2)
    axis.text(7.4, -2.15, "skip: x passes unchanged", ha="center", fontsize=11)
    axis.text(1.0, -2.9, "one block:", ha="center", va="center", fontsize=12)
    axis.plot([3.6, 2.9], [-0.5, -2.35], color=GREY, ls=":")
    axis.plot([5.2, 14.3], [-0.5, -2.35], color=GREY, ls=":")
    addition(below.subplots(1, 3, sharex=True, sharey=True))
    return save(figure, "residual")


def addition(axes) -> None:
    """Draw an edge, a correction that a block might add, and their sum."""
    metres = np.linspace(-30, 30, 241)
    edge = 0.1 + 0.15 / (1 + np.exp(-metres / 3))
    added = 2.5 * (edge - ndimage.gaussian_filter1d(edge, 20, mode="nearest"))
    panels = (
        ("x: a soft edge", edge, BLUE),
        ("what two convolutions add", added, ORANGE),
        ("the sum: a steeper edge", edge + added, BLUE),
    )
    for axis, (title, line, colour) in zip(axes, panels, strict=True):
        axis.plot(metres, line, color=colour, lw=2)
        axis.axhline(0, color=GREY, lw=0.7)
        axis.set_title(title, fontsize=12)
        axis.set_xlabel("metres")


def field() -> Path:
    """Measure the input pixels on which the output pixels of one input pixel depend."""
    model = SRModel(element_spec(len(BANDS))).model
    lr = tf.constant(
        blurred(LR_SPACING_METRES)[None, 60:101, 60:101].astype(np.float32)
    )
    with tf.GradientTape() as tape:
        tape.watch(lr)
        pixels = model({INPUT: lr})[OUTPUT][0, 80:84, 80:84]  # those of lr pixel 20, 20
    gradient = np.abs(tape.gradient(pixels, lr)[0].numpy()).sum(axis=-1)
    gradient = np.where(gradient > 0, gradient / gradient.max(), np.nan)

    figure = new("How far the output looks: what moves it, and how much", 5.4)
    axis, line = figure.subplots(1, 2)
    norm, edge = LogNorm(np.nanmin(gradient), 1), 20.5
    place = (-edge, edge, edge, -edge)
    drawn = axis.imshow(gradient, norm=norm, extent=place, cmap="magma_r")
    figure.colorbar(drawn, ax=axis, label="gradient, the largest = 1", shrink=0.85)
    side = 2 * receptive_field(model) + 1
    squares = (
        (side, GREEN, f"receptive field, {side} x {side}"),
        (32, BLUE, "a patch"),
    )
    for size, colour, label in squares:
        style = {"fill": False, "ec": colour, "lw": 2.5, "label": label}
        axis.add_patch(Rectangle((-size / 2, -size / 2), size, size, **style))
        line.axvline(-size / 2, color=colour, lw=2.5)
        line.axvline(size / 2, color=colour, lw=2.5, label=label)
    axis.set(xlabel="lr pixels east", ylabel="lr pixels south")
    axis.set_title("the gradient with respect to the input", fontsize=12)
    line.semilogy(np.arange(41) - 20, gradient[20], "o-", color="black", ms=4)
    line.set(xlim=(-edge, edge), xlabel="lr pixels east")
    line.set_title("the same along the middle row", fontsize=12)
    line.legend(fontsize=11, loc="lower center")
    return save(figure, "receptive_field")


def checkerboard() -> Path:
    """Count how often transposed convolutions write each pixel of a flat image."""
    figure = new(
        "Transposed convolutions of stride 2: how often is each pixel written?", 7.6
    )
    axes = figure.subplots(3, 4, height_ratios=[0.7, 1, 1])
    random = np.random.default_rng(3)
    columns = ((3, "kernel 3"), (4, "kernel 4"), (8, "kernel 8"), (4, "4, even sums"))
    for (size, name), column in zip(columns, axes.T, strict=True):
        kernel = random.uniform(0, 1, (size, size)).astype(np.float32)
        if "even" in name:
            kernel = EvenZoom()(tf.constant(kernel[..., None, None])).numpy()[..., 0, 0]
        counts = transposed(np.ones((size, size)))
        answer = transposed(kernel / kernel.sum() * 4)
        column[0].bar(range(12), counts[0] / np.sqrt(counts.max()), color=BLUE)
        column[0].set(ylim=(0, 4.6), xticks=[], yticks=[0, 1, 2, 3, 4])
        column[0].set_title(name, fontsize=13)
        show(column[1], counts, "", vmin=0, vmax=16, cmap="Blues")
        for (row, col), count in np.ndenumerate(counts[:6, :6]):
            ink = "white" if count > 8 else "black"
            column[1].text(col, row, int(count), ha="center", va="center", color=ink)
        column[1].set(xlim=(-0.5, 5.5), ylim=(5.5, -0.5))
        show(column[2], answer, "", vmin=0.4, vmax=1.6)
        off = 100 * np.abs(answer - 1).max()
        text = f"off by up to {off:.0f} %" if off > 0.01 else "flat"
        column[2].set_xlabel(text, fontsize=12)
    words = (
        "times written,\nalong a line",
        "times written,\n2-D",
        "answer to a\nflat image",
    )
    for axis, text in zip(axes[:, 0], words, strict=True):
        axis.set_ylabel(text, fontsize=12)
    return save(figure, "checkerboard")


def transposed(kernel: np.ndarray) -> np.ndarray:
    """Zoom a flat image by 2; return 12 x 12 pixels far from its border."""
    flat = np.ones((1, 16, 16, 1), np.float32)
    weights = kernel[..., None, None].astype(np.float32)
    zoomed = tf.nn.conv2d_transpose(flat, weights, (1, 32, 32, 1), 2)
    return zoomed[0, 10:22, 10:22, 0].numpy()


def l1_l2() -> Path:
    """Show the best answers for an edge that may lie in one of several places."""
    metres = np.linspace(-20, 20, 401)
    places = np.array([-8.0, -4.5, -1.0, 3.0, 7.0])
    edges = np.where(metres > places[:, None], 0.25, 0.10)
    figure = new("Where is the edge? Five answers are possible, all of them sharp", 4.2)
    axes = figure.subplots(1, 3, sharey=True)
    for index, edge in enumerate(edges):
        axes[0].plot(metres, edge + 0.002 * (index - 2), color=GREY, lw=1.5)
    axes[1].plot(metres, edges.mean(axis=0), color=ORANGE, lw=2.5)
    axes[2].plot(metres, np.median(edges, axis=0), color=GREEN, lw=2.5)
    label_profiles(axes, "least L2: the mean, soft", "least L1: the median, sharp")
    return save(figure, "l1_l2")


def label_profiles(axes, second: str, third: str) -> None:
    """Label three diagrams of reflectance: what is possible, and two answers."""
    titles = "what Sentinel-2 allows", second, third
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=13)
        axis.set_xlabel("metres")
    axes[0].set_ylabel("reflectance")


def l1_shift() -> Path:
    """Compare an image with a truth that lies beside it, at 25 shifts."""
    row, col, side, reach = 300, 300, 96, REACH
    image = ground()[row : row + side, col : col + side]
    shifts = range(-reach, reach + 1)
    down, right = 1, -2  # of the truth, hr pixels
    truths = {
        (y, x): ground()[row + y - down :, col + x - right :][:side, :side]
        for y in shifts
        for x in shifts
    }
    errors = [[np.abs(image - truths[y, x]).mean() for x in shifts] for y in shifts]
    beside, best = truths[0, 0], truths[down, right]
    limits = stretch(image[..., :3])
    figure = new("The truth lies 1 pixel too low and 2 too far left", 3.6)
    axes = figure.subplots(1, 5)
    show(axes[0], image, "the image", limits)
    show(axes[1], beside, "the truth", limits)
    top = {"vmin": 0, "vmax": 1500, "cmap": "magma"}
    for axis, truth, name in ((axes[2], beside, "L1"), (axes[4], best, "least L1")):
        error = np.abs(image - truth).mean(axis=-1)
        show(axis, error, f"{name}: {error.mean():.0f} DN", **top)
    extent = (-reach - 0.5, reach + 0.5, reach + 0.5, -reach - 0.5)
    axes[3].imshow(errors, cmap="viridis", extent=extent)
    for (y, x), error in np.ndenumerate(np.array(errors)):
        text = {"ha": "center", "va": "center", "fontsize": 7, "color": "white"}
        axes[3].text(x - reach, y - reach, f"{error:.0f}", **text)
    axes[3].set_title("L1 at 25 shifts", fontsize=12)
    axes[3].set(xticks=shifts, yticks=shifts)
    return save(figure, "l1_shift")


def keep_mean() -> Path:
    """Show that L1 loses a road whose place is unknown, and the layer its light."""
    metres = (np.arange(64) - 31.5) * HR_SPACING_METRES
    places = np.array([[-15.0], [-7.5], [0.0], [7.5], [15.0]])
    roads = np.where(np.abs(metres - places) < 3, 0.3, 0.1).astype(np.float32)
    median, mean = np.median(roads, axis=0), roads.mean(axis=0)
    hr = np.tile(median[None, :, None], (1, 64, 1, 1))
    lr = np.tile(mean.reshape(16, 4).mean(axis=1)[None, :, None], (1, 16, 1, 1))
    kept = KeepMean()([hr, lr])[0, 32, :, 0]
    figure = new("Where is the road? The median of five images has none", 4.2)
    axes = figure.subplots(1, 3, sharey=True)
    for index, road in enumerate(roads):
        axes[0].step(metres, road + 0.003 * (index - 2), color=GREY, where="mid")
    axes[1].step(metres, median, color=ORANGE, lw=2.5, where="mid")
    axes[2].step(metres, kept, color=GREEN, lw=2.5, where="mid")
    lines = {"color": BLUE, "linestyle": "--"}
    for axis, values in zip(axes, (mean, median, kept), strict=True):
        brightness = float(np.mean(values[8:-8]))
        axis.axhline(brightness, **lines, label=f"mean {brightness:.3f}")
        axis.legend(fontsize=12, loc="upper left")
    kept_title = "and the layer that keeps the mean"
    label_profiles(axes, "least L1: the median, too dark", kept_title)
    axes[0].set_ylim(0.08, 0.36)
    return save(figure, "keep_mean")


def zooms() -> Path:
    """Zoom Sentinel-2 from 10 m to 1.5 m in three ways, beside the truth."""
    side = 100  # pixels of 10 m, 1000 m
    s2 = blurred(S2_SPACING_METRES)[None, :side, :side].astype(np.float32)
    pixels = round(side * S2_SPACING_METRES / HR_SPACING_METRES) // 20 * 20
    side = round(pixels * HR_SPACING_METRES / S2_SPACING_METRES)
    truth = ground()[:pixels, :pixels]
    figure = new("Zooms that cost nothing, and their PSNR against the truth", 3.4)
    axes = figure.subplots(1, 4)
    piece = slice(300, 460), slice(300, 460)  # 240 m
    limits = stretch(truth[piece][..., :3])
    for axis, method in zip(axes, ZOOMS, strict=False):
        zoomed = zoom(s2[:, :side, :side], (pixels, pixels), method)[0].numpy()
        l2 = np.mean(((zoomed - truth)[piece] * SCALE) ** 2)
        text = f"{method}, {10 * np.log10(1 / l2):.2f} dB"
        show(axis, zoomed[piece], text, limits)
    show(axes[3], truth[piece], "truth, 1.5 m", limits)
    return save(figure, "bicubic")


def tiles() -> Path:
    """Run a network at once and in two tiles, without a crop and with one."""
    model = SRModel(element_spec(len(BANDS)), filters=8).model
    lr = blurred(LR_SPACING_METRES)[None, :64, 60:188].astype(np.float32)
    margin = receptive_field(model)
    crop = FACTOR * margin

    def run(first: int, last: int) -> np.ndarray:
        return model({INPUT: lr[:, :, first:last]})[OUTPUT].numpy()[0] / SCALE

    whole = run(0, 128)
    plain = np.concatenate([run(0, 64), run(64, 128)], axis=1)
    left, right = run(0, 64 + margin)[:, :-crop], run(64 - margin, 128)[:, crop:]
    cropped = np.concatenate([left, right], axis=1)
    titles = "tiles without a crop", f"with a crop of {crop} hr pixels"
    figure = new("Two tiles side by side, compared with one run", 6.4)
    axes = figure.subplots(2, 2)
    metres = (np.arange(512) - 255.5) * HR_SPACING_METRES
    window = slice(64, 192), slice(171, 341)  # 255 m across
    for image, title, (picture, line) in zip(
        (plain, cropped), titles, axes.T, strict=True
    ):
        show(picture, image[window], title, stretch(whole[window][..., :3]))
        error = np.abs(image - whole).mean(axis=(0, 2))
        line.axvspan(-crop * 1.5, crop * 1.5, color=GREEN, alpha=0.15)
        line.semilogy(metres, np.maximum(error, 1e-4), color=RED, lw=2)
        line.set(ylim=(7e-5, 1e4), xlim=(-127, 127))
        line.set(xlabel="metres from the border", ylabel="mean error, DN")
        if error.max() < 1e-4:
            text = "below 0.0001 DN:\nthe rounding of float32"
            line.text(0, 0.01, text, ha="center", fontsize=12)
    axes[1, 0].text(-75, 1500, "reach of the padding", color=GREEN, fontsize=11)
    return save(figure, "tiles")


def mtf() -> Path:
    """Draw the modulation transfer of Sentinel-2, XS and PAN over frequency."""
    frequency = np.linspace(0, 0.36, 400)
    sentinel = np.exp(-2 * (np.pi * BLUR_METRES * frequency) ** 2)
    figure = new("Contrast that is left, from coarse to fine detail", 5.0)
    axis = figure.subplots()
    axis.axvspan(1 / 20, 1 / 3, color=ORANGE, alpha=0.12)
    curves = (
        ("Sentinel-2, 10 m", sentinel, BLUE, S2_SPACING_METRES),
        ("a pixel of 6 m", np.abs(np.sinc(6 * frequency)), GREEN, LR_SPACING_METRES),
        ("a pixel of 1.5 m", np.abs(np.sinc(1.5 * frequency)), RED, HR_SPACING_METRES),
    )
    for name, curve, colour, spacing in curves:
        axis.plot(frequency, curve, color=colour, lw=2.5, label=name)
        axis.axvline(1 / (2 * spacing), color=colour, ls="--", lw=1.5)
        text = f"finest detail\nof {spacing:g} m pixels:\n1 cycle / {2 * spacing:g} m"
        style = {"color": colour, "fontsize": 10.5}
        style["ha"] = "left" if spacing == LR_SPACING_METRES else "right"
        nudge = 0.002 if style["ha"] == "left" else -0.002
        axis.text(1 / (2 * spacing) + nudge, 1.03, text, **style)
    axis.plot(1 / 20, 0.28, "o", color=BLUE)
    axis.text(0.053, 0.28, "0.28", color=BLUE, fontsize=12)
    text = "right of 1 cycle / 20 m: the network has to guess"
    axis.text(0.192, 0.55, text, ha="center", fontsize=13, color=ORANGE)
    axis.set(xlim=(0, 0.36), ylim=(0, 1.25), ylabel="modulation transfer (MTF)")
    axis.set(xlabel="cycles per metre", yticks=np.arange(0, 1.1, 0.2))
    axis.legend(fontsize=12, loc="center right", bbox_to_anchor=(1, 0.25))
    return save(figure, "mtf")


def offset() -> Path:
    """Show the DN of one scene before and after ESA's offset, and the mistake."""
    s2 = blurred(S2_SPACING_METRES)
    figure = new("One ground, two baselines, and the mistake", 4.4)
    axes = figure.subplots(1, 3, width_ratios=[1.5, 1, 1])
    kinds = (("before 04.00", 0, BLUE), ("04.00 and later", OFFSET_DN, ORANGE))
    for name, added, colour in kinds:
        style = {"color": colour, "alpha": 0.6, "label": f"baseline {name}"}
        axes[0].hist((s2[..., 0] + added).ravel(), np.arange(0, 4500, 50), **style)
    axes[0].set(xlabel="DN of the red band, B04", ylabel="pixels", ylim=(0, 800))
    axes[0].legend(fontsize=11)
    right = s2[10:70, 10:70]
    limits = np.zeros(3), stretch(right[..., :3])[1]
    show(axes[1], right, "the ground", limits)
    darker = np.maximum(right - OFFSET_DN, 0)
    show(axes[2], darker, "1000 DN darker", limits)
    axes[2].set_xlabel("answer of a network that has\nlearned to subtract 1000")
    return save(figure, "offset")


# Measurements of docs/unseen.md: training image, test image, True if they are one, gain
# in dB, and coverage of the intervals of 90 %, per cent.
RUNS = (
    ("scene 1", "scene 1", True, 0.73, 86.8),
    ("scene 1", "scene 7", False, 1.21, 88.4),
    ("scenes 1, 7", "scene 7", True, 1.39, 88.4),
    ("scenes 1, 7", "scene 11", False, 1.75, 93.6),
    ("Gers", "Gers", True, 1.54, 89.4),
    ("scenes 1, 7", "Gers", False, 0.96, 91.6),
    ("Gers", "scene 11", False, 0.23, 83.4),
)


def unseen() -> Path:
    """Draw gain and coverage on ground of the training, and on other ground."""
    figure = new("Gain and coverage on unseen ground", 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    names = [f"{trained}  \u2192  {tested}" for trained, tested, *_ in RUNS]
    colours = [BLUE if same else ORANGE for _, _, same, *_ in RUNS]
    inside = {"label_type": "center", "color": "white"}  # clear of the dashed line
    for axis, values, title, look in (
        (left, [gain for *_, gain, _ in RUNS], "gain over bicubic, dB", {"padding": 3}),
        (
            right,
            [coverage for *_, coverage in RUNS],
            "pixels within their intervals of 90 %",
            inside,
        ),
    ):
        bars = axis.barh(names, values, color=colours)
        axis.bar_label(bars, **look)
        axis.set_title(title, fontsize=11)
        axis.spines[["top", "right"]].set_visible(False)
    left.invert_yaxis()
    left.set_xlim(0, 2.1)
    right.set_xlim(60, 105)
    right.axvline(90, color=DARK, linestyle="--", linewidth=1)
    left.plot([], [], "s", color=BLUE, label="the same image")
    left.plot([], [], "s", color=ORANGE, label="another one")
    left.legend(loc="lower right", frameon=False)
    return save(figure, "unseen")


if __name__ == "__main__":
    main()
