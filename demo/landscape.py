"""The map: where the town, the country, the river and the main lines lie."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage, spatial

from demo import materials as m
from demo.country import fill_fields, fill_lake, fill_woods
from demo.drawing import DOME, Drawing
from demo.geometry import rectangle, resample, ribbon, unit
from demo.grounds import car, fill_estate, fill_park, fill_sheds, fill_sport
from demo.render import PIXEL
from demo.site import Site
from demo.town import fill_houses, fill_old_town

MARGIN = 720.0  # metres drawn around the Spot image, for Sentinel-2 to see

# Fillers, dealt out in turn to the districts of each ring around the centre.
CENTRE = [fill_old_town] * 5 + [fill_park]
INNER = [fill_old_town] * 3 + [fill_houses, fill_estate, fill_park]
OUTER = [fill_houses] * 5 + [fill_estate, fill_sheds, fill_sheds, fill_sport, fill_park]


class Lines:
    """The river, avenues and railway: centre lines [n, 2] and widths in metres."""

    def __init__(self, extent: float, random: np.random.Generator) -> None:
        """Lay them out over a Spot image of `extent` x `extent` metres."""
        self.centre = extent * (np.array([0.40, 0.40]) + random.uniform(-0.04, 0.04, 2))
        self.river_width = float(np.clip(0.05 * extent, 44, 130))
        self.avenue_width = float(np.clip(0.014 * extent, 16, 34))
        self.railway_width = float(np.clip(0.012 * extent, 14, 30))
        span = np.linspace(-MARGIN - 60, extent + MARGIN + 60, 400)
        phase = random.uniform(0, 2 * np.pi, 2)
        bend = 0.07 * np.sin(2 * np.pi * span / (1.15 * extent) + phase[0])
        bend = bend + 0.03 * np.sin(2 * np.pi * span / (0.47 * extent) + phase[1])
        level = self.centre[1] + extent * (
            0.2 - bend[np.argmin(abs(span - self.centre[0]))]
        )
        self.river = np.stack([span, level + extent * bend], axis=1)
        far = extent + 2 * MARGIN
        tilt = random.uniform(-0.25, 0.25)
        self.avenues = [
            self._straight(tilt - np.pi / 2, far),
            self._straight(tilt + np.pi / 2, far),
            self._straight(tilt + random.uniform(2.7, 3.3), far),
            self._straight(tilt + random.uniform(-0.5, -0.2), far),
            self._straight(tilt + random.uniform(0.1, 0.35), 0.15 * extent),
        ]
        start = np.array([0.86 * extent, -MARGIN - 60])
        rail = np.linspace(0, 1, 300)[:, None] * np.array([0, far + 120]) + start
        rail[:, 0] -= 0.2 * extent * np.sin((rail[:, 1] / extent - 0.1) * 1.6)
        self.railway = rail

    def _straight(self, angle: float, length: float) -> np.ndarray:
        """Return a straight line [n, 2] from the centre."""
        return self.centre + np.linspace(0, length, 300)[:, None] * unit(angle)

    def room(self, extent: float) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function of the distance to the nearest of these lines."""
        cell = 3.0
        side = int((extent + 2 * MARGIN) / cell) + 2
        image = Image.new("L", (side, side), 1)
        pen = ImageDraw.Draw(image)
        bands = [(self.river, self.river_width + 30)]
        bands += [(line, self.avenue_width) for line in self.avenues]
        bands += [(self.railway, self.railway_width)]
        for line, width in bands:
            outline = (ribbon(line, width) + MARGIN) / cell
            pen.polygon(np.rint(outline).astype(int).ravel().tolist(), fill=0)
        middle, radius = (self.centre + MARGIN) / cell, 2.6 * self.avenue_width / cell
        pen.ellipse([*(middle - radius).tolist(), *(middle + radius).tolist()], fill=0)
        distance = ndimage.distance_transform_edt(np.asarray(image)).astype(np.float32)

        def room(points: np.ndarray) -> np.ndarray:
            index = ((points + MARGIN) / cell).astype(int).clip(0, side - 1)
            return distance[index[:, 1], index[:, 0]] * cell

        return room


def draw_landscape(size: int, seed: int) -> Drawing:
    """Draw the landscape around a Spot image of `size` x `size` PAN pixels.

    The drawing covers the image and `MARGIN` metres around it, and depends on
    nothing but the two arguments.
    """
    random = np.random.default_rng([seed, size])
    extent = size * PIXEL
    drawing = Drawing()
    lines = Lines(extent, random)
    room = lines.room(extent)
    decks: dict[int, list] = {}
    for outline, fill in _districts(extent, lines, random, decks):
        angle = random.uniform(0, np.pi)
        fill(Site(drawing, random, outline, angle, room))
    everywhere = Site(drawing, random, np.zeros((0, 2)), 0.0, room)
    _river(everywhere, lines)
    _railway(everywhere, lines)
    _avenues(everywhere, lines)
    return drawing


def _districts(
    extent: float, lines: Lines, random: np.random.Generator, decks: dict[int, list]
) -> list[tuple[np.ndarray, Callable[[Site], None]]]:
    """Cut the plane into districts and choose a filler for each."""
    spacing = float(np.clip(0.13 * extent, 165, 330))
    reach = MARGIN + 2.5 * spacing
    ticks = np.arange(-reach, extent + reach, spacing)
    x, y = np.meshgrid(ticks, ticks)
    seeds = np.stack([x.ravel(), y.ravel()], axis=1)
    seeds += random.uniform(-0.32, 0.32, seeds.shape) * spacing
    diagram = spatial.Voronoi(seeds)
    anchors = random.uniform(-0.3, 1.3, (14, 2)) * extent
    districts = []
    for place, region in zip(seeds, diagram.point_region, strict=True):
        corners = diagram.regions[region]
        low, high = -MARGIN - spacing, extent + MARGIN + spacing
        if -1 in corners or not (low < place.min() and place.max() < high):
            continue
        outline = diagram.vertices[corners]
        districts.append((outline, _use(place, extent, lines, anchors, random, decks)))
    return districts


def _use(
    place: np.ndarray,
    extent: float,
    lines: Lines,
    anchors: np.ndarray,
    random: np.random.Generator,
    decks: dict[int, list],
) -> Callable[[Site], None]:
    """Choose the filler of the district around `place`."""
    away = place - lines.centre
    turn = np.arctan2(away[1], away[0])
    lobes = 1 + 0.16 * np.cos(3 * turn + anchors[0, 0]) + 0.1 * np.cos(5 * turn)
    distance = float(np.linalg.norm(away)) / (0.44 * extent * lobes)
    if distance < 1.0:
        ring = int(np.searchsorted([0.45, 0.72], distance))
        uses = (CENTRE, INNER, OUTER)[ring]
    else:
        ring = 3 + int(np.argmin(np.linalg.norm(anchors - place, axis=1))) % 3
        woods, fields = [fill_woods], [fill_fields] * 9 + [fill_houses, fill_lake]
        uses = woods if ring == 3 else fields
        ring = min(ring, 4)
    deck = decks.setdefault(ring, [])
    if not deck:
        deck.extend(uses[i] for i in random.permutation(len(uses)))
    return deck.pop()


def _river(site: Site, lines: Lines) -> None:
    """Paint the river, its banks and the trees along them."""
    drawing, width = site.drawing, lines.river_width
    drawing.polygon(ribbon(lines.river, width + 30), m.DRY_GRASS)
    drawing.polygon(ribbon(lines.river, width + 14), m.STONE)
    drawing.polygon(ribbon(lines.river, width), m.RIVER)
    for side in (-1, 1):
        for shift in (width / 2 + 9.5, width / 2 + 15):
            site.plant_row(lines.river, side * shift, 0.75)
    points, normals = resample(lines.river, 210)
    for (x, y), (across_x, across_y) in zip(points, normals, strict=True):
        if site.random.random() < 0.6:
            shift = site.random.uniform(-0.3, 0.3) * width
            place = np.array([x + shift * across_x, y + shift * across_y])
            angle = float(np.arctan2(-across_x, across_y))
            barge = m.SHED_ROOFS[site.random.integers(7)]
            drawing.polygon(rectangle(place, 38, 5.5, angle), barge, 2.5)


def _crossings(lines: Lines, line: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Find where a line crosses the river: points [2] and directions."""
    points, normals = resample(line, 4.0)
    level = np.interp(points[:, 0], lines.river[:, 0], lines.river[:, 1])
    signs = np.flatnonzero(np.diff(np.sign(points[:, 1] - level)))
    return [
        (points[i], float(np.arctan2(-normals[i, 0], normals[i, 1]))) for i in signs
    ]


def _railway(site: Site, lines: Lines) -> None:
    """Paint the railway with its tracks, a train and its bridge."""
    drawing, random, width = site.drawing, site.random, lines.railway_width
    drawing.polygon(ribbon(lines.railway, width + 8), m.DRY_GRASS)
    for middle, angle in _crossings(lines, lines.railway):
        deck = rectangle(middle, lines.river_width * 1.15, width + 3, angle)
        drawing.polygon(deck, m.CONCRETE, 9)
    drawing.polygon(ribbon(lines.railway, width), m.BALLAST)
    for shift in np.arange(-width / 2 + 3, width / 2 - 1, 4.5):
        for rail in (-0.75, 0.75):
            drawing.polygon(ribbon(lines.railway, 0.5, shift + rail), m.RAIL)
    points, normals = resample(lines.railway, 26)
    for start in range(12, len(points) - 12, 40):
        paint = m.SHED_ROOFS[random.integers(4)]
        shift = float(np.arange(-width / 2 + 3, width / 2 - 1, 4.5)[random.integers(2)])
        for point, normal in zip(points[start:][:8], normals[start:][:8], strict=True):
            angle = float(np.arctan2(-normal[0], normal[1]))
            wagon = rectangle(point + shift * normal, 25, 2.9, angle)
            drawing.polygon(wagon, paint, 4)


def _avenues(site: Site, lines: Lines) -> None:
    """Paint the avenues with trees, cars and bridges, and the star they start from."""
    drawing, random, width = site.drawing, site.random, lines.avenue_width
    for line in lines.avenues:
        drawing.polygon(ribbon(line, width), m.PAVEMENT)
        for middle, angle in _crossings(lines, line):
            deck = rectangle(middle, lines.river_width * 1.15, width, angle)
            drawing.polygon(deck, m.STONE, 9)
            road = rectangle(middle, lines.river_width * 1.15, 0.7 * width, angle)
            drawing.polygon(road, m.ASPHALT, 9)
    for line in lines.avenues:
        points, normals = resample(line, 9.0)
        level = np.interp(points[:, 0], lines.river[:, 0], lines.river[:, 1])
        dry = np.abs(points[:, 1] - level) > 0.62 * lines.river_width
        for side in (-1, 1):
            rows = points + side * (width / 2 - 2.2) * normals
            drawing.trees(rows[dry], 3.6, 11, m.CROWN, random)
        drawing.polygon(ribbon(line, 0.58 * width), m.ASPHALT)
        for point, normal in zip(points, normals, strict=True):
            for lane in (-0.2, -0.09, 0.09, 0.2):
                if random.random() < 0.16:
                    angle = float(np.arctan2(-normal[0], normal[1]))
                    car(drawing, point + lane * width * normal, angle, random)
    turn = np.linspace(0, 2 * np.pi, 64)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for radius, surface in ((2.4, m.PAVEMENT), (2.1, m.ASPHALT), (1.0, m.PAVEMENT)):
        drawing.polygon(lines.centre + radius * width * circle, surface)
    arch = rectangle(lines.centre, 1.1 * width, 0.6 * width, random.uniform(0, np.pi))
    drawing.polygon(arch, m.STONE, 40)
    drawing.polygon(lines.centre + 4 * circle, m.STONE, 41, 3, DOME)
