"""Districts of the country: parcels of crops, woods, a lake among meadows."""

import numpy as np

from demo import materials as m
from demo.geometry import (
    area,
    blob,
    clip,
    inset,
    points_inside,
    rectangle,
    split,
    unit,
)
from demo.site import Site


def fill_fields(site: Site) -> None:
    """Paint parcels of crops with their rows, tramlines, headlands and hedges."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.SAND.varied(random, 0.1))
    whole = inset(site.outline, 2.2)
    drawing.polygon(whole, m.MEADOW.varied(random, 0.1))
    target = float(np.clip(area(whole) / 4, 4000, 22000))
    for parcel in split(inset(whole, 2), site.angle, target, 2.5, random):
        _parcel(site, parcel)
    if random.random() < 0.3:
        corner = site.outline[random.integers(len(site.outline))]
        middle = whole.mean(axis=0) * 0.3 + corner * 0.7 if len(whole) else corner
        _farm(site, middle)


def _parcel(site: Site, parcel: np.ndarray) -> None:
    """Paint one parcel."""
    random, drawing = site.random, site.drawing
    crop = m.CROPS[random.integers(len(m.CROPS))].varied(random, 0.1)
    spans = [np.ptp(parcel @ unit(site.angle + t)) for t in (0, np.pi / 2)]
    angle = site.angle + (0 if spans[0] > spans[1] else np.pi / 2)
    drawing.polygon(parcel, crop._replace(row_amplitude=0.0), angle=angle)
    heart = inset(parcel, 9)  # headlands: the tractor turns here
    drawing.polygon(heart, crop, angle=angle)
    if len(heart) >= 3 and crop.row_amplitude and random.random() < 0.7:
        _tramlines(site, heart, crop, angle)
    if crop[:4] and random.random() < 0.12 and len(heart) >= 3:
        mown_part = split(heart, angle, area(heart) / 2.2, 0, random)[0]
        drawing.polygon(mown_part, m.STUBBLE.varied(random, 0.06), angle=angle)
    if random.random() < 0.25:
        side = random.integers(len(parcel))
        _hedge(site, parcel[side], parcel[(side + 1) % len(parcel)])
    if random.random() < 0.08:
        copse = blob(parcel.mean(axis=0), random.uniform(8, 20), random)
        trees = points_inside(copse, 6, random)
        drawing.trees(site.free(trees, 4), 4, 11, m.CROWN, random)


def _tramlines(site: Site, heart: np.ndarray, crop: m.Material, angle: float) -> None:
    """Paint the pairs of wheel tracks that sprayers leave every 24 m."""
    across = unit(angle + np.pi / 2)
    low, high = float((heart @ across).min()), float((heart @ across).max())
    soil = crop._replace(
        red=crop.red * 0.6 + 0.07,
        green=crop.green * 0.6 + 0.055,
        blue=crop.blue * 0.6 + 0.04,
        nir=crop.nir * 0.65 + 0.07,
        row_amplitude=0.0,
    )
    for offset in np.arange(low + 12, high, 24):
        for wheel in (-1.0, 1.0):
            track = clip(heart, across, offset + wheel + 0.35)
            track = clip(track, -across, -(offset + wheel - 0.35))
            site.drawing.polygon(track, soil)


def _hedge(site: Site, start: np.ndarray, end: np.ndarray) -> None:
    """Plant a hedgerow with some full-grown trees from `start` to `end`."""
    length = float(np.linalg.norm(end - start))
    places = np.arange(2, length, 3.2)[:, None] / max(length, 1)
    points = site.free(start + places * (end - start), 2)
    site.drawing.trees(points, 2.4, 4.5, m.HEDGE, site.random)
    tall = points[site.random.random(len(points)) < 0.18]
    site.drawing.trees(tall, 4.2, 11, m.CROWN, site.random)


def _farm(site: Site, middle: np.ndarray) -> None:
    """Paint a farm: a yard with barns and a house, trees around."""
    random, drawing = site.random, site.drawing
    yard = rectangle(middle, 62, 50, site.angle)
    if not (site.room(yard) > 4).all():
        return
    drawing.polygon(rectangle(middle, 78, 66, site.angle), m.GARDEN.varied(random))
    drawing.polygon(yard, m.YARD.varied(random, 0.1))
    along, across = unit(site.angle), unit(site.angle + np.pi / 2)
    for shift, side, length, width in (
        (-14, -16, 30, 12),
        (16, -14, 20, 14),
        (-20, 12, 18, 9),
    ):
        place = middle + along * shift + across * side
        roof = m.HOUSE_ROOFS[random.integers(5)].varied(random)
        barn = rectangle(place, length, width, site.angle)
        drawing.polygon(barn, roof, 5, width * 0.28, 1, site.angle)
    trees = points_inside(rectangle(middle, 76, 64, site.angle), 9, random)
    trees = trees[np.abs((trees - middle) @ across) > 26]
    drawing.trees(trees, 4.2, 11, m.CROWN, random)


def fill_woods(site: Site) -> None:
    """Paint a closed canopy crossed by rides, with a few clearings."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.SAND.varied(random, 0.1))
    for stand in split(site.outline, site.angle, 26000, 5, random):
        drawing.polygon(stand, m.UNDERGROWTH.varied(random))
        conifers = random.random() < 0.2
        kind = (m.CONIFER if conifers else m.CROWN).varied(random, 0.12)
        spacing = 4.6 if conifers else random.uniform(6.2, 7.6)
        trees = points_inside(inset(stand, 1.5), spacing, random)
        clearing = stand.mean(axis=0) + random.uniform(-30, 30, 2)
        if random.random() < 0.3:
            open_ground = blob(clearing, random.uniform(12, 28), random)
            drawing.polygon(open_ground, m.MEADOW.varied(random))
            radius = np.linalg.norm(open_ground - clearing, axis=1).mean()
            trees = trees[np.linalg.norm(trees - clearing, axis=1) > radius]
        trees = site.free(trees, 3)
        trees = trees[random.random(len(trees)) < 0.96]
        drawing.trees(trees, spacing * 0.62, 15, kind, random)


def fill_lake(site: Site) -> None:
    """Paint a gravel-pit lake with its beach, meadows and trees around it."""
    random, drawing = site.random, site.drawing
    drawing.polygon(site.outline, m.MEADOW.varied(random))
    middle, size = site.outline.mean(axis=0), float(np.sqrt(area(site.outline)))
    shape = blob(np.zeros(2), 1.0, random, 1.3)
    drawing.polygon(middle + shape * 0.385 * size, m.SAND)
    drawing.polygon(middle + shape * 0.37 * size, m.LAKE)
    trees = points_inside(site.outline, 7.5, random)
    away = np.linalg.norm(trees - middle, axis=1) > 0.52 * size
    trees = trees[away & (random.random(len(trees)) < 0.55)]
    drawing.trees(site.free(trees, 4), 4.2, 12, m.CROWN, random)
