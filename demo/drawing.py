"""Coloured shapes with heights, in the order of painting."""

from typing import NamedTuple

import numpy as np

FLAT, RIDGE, HIP, DOME = range(4)


class Material(NamedTuple):
    """How a surface reflects: reflectance 0-1 per band, and how it is mottled."""

    red: float
    green: float
    blue: float
    nir: float
    fine: float = 0.03
    """Standard deviation of the pixel-to-pixel texture, relative to reflectance."""
    coarse: float = 0.03
    """The same for texture of some 10 to 50 m."""
    period: float = 0.0
    """Distance in metres between rows (crops, corrugated roofs); 0: none."""
    row_amplitude: float = 0.0
    """Half the contrast between and on rows, relative to reflectance."""

    def varied(self, random: np.random.Generator, spread: float = 0.1) -> "Material":
        """Vary a material: brighter or darker, another tint."""
        gain = np.exp(random.normal(0, spread))
        tint = np.exp(random.normal(0, spread / 3, 4)) * gain
        bands = np.clip(np.array(self[:4]) * tint, 0.005, 0.95).tolist()
        return self._replace(
            **dict(zip(("red", "green", "blue", "nir"), bands, strict=True))
        )


COLUMNS = (
    *Material._fields,
    "base",
    "rise",
    "shape",
    "x",
    "y",
    "along_x",
    "along_y",
    "half_width",
    "half_length",
)


class Drawing:
    """A growing list of shapes; later ones cover earlier ones.

    Each shape has one row in a table: its material, its height (`base` metres at the
    eaves, `rise` more at the ridge or top), and the frame in which roofs and rows are
    computed (centre, direction along the ridge, half sizes).
    """

    def __init__(self) -> None:
        """Start with nothing drawn."""
        self._rows: list[np.ndarray] = []
        self._outlines: list[np.ndarray] = []
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def polygon(
        self,
        outline: np.ndarray,
        material: Material,
        base: float = 0.0,
        rise: float = 0.0,
        shape: int = FLAT,
        angle: float = 0.0,
    ) -> None:
        """Paint a polygon [n, 2] in metres; `angle` is that of its ridge or rows."""
        if len(outline) < 3:
            return
        along_x, along_y = float(np.cos(angle)), float(np.sin(angle))
        x, y = outline[:, 0], outline[:, 1]
        length = x * along_x + y * along_y
        width = y * along_x - x * along_y
        l0, l1 = float(length.min()), float(length.max())
        w0, w1 = float(width.min()), float(width.max())
        middle_l, middle_w = (l0 + l1) / 2, (w0 + w1) / 2
        frame = (
            middle_l * along_x - middle_w * along_y,
            middle_l * along_y + middle_w * along_x,
            along_x,
            along_y,
            max((w1 - w0) / 2, 0.1),
            max((l1 - l0) / 2, 0.1),
        )
        self._rows.append(np.array([(*material, base, rise, shape, *frame)]))
        self._outlines.append(outline)
        self._sizes.append(len(outline))

    def trees(
        self,
        points: np.ndarray,
        radius: float,
        height: float,
        material: Material,
        random: np.random.Generator,
    ) -> None:
        """Paint crowns at points [n, 2]: domes of about `radius` and `height` metres.

        All at once, because a landscape has ten times more trees than roofs.
        """
        if not len(points):
            return
        chance = random.standard_normal((len(points), 6))
        size = np.exp(0.22 * chance[:, :1])
        spread = 0.13  # as `Material.varied` would, tree by tree
        gain = np.exp(spread * chance[:, 1:2])
        tint = np.exp(spread / 3 * chance[:, 2:]) * gain
        bands = np.clip(np.array(material[:4]) * tint, 0.005, 0.95)
        crowns = np.empty((len(points), len(COLUMNS)))
        crowns[:, :4] = bands
        crowns[:, 4 : len(material)] = material[4:]
        top, reach = height * size, radius * size
        low = 0.45 * top
        frame = (points, np.tile([1.0, 0.0], (len(points), 1)), reach, reach)
        shape = np.full_like(low, DOME)
        crowns[:, len(material) :] = np.hstack([low, top - low, shape, *frame])
        self._rows.append(crowns)
        corners = np.stack([points - reach, points + reach], axis=1)
        self._outlines.append(corners.reshape(-1, 2))
        self._sizes += [2] * len(points)

    def table(self) -> dict[str, np.ndarray]:
        """Return the attributes of the shapes, float32 [n] each."""
        rows = np.concatenate(self._rows).astype(np.float32)
        return {name: rows[:, i].copy() for i, name in enumerate(COLUMNS)}

    def outlines(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all corners [m, 2], and the index of each shape's first one [n + 1].

        A crown has two corners, those of the square around it.
        """
        starts = np.concatenate([[0], np.cumsum(self._sizes)])
        return np.concatenate(self._outlines), starts
