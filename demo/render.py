"""From shapes to reflectance, as a perfect sensor of 1.5 m would see them.

Shapes are painted three times finer than a pixel into an image of shape numbers.
From it follow a height model, the slopes lit by the sun, cast shadows and colours,
and each pixel is the mean of its 3 x 3 samples: edges are antialiased.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from demo.drawing import DOME, HIP, Drawing
from srtools.conventions import HR_SPACING_METRES

PIXEL = HR_SPACING_METRES
SAMPLES = 3  # per pixel and direction
STEP = PIXEL / SAMPLES
TILE = 256  # pixels
TALLEST = 45.0  # metres; shadows are searched as far as such a tower casts them
SUN_ZENITH, SUN_AZIMUTH = 30.0, 150.0  # degrees: Paris in mid July, 10:50 UTC
SKYLIGHT = np.array([0.20, 0.24, 0.32, 0.15], np.float32)  # light left in shadows
TEXTURE_SIZE = 1024  # pixels after which the mottling repeats

SUN_TANGENT = float(np.tan(np.radians(SUN_ZENITH)))
TO_SUN = np.array(
    [np.sin(np.radians(SUN_AZIMUTH)), -np.cos(np.radians(SUN_AZIMUTH))]
)  # x, y of the horizontal direction to the sun


class Shapes(NamedTuple):
    """A drawing, prepared for painting."""

    table: dict[str, np.ndarray]
    corners: list[tuple[int, ...]]
    """Per shape x0, y0, x1, y1, ... in samples (int) from the Spot corner."""
    boxes: np.ndarray
    """Per shape [n, 4] the smallest x, y and largest x, y in samples."""
    textures: tuple[np.ndarray, np.ndarray]
    """Fine and coarse mottling [TEXTURE_SIZE, TEXTURE_SIZE], standard deviation 1."""


def render(
    drawing: Drawing, row: int, column: int, rows: int, columns: int, seed: int
) -> np.ndarray:
    """Paint the window of `rows` x `columns` pixels that starts at (row, column).

    Row and column 0 are the upper left pixel of the Spot image; both may be negative.
    The same pixel gets the same value whatever the window.

    Returns:
        [rows, columns, 4] uint16, reflectance x 10000; red, green, blue, near
        infrared.
    """
    shapes = _prepare(drawing, seed)
    image = np.empty((rows, columns, 4), np.uint16)

    def paint(corner: tuple[int, int]) -> None:
        top, left = corner
        height, width = min(TILE, rows - top), min(TILE, columns - left)
        tile = _tile(shapes, row + top, column + left, height, width)
        image[top : top + height, left : left + width] = tile

    corners = [(r, c) for r in range(0, rows, TILE) for c in range(0, columns, TILE)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(paint, corners))
    return image


def _prepare(drawing: Drawing, seed: int) -> Shapes:
    """Turn corners into whole samples and find each shape's box."""
    points, starts = drawing.outlines()
    samples = np.rint(points / STEP - 0.5).astype(np.int32)
    boxes = np.concatenate(
        [
            np.minimum.reduceat(samples, starts[:-1]),
            np.maximum.reduceat(samples, starts[:-1]),
        ],
        axis=1,
    )
    flat = samples.ravel().tolist()
    corners = [
        tuple(flat[2 * a : 2 * b])
        for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]
    random = np.random.default_rng([seed, 1])
    fine = _texture(random, 0.7)
    coarse = _texture(random, 5) + _texture(random, 18) + _texture(random, 2.2)
    return Shapes(drawing.table(), corners, boxes, (fine, coarse / coarse.std()))


def _texture(random: np.random.Generator, sigma: float) -> np.ndarray:
    """Return smooth noise that repeats without a seam, standard deviation 1."""
    noise = random.standard_normal((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
    noise = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return noise / noise.std()


def _tile(shapes: Shapes, row: int, column: int, rows: int, columns: int) -> np.ndarray:
    """Paint one tile; the shapes around it are drawn too, for their shadows."""
    # Shadows come from the south-east; slopes need a neighbour on every side.
    right, below = (np.ceil(TALLEST * SUN_TANGENT / PIXEL * TO_SUN) + 2).astype(int)
    ids = _paint_numbers(
        shapes, row - 1, column - 1, rows + 1 + below, columns + 1 + right
    )
    x = ((column - 1) * SAMPLES + np.arange(ids.shape[1]) + 0.5) * STEP
    y = ((row - 1) * SAMPLES + np.arange(ids.shape[0]) + 0.5) * STEP
    table = shapes.table
    height = _heights(table, ids, x.astype(np.float32), y.astype(np.float32))
    inner_y = slice(SAMPLES, (1 + rows) * SAMPLES)
    inner_x = slice(SAMPLES, (1 + columns) * SAMPLES)
    light = _light(height, inner_y, inner_x)
    ids, x, y = ids[inner_y, inner_x], x[inner_x], y[inner_y]

    rows_wave = _rows_of_crops(table, ids, x, y)
    fine, coarse = (
        np.take(
            np.take(texture, np.arange(row, row + rows) % TEXTURE_SIZE, axis=0),
            np.arange(column, column + columns) % TEXTURE_SIZE,
            axis=1,
        )
        for texture in shapes.textures
    )
    mottle = 1 + _pool(table["fine"][ids]) * fine + _pool(table["coarse"][ids]) * coarse
    tile = np.empty((rows, columns, 4), np.uint16)
    for band, name in enumerate(("red", "green", "blue", "nir")):
        lit = SKYLIGHT[band] + (1 - SKYLIGHT[band]) * light
        colour = _pool(table[name][ids] * rows_wave * lit) * mottle
        tile[..., band] = np.clip(np.rint(colour * 10000), 1, 10000)
    return tile


def _paint_numbers(
    shapes: Shapes, row: int, column: int, rows: int, columns: int
) -> np.ndarray:
    """Paint the number of the topmost shape, int64, SAMPLES per pixel."""
    left, top = column * SAMPLES, row * SAMPLES
    right, bottom = left + columns * SAMPLES, top + rows * SAMPLES
    boxes = shapes.boxes
    touching = np.flatnonzero(
        (boxes[:, 0] < right)
        & (boxes[:, 2] >= left)
        & (boxes[:, 1] < bottom)
        & (boxes[:, 3] >= top)
    )
    image = Image.new("I", (right - left, bottom - top))
    pen = ImageDraw.Draw(image)
    for number in touching.tolist():
        corners = shapes.corners[number]
        moved = [
            value - (top if index % 2 else left) for index, value in enumerate(corners)
        ]
        if len(moved) == 4:
            pen.ellipse(moved, fill=number)
        else:
            pen.polygon(moved, fill=number)
    return np.asarray(image, dtype=np.intp)


def _heights(
    table: dict[str, np.ndarray], ids: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return the height in metres of every sample: eaves plus roof or crown."""
    height = table["base"][ids]
    raised = np.flatnonzero((table["rise"] > 0)[ids])
    row, column = np.divmod(raised, ids.shape[1])
    shape = ids.ravel()[raised]
    dx = x[column] - table["x"][shape]
    dy = y[row] - table["y"][shape]
    along_x, along_y = table["along_x"][shape], table["along_y"][shape]
    half_width = table["half_width"][shape]
    across = np.abs(dy * along_x - dx * along_y) / half_width
    along = np.abs(dx * along_x + dy * along_y)
    kind = table["shape"][shape]
    profile = 1 - across  # a ridge; a hip also falls off at its two ends
    hipped = np.minimum(profile, (table["half_length"][shape] - along) / half_width)
    profile = np.where(kind == HIP, hipped, profile)
    dome = np.sqrt(np.maximum(1 - across**2 - (along / half_width) ** 2, 0))
    profile = np.where(kind == DOME, dome, profile)
    height.ravel()[raised] += table["rise"][shape] * np.clip(profile, 0, 1)
    return height


def _light(height: np.ndarray, inner_y: slice, inner_x: slice) -> np.ndarray:
    """Return the direct sunlight: 1 on flat open ground, 0 in shadow.

    Arguments:
        height: of every sample, [h, w] float32, metres.
        inner_y, inner_x: the samples to light; `height` must extend beyond them as far
            as shadows reach.
    """
    ground = height[inner_y, inner_x]
    left, right = (slice(inner_x.start + d, inner_x.stop + d) for d in (-1, 1))
    above, below = (slice(inner_y.start + d, inner_y.stop + d) for d in (-1, 1))
    toward_x, toward_y = (TO_SUN / (2 * STEP)).astype(np.float32)
    slope = (height[inner_y, right] - height[inner_y, left]) * toward_x
    slope += (height[below, inner_x] - height[above, inner_x]) * toward_y
    # Walls are not seen from above: slopes steeper than a roof are edges.
    slope[np.abs(slope) > 2.5] = 0
    light = (1 - np.float32(SUN_TANGENT) * slope) / np.sqrt(1 + slope**2)
    # The highest thing between a sample and the sun, lowered by the sun's descent:
    # doubling the distance in each pass covers all of it in a few passes.
    horizon = height.copy()
    rows, columns = height.shape
    reach = 1
    while reach * STEP < TALLEST * SUN_TANGENT:
        fall = np.float32(reach * STEP / SUN_TANGENT)
        shift_x, shift_y = np.rint(TO_SUN * reach).astype(int)
        seen = horizon[shift_y:, shift_x:] - fall
        target = horizon[: rows - shift_y, : columns - shift_x]
        np.maximum(target, seen, out=target)
        reach *= 2
    light[horizon[inner_y, inner_x] > ground + 0.4] = 0
    return np.maximum(light, 0)


def _rows_of_crops(
    table: dict[str, np.ndarray], ids: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return the factor by which rows lighten or darken every sample."""
    wave = np.ones(ids.shape, np.float32)
    row, column = np.nonzero((table["row_amplitude"] > 0)[ids])
    shape = ids[row, column]
    across = y[row] * table["along_x"][shape] - x[column] * table["along_y"][shape]
    phase = np.cos((2 * np.pi) * across / table["period"][shape])
    wave[row, column] += table["row_amplitude"][shape] * phase
    return wave


def _pool(samples: np.ndarray) -> np.ndarray:
    """Average the SAMPLES x SAMPLES samples of each pixel."""
    # Adding slices is several times faster than a mean over axes of three.
    rows = sum(samples[start::SAMPLES] for start in range(SAMPLES))
    pixels = sum(rows[:, start::SAMPLES] for start in range(SAMPLES))
    return pixels / np.float32(SAMPLES**2)
