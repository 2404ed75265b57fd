"""Plane geometry of streets and parcels: convex polygons as arrays of corners.

Everywhere in `demo`, a point is (x, y) in metres from the upper left corner of the
Spot image, x to the east and y to the *south*, as in an image.  A polygon is an
array [n, 2] of such points; an empty one has n = 0.
"""

import numpy as np

EMPTY = np.zeros((0, 2))


def unit(angle: float) -> np.ndarray:
    """Return the unit vector [2] at `angle` radians from the x axis."""
    return np.array([np.cos(angle), np.sin(angle)])


def area(polygon: np.ndarray) -> float:
    """Return the area in square metres (shoelace formula)."""
    if len(polygon) < 3:
        return 0.0
    x, y = polygon.T
    after = np.arange(1 - len(polygon), 1)  # np.roll is slow on so few corners
    return 0.5 * abs(float(np.dot(x, y[after]) - np.dot(y, x[after])))


def clip(polygon: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    """Keep the part of a convex polygon where point . normal <= offset."""
    beyond = (polygon @ normal - offset).tolist()
    if not beyond or max(beyond) <= 0:
        return polygon
    if min(beyond) >= 0:
        return EMPTY
    kept = []
    for index, (x, y) in enumerate(polygon.tolist()):
        following = (index + 1) % len(beyond)
        distance, next_distance = beyond[index], beyond[following]
        if distance <= 0:
            kept.append((x, y))
        if distance * next_distance < 0:
            share = distance / (distance - next_distance)
            next_x, next_y = polygon[following].tolist()
            kept.append((x + share * (next_x - x), y + share * (next_y - y)))
    return np.array(kept)


def outward_normals(polygon: np.ndarray) -> np.ndarray:
    """Return the outward unit normal [n, 2] of each edge (corner i to i + 1)."""
    following = polygon[np.arange(1 - len(polygon), 1)]
    normals = (following - polygon)[:, ::-1] * (1.0, -1.0)
    normals /= np.sqrt(np.sum(normals**2, axis=1, keepdims=True)) + 1e-9
    turns = np.dot(polygon[:, 0], following[:, 1]) - np.dot(
        polygon[:, 1], following[:, 0]
    )
    return normals if turns > 0 else -normals


def half_planes(polygon: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Return offset and outward normal per edge: inside, point . normal <= offset."""
    normals = outward_normals(polygon)
    return [(float(p @ n), n) for p, n in zip(polygon, normals, strict=True)]


def inset(polygon: np.ndarray, distance: float) -> np.ndarray:
    """Move every edge of a convex polygon inwards by `distance` metres."""
    if len(polygon) < 3:
        return EMPTY
    shrunk = polygon
    for offset, normal in half_planes(polygon):
        shrunk = clip(shrunk, normal, offset - distance)
        if len(shrunk) < 3:
            return EMPTY
    return shrunk


def split(
    polygon: np.ndarray,
    angle: float,
    target: float,
    gap: float,
    random: np.random.Generator,
) -> list[np.ndarray]:
    """Cut a convex polygon into pieces of about `target` square metres.

    The cuts run along `angle` or across it, always across the longer side, and
    leave `gap` metres free: blocks between streets, lots between neighbours.
    """
    axes = (unit(angle), unit(angle + np.pi / 2))
    waiting, pieces = [polygon], []
    while waiting:
        piece = waiting.pop()
        size = area(piece)
        if size < target * random.uniform(0.9, 1.7):
            if size > 0.2 * target:
                pieces.append(piece)
            continue
        spans = [(float(np.min(piece @ a)), float(np.max(piece @ a))) for a in axes]
        longer = int(spans[1][1] - spans[1][0] > spans[0][1] - spans[0][0])
        low, high = spans[longer]
        cut = low + (high - low) * random.uniform(0.42, 0.58)
        waiting.append(clip(piece, axes[longer], cut - gap / 2))
        waiting.append(clip(piece, -axes[longer], -(cut + gap / 2)))
    return pieces


def rectangle(
    centre: np.ndarray, length: float, width: float, angle: float
) -> np.ndarray:
    """Return a rectangle of `length` metres along `angle` and `width` across."""
    along, across = unit(angle) * length / 2, unit(angle + np.pi / 2) * width / 2
    return centre + np.array(
        [along + across, along - across, -along - across, -along + across]
    )


def blob(
    centre: np.ndarray, radius: float, random: np.random.Generator, stretch: float = 1.5
) -> np.ndarray:
    """Return a rounded irregular outline [48, 2], as ponds and groves have."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    wave = sum(
        random.uniform(0.05, 0.16) * np.cos(order * turn + random.uniform(0, 6.28))
        for order in (2, 3, 4)
    )
    shape = np.stack([stretch * np.cos(turn), np.sin(turn)], axis=1)
    tilt = random.uniform(0, np.pi)
    rotation = np.stack([unit(tilt), unit(tilt + np.pi / 2)])
    return centre + radius * (1 + wave)[:, None] * shape @ rotation / np.sqrt(stretch)


def resample(line: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Walk along a polyline: points [n, 2] `spacing` metres apart, normals [n, 2]."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    walked = np.concatenate([[0.0], np.cumsum(steps)])
    stops = np.arange(spacing / 2, walked[-1], spacing)
    points = np.stack([np.interp(stops, walked, line[:, i]) for i in (0, 1)], axis=1)
    if len(points) < 2:
        return EMPTY, EMPTY
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return points, np.stack([-along[:, 1], along[:, 0]], axis=1)


def ribbon(line: np.ndarray, width: float, shift: float = 0.0) -> np.ndarray:
    """Return the outline of a polyline of `width` metres, moved sideways by `shift`."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    normals = np.stack([-along[:, 1], along[:, 0]], axis=1)
    left = line + (shift + width / 2) * normals
    right = line + (shift - width / 2) * normals
    return np.concatenate([left, right[::-1]])


def points_inside(
    polygon: np.ndarray, spacing: float, random: np.random.Generator
) -> np.ndarray:
    """Scatter points [n, 2] in a convex polygon on a jittered triangular lattice."""
    if len(polygon) < 3:
        return EMPTY
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    columns = np.arange(low[0], high[0], spacing)
    rows = np.arange(low[1], high[1], spacing * 0.866)
    x, y = np.meshgrid(columns, rows)
    x = x + (np.arange(len(rows)) % 2 * spacing / 2)[:, None]
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    points += random.uniform(-0.35, 0.35, points.shape) * spacing
    normals = outward_normals(polygon)
    reach = np.sum(polygon * normals, axis=1)
    return points[(points @ normals.T <= reach).all(axis=1)]
