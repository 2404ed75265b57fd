"""A district to be filled, its buildings clear of the main lines."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from demo import materials as m
from demo.drawing import Drawing
from demo.geometry import resample


class Site(NamedTuple):
    """One district, as its filler needs it."""

    drawing: Drawing
    random: np.random.Generator
    outline: np.ndarray
    """Convex polygon [n, 2] in metres, up to the middle of the roads around it."""
    angle: float
    """Direction of its streets or furrows in radians."""
    room: Callable[[np.ndarray], np.ndarray]
    """Distance in metres [n] of points [n, 2] to the nearest river, avenue, railway."""

    def is_clear(self, outline: np.ndarray) -> bool:
        """Check whether a building stays clear of the river, avenues and railway."""
        return len(outline) >= 3 and bool((self.room(outline) > 3).all())

    def free(self, points: np.ndarray, margin: float) -> np.ndarray:
        """Keep the points [n, 2] that are `margin` metres from those."""
        return points[self.room(points) > margin] if len(points) else points

    def plant_row(self, line: np.ndarray, shift: float, chance: float = 0.9) -> None:
        """Plant trees 9 m apart along a line [n, 2], `shift` metres to one side."""
        points, normals = resample(line, 9.0)
        points = points + shift * normals
        points = points[self.random.random(len(points)) < chance]
        self.drawing.trees(points, 3.6, 11, m.CROWN, self.random)
