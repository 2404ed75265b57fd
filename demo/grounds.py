"""Districts of large plots: estates, sheds and car parks, parks, sports grounds.

Each filler gets a `Site` and paints into its drawing.  None returns anything.
"""

import numpy as np

from demo import materials as m
from demo.drawing import RIDGE, Drawing
from demo.geometry import (
    area,
    blob,
    half_planes,
    inset,
    points_inside,
    rectangle,
    ribbon,
    split,
    unit,
)
from demo.site import Site


def fill_estate(site: Site) -> None:
    """Paint slabs and towers of flats among lawns and car parks."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT)
    for plot in split(inset(site.outline, 6), site.angle, 9000, 9, random):
        drawing.polygon(plot, m.LAWN.varied(random, 0.1))
        for part in split(inset(plot, 4), site.angle, 2600, 6, random):
            chance = random.random()
            if chance < 0.6 and site.is_clear(part):
                _slab(site, part)
            elif chance < 0.8:
                car_park(site, inset(part, 2))
            else:
                trees = points_inside(part, 10, random)
                trees = trees[random.random(len(trees)) < 0.6]
                drawing.trees(site.free(trees, 4), 3.8, 11, m.CROWN, random)


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
    drawing.trees(site.free(trees, 4), 3.6, 10, m.CROWN, random)


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
    edges = half_planes(inset(plot, 3)) if len(inset(plot, 3)) else []
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
            drawing.trees(site.free(trees, 3), 2.2, 5.5, m.CROWN, random)


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
            if random.random() < 0.72 and site.is_clear(part) and area(shed) > 250:
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
        inside = np.all([path @ n <= o for o, n in half_planes(ground)], axis=0)
        if inside.sum() > 2:
            drawing.polygon(ribbon(path[inside], 4.5), m.SAND)
    pond = middle + random.uniform(-0.15, 0.15, 2) * size
    basin = blob(pond, 0.16 * size, random)
    drawing.polygon(pond + (basin - pond) * 1.08, m.SAND)
    drawing.polygon(basin, m.LAKE)
    trees = points_inside(lawn, 8.5, random)
    grove = np.sin(trees[:, 0] / 31 + pond[0]) + np.sin(trees[:, 1] / 23 + pond[1])
    kept = (grove > 0.15) & (np.linalg.norm(trees - pond, axis=1) > 0.26 * size)
    near_edge = np.min([o - trees @ n for o, n in half_planes(lawn)], axis=0) < 9
    trees = trees[(kept | near_edge) & (random.random(len(trees)) < 0.85)]
    drawing.trees(site.free(trees, 5), 4.6, 13, m.CROWN, random)


def fill_sport(site: Site) -> None:
    """Paint a stadium with its running track, pitches and tennis courts."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.ASPHALT)
    ground = inset(site.outline, 6)
    if len(ground) < 3:
        return
    drawing.polygon(ground, m.DRY_GRASS.varied(random, 0.08))
    edges = half_planes(inset(ground, 6)) if len(inset(ground, 6)) else []
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
    drawing.trees(site.free(trees, 4), 3.8, 11, m.CROWN, random)


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
