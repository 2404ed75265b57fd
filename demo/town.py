"""Districts of a town: old blocks, houses with gardens, estates, sheds, parks, sport.

Each filler gets a `Site` and paints into its drawing.  None returns anything.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from demo import materials as m
from demo.drawing import DOME, HIP, RIDGE, Drawing
from demo.geometry import (
    area,
    blob,
    clip,
    inset,
    points_inside,
    rectangle,
    resample,
    ribbon,
    split,
    unit,
)


class Site(NamedTuple):
    """One district, and what its filler needs to know."""

    drawing: Drawing
    random: np.random.Generator
    outline: np.ndarray
    """Convex polygon [n, 2] in metres, up to the middle of the roads around it."""
    angle: float
    """Direction of its streets or furrows in radians."""
    room: Callable[[np.ndarray], np.ndarray]
    """Distance in metres [n] of points [n, 2] to the nearest river, avenue, railway."""


def fill_old_town(site: Site) -> None:
    """Paint blocks of buildings around courtyards, as in central Paris."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT)
    for block in split(inset(site.outline, 6), site.angle, 4200, 9, random):
        pavement = inset(block, 0.5)
        drawing.polygon(pavement, m.PAVEMENT.varied(random, 0.05))
        front = inset(pavement, 2.2)
        if random.random() < 0.06:
            _square(site, front)
        elif len(front) >= 3:
            _block(site, front)


def _square(site: Site, ground: np.ndarray) -> None:
    """Paint a small public garden."""
    site.drawing.polygon(ground, m.SAND)
    lawn = inset(ground, 5)
    site.drawing.polygon(lawn, m.LAWN.varied(site.random))
    trees = points_inside(inset(ground, 3), 9, site.random)
    trees = trees[site.random.random(len(trees)) < 0.7]
    site.drawing.trees(_free(site, trees, 4), 4.0, 11, m.CROWN, site.random)


def _block(site: Site, front: np.ndarray) -> None:
    """Line the sides of a block with buildings and leave courtyards inside."""
    random, drawing = site.random, site.drawing
    depth = random.uniform(10.5, 13)
    yard = inset(front, depth)
    if len(yard) != len(front) or area(yard) < 150:
        for lot in split(front, site.angle, 260, 0, random):
            if random.random() < 0.88 and _clear(site, lot):
                _building(site, inset(lot, 0.3), site.angle, random.uniform(11, 19))
        return
    ground = m.GARDEN if random.random() < 0.4 else m.PAVEMENT
    drawing.polygon(yard, ground.varied(random))
    height = random.uniform(14, 20)
    for index in range(len(front)):
        following = (index + 1) % len(front)
        a, b, c, d = front[index], front[following], yard[following], yard[index]
        length = float(np.linalg.norm(b - a))
        count = max(1, round(length / random.uniform(14, 24)))
        stops = np.linspace(0, 1, count + 1)
        stops[1:-1] += random.uniform(-0.25, 0.25, count - 1) / count
        angle = float(np.arctan2(*(b - a)[::-1]))
        for start, stop in zip(stops[:-1], stops[1:], strict=True):
            quad = np.array(
                [
                    a + start * (b - a),
                    a + stop * (b - a),
                    d + stop * (c - d),
                    d + start * (c - d),
                ]
            )
            if random.random() < 0.97 and _clear(site, quad):
                _building(site, quad, angle, height + random.normal(0, 1.6))
    for wing in split(inset(yard, 4), site.angle, 160, 3, random):
        chance = random.random()
        if chance < 0.3 and _clear(site, wing):
            _building(site, wing, site.angle, random.uniform(4, 12))
        elif chance < 0.55:
            trees = points_inside(wing, 8, random)[:3]
            drawing.trees(_free(site, trees, 3), 3.2, 9, m.CROWN, random)


def _building(site: Site, outline: np.ndarray, angle: float, height: float) -> None:
    """Paint one building of the old town with its roof and chimneys."""
    random, drawing = site.random, site.drawing
    roof = m.CITY_ROOFS[random.integers(len(m.CITY_ROOFS))].varied(random, 0.13)
    if random.random() < 0.78:
        rise = random.uniform(2.0, 4.2)
        drawing.polygon(outline, roof, height - rise, rise, RIDGE, angle)
    else:
        drawing.polygon(outline, m.GRAVEL.varied(random, 0.2), height)
        _lift_house(site, outline, angle, height)
    if len(outline) >= 4 and random.random() < 0.5:
        corner, inner = outline[0], outline[3]
        stack = rectangle(
            (corner + inner) / 2, 5, 1.2, np.arctan2(*(inner - corner)[::-1])
        )
        drawing.polygon(stack, m.BROWN_TILE, height + 1.5)


def _lift_house(site: Site, outline: np.ndarray, angle: float, height: float) -> None:
    """Put a small box on a flat roof."""
    random = site.random
    middle = outline.mean(axis=0) + random.uniform(-2, 2, 2)
    box = rectangle(middle, random.uniform(3, 5), random.uniform(2.5, 4), angle)
    site.drawing.polygon(box, m.CONCRETE.varied(random), height + 2.8)


def fill_houses(site: Site) -> None:
    """Paint streets of houses, each in its garden."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT.varied(random, 0.06))
    for block in split(inset(site.outline, 4.5), site.angle, 5200, 8, random):
        drawing.polygon(block, m.PAVEMENT.varied(random, 0.05))
        hedged = inset(block, 1.4)
        drawing.polygon(hedged, m.HEDGE.varied(random), 1.6)
        for lot in split(hedged, site.angle, random.uniform(380, 620), 0, random):
            _house(site, inset(lot, 0.55), hedged)


def _house(site: Site, lot: np.ndarray, block: np.ndarray) -> None:
    """Paint a garden with its house, trees and perhaps a pool."""
    random, drawing = site.random, site.drawing
    if len(lot) < 3:
        return
    green = m.LAWN if random.random() < 0.35 else m.GARDEN
    green = m.DRY_GRASS if random.random() < 0.25 else green
    drawing.polygon(lot, green.varied(random, 0.12))
    middle, inwards = lot.mean(axis=0), block.mean(axis=0) - lot.mean(axis=0)
    inwards = inwards / (np.linalg.norm(inwards) + 1e-9)
    place = middle - inwards * random.uniform(1, 4)
    length, width = random.uniform(9, 14), random.uniform(7.5, 9.5)
    angle = site.angle + (np.pi / 2 if random.random() < 0.5 else 0)
    house = rectangle(place, length, width, angle)
    if _clear(site, house) and area(lot) > 200:
        drive = rectangle(place - inwards * 7, 14, 3.2, np.arctan2(*inwards[::-1]))
        for edge, normal in _half_planes(lot):
            drive = clip(drive, normal, edge)
        drawing.polygon(drive, m.PAVEMENT.varied(random, 0.15))
        roof = m.HOUSE_ROOFS[random.integers(len(m.HOUSE_ROOFS))].varied(random, 0.14)
        shape = HIP if random.random() < 0.35 else RIDGE
        drawing.polygon(house, roof, random.uniform(3, 5.5), width * 0.33, shape, angle)
        if random.random() < 0.35:
            wing = rectangle(place + unit(angle) * length * 0.55, 5, 5.5, angle)
            drawing.polygon(wing, roof, 2.6, 1.6, RIDGE, angle + np.pi / 2)
        if random.random() < 0.1:
            basin = rectangle(middle + inwards * 8, 8, 4.2, site.angle)
            drawing.polygon(
                rectangle(middle + inwards * 8, 10.5, 6.5, site.angle), m.STONE
            )
            drawing.polygon(basin, m.POOL.varied(random, 0.08))
    trees = points_inside(inset(lot, 2), 6.5, random)
    apart = np.linalg.norm(trees - place, axis=1) > 8.5
    trees = trees[apart & (random.random(len(trees)) < 0.38)]
    drawing.trees(_free(site, trees, 2), 2.6, 6.5, m.CROWN, random)


def _half_planes(polygon: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Give offset and outward normal of each edge of a convex polygon."""
    from demo.geometry import outward_normals

    normals = outward_normals(polygon)
    return [(float(p @ n), n) for p, n in zip(polygon, normals, strict=True)]


def fill_estate(site: Site) -> None:
    """Paint slabs and towers of flats among lawns and car parks."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT)
    for plot in split(inset(site.outline, 6), site.angle, 9000, 9, random):
        drawing.polygon(plot, m.LAWN.varied(random, 0.1))
        for part in split(inset(plot, 4), site.angle, 2600, 6, random):
            chance = random.random()
            if chance < 0.6 and _clear(site, part):
                _slab(site, part)
            elif chance < 0.8:
                car_park(site, inset(part, 2))
            else:
                trees = points_inside(part, 10, random)
                trees = trees[random.random(len(trees)) < 0.6]
                drawing.trees(_free(site, trees, 4), 3.8, 11, m.CROWN, random)


def _slab(site: Site, part: np.ndarray) -> None:
    """Paint a slab of flats in the middle of its plot, with a path and trees."""
    random, drawing = site.random, site.drawing
    middle = part.mean(axis=0)
    angle = site.angle + (np.pi / 2 if random.random() < 0.5 else 0)
    span = np.ptp(part @ unit(angle))
    length, height = max(14, 0.8 * span), random.uniform(16, 36)
    across = unit(angle + np.pi / 2)
    drawing.polygon(rectangle(middle - across * 10, length + 6, 4, angle), m.PAVEMENT)
    roof = m.GRAVEL if random.random() < 0.6 else m.CONCRETE
    drawing.polygon(rectangle(middle, length, 13, angle), m.CONCRETE, height)
    inner = rectangle(middle, length - 1.5, 11.5, angle)
    drawing.polygon(inner, roof.varied(random, 0.15), height - 0.6)
    for place in np.arange(-length / 2 + 8, length / 2 - 4, 16):
        box = rectangle(middle + unit(angle) * place, 4, 4, angle)
        drawing.polygon(box, m.CONCRETE.varied(random), height + 2.5)
    trees = middle + across * random.uniform(12, 17, (5, 1))
    trees = trees + unit(angle) * random.uniform(-0.5, 0.5, (5, 1)) * length
    drawing.trees(_free(site, trees, 4), 3.6, 10, m.CROWN, random)


def car_park(site: Site, plot: np.ndarray) -> None:
    """Paint rows of parked cars on asphalt, with a few trees between."""
    random, drawing = site.random, site.drawing
    if len(plot) < 3:
        return
    drawing.polygon(plot, m.ASPHALT.varied(random, 0.1))
    middle, along, across = (
        plot.mean(axis=0),
        unit(site.angle),
        unit(site.angle + np.pi / 2),
    )
    reach = int(np.ptp(plot, axis=0).max())
    edges = _half_planes(inset(plot, 3)) if len(inset(plot, 3)) else []
    if not edges:
        return
    filled = random.uniform(0.35, 0.9)
    for row, aisle in enumerate(np.arange(-reach, reach, 8.2)):
        stalls = np.arange(-reach, reach, 2.6)
        points = middle + along * stalls[:, None] + across * aisle
        inside = np.all([points @ n <= offset for offset, n in edges], axis=0)
        for x, y in points[inside].tolist():
            if random.random() < filled:
                car(drawing, np.array([x, y]), site.angle + np.pi / 2, random)
        if row % 3 == 0:
            trees = points[inside][::6] + across * 4
            drawing.trees(_free(site, trees, 3), 2.2, 5.5, m.CROWN, random)


def car(
    drawing: Drawing, place: np.ndarray, angle: float, random: np.random.Generator
) -> None:
    """Paint one car of 4.4 x 1.9 m."""
    paint = m.CAR_PAINTS[random.integers(len(m.CAR_PAINTS))]
    drawing.polygon(rectangle(place, 4.4, 1.9, angle), paint.varied(random, 0.2), 1.4)


def fill_sheds(site: Site) -> None:
    """Paint a business park: large sheds, yards, car parks."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT)
    for plot in split(inset(site.outline, 7), site.angle, 12000, 11, random):
        drawing.polygon(plot, m.DRY_GRASS.varied(random, 0.1))
        yard = inset(plot, 4)
        drawing.polygon(yard, m.YARD.varied(random, 0.12))
        for part in split(inset(yard, 3), site.angle, 5000, 8, random):
            shed = inset(part, random.uniform(5, 9))
            if random.random() < 0.72 and _clear(site, part) and area(shed) > 250:
                _shed(site, shed)
            else:
                car_park(site, part)


def _shed(site: Site, outline: np.ndarray) -> None:
    """Paint a flat or low-pitched hall with skylights."""
    random, drawing = site.random, site.drawing
    roof = m.SHED_ROOFS[random.integers(len(m.SHED_ROOFS))].varied(random, 0.12)
    height, angle = random.uniform(7, 12), site.angle
    if random.random() < 0.5:
        drawing.polygon(outline, roof, height, 2.0, RIDGE, angle)
    else:
        drawing.polygon(outline, roof, height, 0.0, angle=angle)
        for light in split(inset(outline, 6), angle, 300, 14, random):
            strip = rectangle(light.mean(axis=0), 7, 2.2, angle)
            drawing.polygon(strip, m.WHITE_ROOF, height + 0.7)


def fill_park(site: Site) -> None:
    """Paint a park: lawns, winding paths, groves and a pond."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT)
    ground = inset(site.outline, 6)
    if len(ground) < 3:
        return
    drawing.polygon(ground, m.SAND)
    lawn = inset(ground, 3)
    drawing.polygon(lawn, m.LAWN.varied(random, 0.08))
    middle, size = ground.mean(axis=0), float(np.sqrt(area(ground)))
    for turn in random.uniform(0, np.pi) + np.array([0, 1.1, 2.2]):
        stretch = np.linspace(-0.75, 0.75, 40)[:, None] * size
        bend = np.sin(stretch / size * 5 + turn) * size * 0.06
        path = middle + unit(turn) * stretch + unit(turn + np.pi / 2) * bend
        inside = np.all([path @ n <= o for o, n in _half_planes(ground)], axis=0)
        if inside.sum() > 2:
            drawing.polygon(ribbon(path[inside], 4.5), m.SAND)
    pond = middle + random.uniform(-0.15, 0.15, 2) * size
    basin = blob(pond, 0.16 * size, random)
    drawing.polygon(pond + (basin - pond) * 1.08, m.SAND)
    drawing.polygon(basin, m.LAKE)
    trees = points_inside(lawn, 8.5, random)
    grove = np.sin(trees[:, 0] / 31 + pond[0]) + np.sin(trees[:, 1] / 23 + pond[1])
    kept = (grove > 0.15) & (np.linalg.norm(trees - pond, axis=1) > 0.26 * size)
    near_edge = np.min([o - trees @ n for o, n in _half_planes(lawn)], axis=0) < 9
    trees = trees[(kept | near_edge) & (random.random(len(trees)) < 0.85)]
    drawing.trees(_free(site, trees, 5), 4.6, 13, m.CROWN, random)


def fill_sport(site: Site) -> None:
    """Paint a stadium with its running track, pitches and tennis courts."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT)
    ground = inset(site.outline, 6)
    if len(ground) < 3:
        return
    drawing.polygon(ground, m.DRY_GRASS.varied(random, 0.08))
    edges = _half_planes(inset(ground, 6)) if len(inset(ground, 6)) else []
    for part in split(inset(ground, 5), site.angle, 13500, 6, random):
        middle = part.mean(axis=0)
        spans = [np.ptp(part @ unit(site.angle + t)) for t in (0, np.pi / 2)]
        angle = site.angle + (0 if spans[0] > spans[1] else np.pi / 2)
        if max(spans) > 150 and min(spans) > 85:
            turn = np.linspace(0, 2 * np.pi, 60)
            ends = np.where(np.cos(turn) > 0, 40, -40)
            for radius, surface in ((37, m.TRACK), (28.5, m.LAWN)):
                x, y = ends + radius * np.cos(turn), radius * np.sin(turn)
                oval = x[:, None] * unit(angle) + y[:, None] * unit(angle + np.pi / 2)
                drawing.polygon(middle + oval, surface)
            _pitch(site, middle, 78, 50, angle)
        elif max(spans) > 95 and min(spans) > 55:
            _pitch(site, middle, min(95, max(spans) - 15), 48, angle)
        else:
            for step in np.arange(-max(spans) / 2 + 14, max(spans) / 2 - 10, 20):
                court = middle + unit(angle) * step
                surface = m.COURT if random.random() < 0.5 else m.TRACK
                drawing.polygon(rectangle(court, 17, 34, angle), surface)
                drawing.polygon(rectangle(court, 11.5, 24.5, angle), m.WHITE_LINE)
                drawing.polygon(rectangle(court, 10.5, 23.5, angle), m.COURT)
    trees = points_inside(ground, 8, random)
    if edges:
        outside = np.min([o - trees @ n for o, n in edges], axis=0) < 0
        trees = trees[outside & (random.random(len(trees)) < 0.7)]
    drawing.trees(_free(site, trees, 4), 3.8, 11, m.CROWN, random)


def _pitch(
    site: Site, middle: np.ndarray, length: float, width: float, angle: float
) -> None:
    """Paint a mown football pitch with its white lines."""
    drawing = site.drawing
    grass = m.PITCH.varied(site.random, 0.05)
    drawing.polygon(rectangle(middle, length + 6, width + 6, angle), grass)
    drawing.polygon(rectangle(middle, length, width, angle), m.WHITE_LINE)
    drawing.polygon(
        rectangle(middle, length - 1.4, width - 1.4, angle),
        grass,
        angle=angle + np.pi / 2,
    )
    drawing.polygon(rectangle(middle, 0.8, width, angle), m.WHITE_LINE)


def avenue_trees(
    site: Site, line: np.ndarray, shift: float, chance: float = 0.9
) -> None:
    """Plant trees 9 m apart along a line, `shift` metres to one side of it."""
    points, normals = resample(line, 9.0)
    points = points + shift * normals
    points = points[site.random.random(len(points)) < chance]
    site.drawing.trees(points, 3.6, 11, m.CROWN, site.random)


def _clear(site: Site, outline: np.ndarray) -> bool:
    """Tell whether no corner of a building comes near a river, avenue or railway."""
    return len(outline) >= 3 and bool((site.room(outline) > 3).all())


def _free(site: Site, points: np.ndarray, margin: float) -> np.ndarray:
    """Keep the points [n, 2] that are `margin` metres from those."""
    return points[site.room(points) > margin] if len(points) else points


__all__ = ["DOME"]
