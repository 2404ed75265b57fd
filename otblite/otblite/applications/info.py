"""ReadImageInfo."""

import math

from otblite.application import Application
from otblite.image import Grid
from otblite.parameters import OUTPUT, Parameter, Type, input_image
from otblite.warp import project
from rasterio.crs import CRS

# OTB's names of the pixel types of files.
TYPE_NAMES = {
    "uint8": "unsigned_char",
    "int16": "short",
    "uint16": "unsigned_short",
    "int32": "int",
    "uint32": "unsigned_int",
    "float32": "float",
    "float64": "double",
}
CORNERS = ("ul", "ur", "lr", "ll")
# What is measured, and values of files without sensor metadata, the only ones here.
MEASURED = dict.fromkeys(("indexx", "indexy", "sizex", "sizey", "numberbands"), 0)
MEASURED |= {
    f"{key}{axis}": 0.0
    for key in ("spacing", "origin", "estimatedgroundspacing")
    for axis in "xy"
}
MEASURED |= {"datatype": "", "projectionref": ""}
NO_SENSOR = dict.fromkeys(
    ("sensor", "id", "time", "town", "country", "gcp.proj", "metadata"), ""
)
NO_SENSOR |= {"gcp.count": 0, "rgb.r": 0, "rgb.g": 1, "rgb.b": 2}
NO_SENSOR |= {f"{corner}{axis}": 0.0 for corner in CORNERS for axis in ("lat", "lon")}
NO_SENSOR |= {f"gcp.{key}": [] for key in ("ids", "info", "imcoord", "geocoord")}
TYPES = {str: Type.String, int: Type.Int, float: Type.Float, list: Type.StringList}


class ReadImageInfo(Application):
    """Grid, bands and type of an image, as output parameters."""

    def declare(self):
        """Declare the parameters."""
        yield input_image()
        for key, value in (MEASURED | NO_SENSOR).items():
            kind, measured = TYPES[type(value)], key in MEASURED
            yield Parameter(key, kind, role=OUTPUT, mandatory=measured)

    def run(self):
        """Describe the image; the origin is the centre of the first pixel."""
        image = self.image("in")
        grid = image.grid
        info = MEASURED | NO_SENSOR | {"numberbands": image.bands}
        info |= {"sizex": grid.width, "sizey": grid.height}
        info["spacingx"], info["spacingy"] = grid.spacing
        info["originx"], info["originy"] = grid.origin
        ground = _ground_spacing(grid)
        info["estimatedgroundspacingx"], info["estimatedgroundspacingy"] = ground
        name = TYPE_NAMES.get(image.dtype.name, image.dtype.name)
        info["datatype"] = "unknown" if image.in_memory else name  # that of a file
        info["projectionref"] = grid.crs.to_wkt() if grid.crs else ""
        for key, value in info.items():
            self.output(key, value)


def _ground_spacing(grid: Grid) -> tuple[float, float]:
    """Measure a pixel in the middle of the image on the ground, in metres.

    Source: haversine formula on a sphere of radius 6 371 000 m.
    """
    if not grid.crs:
        return tuple(map(abs, grid.spacing))
    col, row = grid.width // 2, grid.height // 2
    points = [grid.transform @ p for p in ((col, row), (col + 1, row), (col, row + 1))]
    xs, ys = zip(*points, strict=True)
    lon, lat = project(grid.crs, CRS.from_epsg(4326), xs, ys)

    def metres(other: int) -> float:
        phi, phi2 = math.radians(lat[0]), math.radians(lat[other])
        half_angle = math.radians(lon[other] - lon[0]) / 2
        root = math.sin((phi2 - phi) / 2) ** 2
        root += math.cos(phi) * math.cos(phi2) * math.sin(half_angle) ** 2
        return 2 * 6371000 * math.asin(math.sqrt(root))

    return metres(1), metres(2)
