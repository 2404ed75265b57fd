"""Districts of houses: old blocks around courtyards, houses in their gardens.

Each filler gets a `Site` and paints into its drawing.  None returns anything.
"""

import numpy as np

from demo import materials as m
from demo.drawing import HIP, RIDGE
from demo.geometry import (
    area,
    clip,
    half_planes,
    inset,
    points_inside,
    rectangle,
    split,
    unit,
)
from demo.site import Site


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
    site.drawing.trees(site.free(trees, 4), 4.0, 11, m.CROWN, site.random)


def _block(site: Site, front: np.ndarray) -> None:
    """Line the sides of a block with buildings and leave courtyards inside."""
    random, drawing = site.random, site.drawing
    depth = random.uniform(10.5, 13)
    yard = inset(front, depth)
    if len(yard) != len(front) or area(yard) < 150:
        for lot in split(front, site.angle, 260, 0, random):
            if random.random() < 0.88 and site.is_clear(lot):
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
            if random.random() < 0.97 and site.is_clear(quad):
                _building(site, quad, angle, height + random.normal(0, 1.6))
    for wing in split(inset(yard, 4), site.angle, 160, 3, random):
        chance = random.random()
        if chance < 0.3 and site.is_clear(wing):
            _building(site, wing, site.angle, random.uniform(4, 12))
        elif chance < 0.55:
            trees = points_inside(wing, 8, random)[:3]
            drawing.trees(site.free(trees, 3), 3.2, 9, m.CROWN, random)


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
    if site.is_clear(house) and area(lot) > 200:
        drive = rectangle(place - inwards * 7, 14, 3.2, np.arctan2(*inwards[::-1]))
        for edge, normal in half_planes(lot):
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
    drawing.trees(site.free(trees, 2), 2.6, 6.5, m.CROWN, random)
