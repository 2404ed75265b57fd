"""Reflectances (0-1; red, green, blue, near infrared) of the materials of a landscape.

Rounded values of the kind that surface reflectance images show in a dry July.
"""

from demo.drawing import Material

ASPHALT = Material(0.105, 0.103, 0.100, 0.135, 0.04, 0.05)
PAVEMENT = Material(0.165, 0.158, 0.146, 0.200, 0.05, 0.06)
STONE = Material(0.260, 0.240, 0.205, 0.300, 0.03, 0.03)
SAND = Material(0.270, 0.235, 0.180, 0.320, 0.04, 0.05)
BALLAST = Material(0.135, 0.125, 0.117, 0.160, 0.04, 0.05)
RAIL = Material(0.200, 0.185, 0.170, 0.230, 0.02, 0.02)
YARD = Material(0.190, 0.185, 0.175, 0.230, 0.05, 0.08)
RIVER = Material(0.040, 0.057, 0.044, 0.022, 0.03, 0.06)
LAKE = Material(0.030, 0.048, 0.046, 0.014, 0.02, 0.05)
POOL = Material(0.100, 0.270, 0.340, 0.040, 0.02, 0.00)

LAWN = Material(0.068, 0.098, 0.050, 0.360, 0.05, 0.09)
DRY_GRASS = Material(0.130, 0.125, 0.074, 0.300, 0.06, 0.12)
GARDEN = Material(0.080, 0.098, 0.056, 0.300, 0.12, 0.13)
HEDGE = Material(0.036, 0.055, 0.030, 0.330, 0.12, 0.06)
CROWN = Material(0.032, 0.053, 0.027, 0.370, 0.10, 0.05)
CONIFER = Material(0.023, 0.037, 0.022, 0.240, 0.10, 0.05)
UNDERGROWTH = Material(0.028, 0.042, 0.024, 0.260, 0.15, 0.08)
PITCH = Material(0.062, 0.110, 0.048, 0.420, 0.02, 0.03, 11.0, 0.06)
TRACK = Material(0.300, 0.120, 0.090, 0.340, 0.02, 0.02)
COURT = Material(0.060, 0.130, 0.085, 0.220, 0.02, 0.01)
WHITE_LINE = Material(0.420, 0.420, 0.410, 0.430, 0.01, 0.0)

ZINC = Material(0.185, 0.192, 0.205, 0.205, 0.03, 0.03)
SLATE = Material(0.098, 0.102, 0.112, 0.125, 0.03, 0.03)
TILE = Material(0.205, 0.125, 0.090, 0.260, 0.04, 0.03)
BROWN_TILE = Material(0.135, 0.100, 0.080, 0.185, 0.04, 0.03)
GRAVEL = Material(0.165, 0.155, 0.142, 0.190, 0.04, 0.04)
WHITE_ROOF = Material(0.370, 0.370, 0.365, 0.375, 0.02, 0.03)
SHEET = Material(0.255, 0.262, 0.270, 0.270, 0.02, 0.02, 6.0, 0.035)
BLUE_SHEET = Material(0.120, 0.165, 0.230, 0.215, 0.02, 0.02, 6.0, 0.03)
RED_SHEET = Material(0.230, 0.110, 0.085, 0.260, 0.02, 0.02, 6.0, 0.03)
CONCRETE = Material(0.240, 0.232, 0.218, 0.265, 0.02, 0.03)

CITY_ROOFS = (ZINC, ZINC, ZINC, ZINC, SLATE, TILE, BROWN_TILE, GRAVEL)
HOUSE_ROOFS = (TILE, TILE, TILE, BROWN_TILE, BROWN_TILE, SLATE, ZINC)
SHED_ROOFS = (SHEET, SHEET, WHITE_ROOF, GRAVEL, BLUE_SHEET, RED_SHEET, CONCRETE)
CAR_PAINTS = (
    Material(0.45, 0.45, 0.45, 0.45, 0.0, 0.0),
    Material(0.30, 0.30, 0.31, 0.32, 0.0, 0.0),
    Material(0.05, 0.05, 0.05, 0.07, 0.0, 0.0),
    Material(0.05, 0.05, 0.06, 0.07, 0.0, 0.0),
    Material(0.25, 0.06, 0.05, 0.30, 0.0, 0.0),
    Material(0.07, 0.10, 0.20, 0.15, 0.0, 0.0),
)

RIPE_WHEAT = Material(0.230, 0.182, 0.112, 0.310, 0.025, 0.05, 4.5, 0.03)
STUBBLE = Material(0.262, 0.216, 0.150, 0.305, 0.03, 0.05, 6.0, 0.06)
BARE_SOIL = Material(0.178, 0.145, 0.108, 0.225, 0.03, 0.09, 4.5, 0.05)
MAIZE = Material(0.046, 0.078, 0.038, 0.440, 0.04, 0.06, 3.0, 0.10)
BEET = Material(0.042, 0.074, 0.034, 0.500, 0.04, 0.05, 4.5, 0.07)
SUNFLOWER = Material(0.098, 0.108, 0.036, 0.430, 0.04, 0.05, 4.5, 0.06)
POTATOES = Material(0.060, 0.085, 0.044, 0.410, 0.04, 0.07, 4.5, 0.12)
MEADOW = Material(0.095, 0.112, 0.062, 0.330, 0.05, 0.13)
HAY = Material(0.165, 0.152, 0.092, 0.320, 0.03, 0.06, 9.0, 0.08)
CROPS = (
    RIPE_WHEAT,
    RIPE_WHEAT,
    RIPE_WHEAT,
    STUBBLE,
    STUBBLE,
    BARE_SOIL,
    MAIZE,
    MAIZE,
    BEET,
    SUNFLOWER,
    POTATOES,
    MEADOW,
    HAY,
)
