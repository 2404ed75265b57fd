"""Random cases for applications of OTB, made of a seed alone.

A case is plain data, so that it can be printed, made smaller and recorded: the name of
the application, its images by parameter, its other parameters, and the pixel type of
the output.  An expression is a list: a template, then what fills its braces.
"""

import random
from collections.abc import Callable

import numpy as np
from affine import Affine
from rasterio import warp

TYPES = ("uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
PIXELS = ("float", "float", "float", "double", *TYPES[:5])
SPACINGS = (1.5, 1.5, 6.0, 6.0, 10.0, 6.3, 20 / 3, 0.7)
UTM31, LAMBERT = 32631, 2154
# What is in the image beside random numbers, and on how many pixels.
SPECIAL = ("", "", "", "flat", "far", "label", "label", "limits", "nan", "nan", "inf")
SHARE = 0.15
Made = tuple[dict, dict]  # images and other parameters


def image(r: random.Random, spacing=None, like=None, **fixed) -> dict:
    """Describe an image, with `like` in the neighbourhood of another one."""
    spacing = spacing or r.choice(SPACINGS)
    side = [r.choice((1, 2, r.randint(3, 9), r.randint(10, 23))) for _ in "hw"]
    x, y = 452001.0, 5412003.0
    if like:
        step, x, y = abs(like["place"][0]), *like["place"][2:]
        far = r.choice((None, 0, 0.4, 0.4, 1.7))  # in sizes of the other one; or around
        if far is None:
            side = [min(int(n * step / spacing + 9), 60) for n in like["size"]]
            x, y = x - 3.3 * spacing, y + 3.3 * spacing
        else:
            x += far * step * like["size"][1] * r.choice((1, 1, -1))
            y -= far * step * like["size"][0] * r.choice((1, 1, -1))
    kind, up = r.choice(TYPES), r.choice((-1,) * 24 + (1,))
    nodata = r.choice((None, None, None, 0, 7, 7 if "u" in kind else -999))
    place = [spacing, up * spacing * r.choice((1, 1, 1, 1.5)), x, y]
    described = {"seed": r.randrange(2**31), "size": side, "type": kind, "place": place}
    described |= {"bands": r.choice((1, 1, 2, 3, 4)), "special": r.choice(SPECIAL)}
    described |= {"nodata": nodata, "turn": r.choice((0,) * 99 + (0.3,)), "epsg": UTM31}
    return described | fixed


def pixels(described: dict) -> np.ndarray:
    """Make the pixels [h, w, bands]; legacy random numbers never change."""
    random = np.random.RandomState(described["seed"])
    kind, special = np.dtype(described["type"]), described["special"]
    shape = *described["size"], described["bands"]
    values = random.randint(1, 255 if kind.itemsize == 1 else 4000, shape).astype(kind)
    rare, whole = random.rand(*shape) < SHARE, random.rand(*shape[:2]) < SHARE
    if special == "flat":
        values[:] = values[0, 0, 0]
    elif special == "far" and kind.itemsize > 2:
        values += kind.type(2**23)  # where the squares of a few bands lose digits
    elif special == "near":
        values[:] = values % 2 + 2**23
    elif special == "smooth":
        y, x, band = np.indices(shape)
        values[:] = 3000 + 900 * np.sin(x / 6) + 700 * np.cos(y / 5) + band
    elif special == "label":
        values[rare] = values[whole] = described["nodata"] or 0
    elif special == "limits":
        limits = np.iinfo(kind if kind.kind in "iu" else np.uint16)
        values[rare], values[whole] = min(limits.max, 2**24), max(limits.min, -(2**24))
    elif special in ("nan", "inf") and kind.kind == "f":
        values[rare] = float(special)
    return values


def transform(described: dict) -> Affine:
    dx, dy, x, y = described["place"]
    return Affine(dx, described["turn"], x, described["turn"], dy, y)


def resampling(r: random.Random) -> dict:
    chosen = {"interpolator": r.choice(("bco", "bco", "linear", "nn"))}
    return chosen | ({"fv": r.choice((-999.0, 7.0, 0.5))} if r.random() < 0.5 else {})


def superimpose(r: random.Random) -> Made:
    if r.random() < 0.15:  # through a change of CRS, which is exact for neither
        fixed = {"place": [10.0, -10.0, 452000.0, 5412000.0], "size": [60, 60]}
        moving = image(r, special="smooth", type="float32", turn=0, **fixed)
        place = [6.0, -6.0, 652250.0, 6861410.0]
        return {"inr": image(r, epsg=LAMBERT, place=place, turn=0), "inm": moving}, {}
    reference = image(r)
    return {"inr": reference, "inm": image(r, like=reference)}, resampling(r)


def pansharpening(r: random.Random) -> Made:
    pan = image(r, bands=1 if r.random() > 0.03 else 2)
    xs = image(r, abs(pan["place"][0]) * r.choice((4, 4, 4, 2, 4.2, 1)), like=pan)
    parameters = resampling(r)
    if r.random() < 0.2:
        keys = (f"method.lmvm.radius{axis}" for axis in "xy")
        parameters |= {"method": "lmvm"} | {key: r.randint(1, 4) for key in keys}
    return {"inp": pan, "inxs": xs}, parameters


def region(r: random.Random) -> Made:
    mode = r.choice(("standard", "standard", "extent", "radius", "fit"))
    source = image(r, turn=0)
    (rows, cols), place = source["size"], transform(source)
    coarse = place.a >= 6
    unit = r.choice(("pxl", "phy", "lonlat")[: 3 if coarse else 1])
    images, parameters = {"in": source}, channels(r, source)

    def point(unit: str) -> tuple[float, float]:
        """Choose a place; OTB's are float32, so not too near to the edge of a pixel."""
        col, row = (r.randint(-1, n - 1) + r.uniform(0.3, 0.7) for n in (cols, rows))
        x, y = (col, row) if unit == "pxl" else place @ (col, row)
        if unit != "lonlat":
            return x, y
        (lon,), (lat,) = warp.transform(f"EPSG:{UTM31}", "EPSG:4326", [x], [y])
        return lon, lat

    keys, values = (), ()
    if mode == "standard":
        keys = [k for k in ("startx", "starty", "sizex", "sizey") if r.random() < 0.6]
        values = [
            r.randint(-("a" in k), (cols if "x" in k else rows) + 1) for k in keys
        ]
        return images, parameters | dict(zip(keys, values, strict=True))
    if mode == "extent":
        xs, ys = zip(*sorted((point(unit), point(unit))), strict=True)
        ys = sorted(ys, reverse=unit == "phy")
        keys, values = (
            ("ulx", "uly", "lrx", "lry", "unit"),
            (xs[0], ys[0], xs[1], ys[1]),
        )
    elif mode == "radius":
        radius = r.choice(((r.uniform(0, 5), "pxl"), (14.7, "phy"))[: 1 + coarse])
        keys, values = ("cx", "cy", "r", "unitr", "unitc"), (*point(unit), *radius)
    elif r.random() < 0.7:
        images["mode.fit.im"] = image(r, like=source, turn=0)
    else:
        images["mode.fit.vect"] = {"points": [point("lonlat"), point("lonlat")]}
    for key, value in zip(keys, (*values, unit), strict=False):
        parameters[f"mode.{mode}.{key}"] = value
    return images, parameters | {"mode": mode}


def channels(r: random.Random, source: dict) -> dict:
    """Choose channels now and then, and one that does not exist even less often."""
    names = [f"Channel{n + 1}" for n in range(source["bands"] + (r.random() < 0.1))]
    return {"cl": r.sample(names, r.randint(1, len(names)))} if r.random() < 0.4 else {}


def alike(r: random.Random, count: int) -> list[dict]:
    """Describe images of one grid, as a rule."""
    first = image(r)
    same = {key: first[key] for key in ("size", "place", "turn")}
    others = [image(r, **same) for _ in range(count - 1)]
    if others and r.random() < 0.1:
        others[-1] = image(r, like=first)
    return [first, *others]


def mosaicking(r: random.Random) -> Made:
    first = image(r)
    tiles = [first]
    for _ in range(r.choice((0, 1, 2))):
        row, col = (r.randint(-n - 3, n + 3) for n in first["size"])
        shift = r.choice((0, 0, 0, 0.3))
        corner = transform(first) @ (col + shift, row + shift)
        place = [*first["place"][:2], *corner]
        tiles.append(image(r, bands=first["bands"], place=place, turn=0))
    if r.random() < 0.15:
        tiles.append(image(r, like=first, bands=first["bands"]))
    return {"il": tiles}, {"nodata": r.choice((0.0, 0.0, 7.0, -999.0, 1.5))}


def statistics(r: random.Random) -> Made:
    first = image(r)
    more = [image(r, bands=first["bands"]) for _ in range(r.choice((0, 0, 1, 2)))]
    if r.random() < 0.05:
        more.append(image(r))
    chosen = {"bv": r.choice((0.0, 7.0, -999.0))} if r.random() < 0.5 else {}
    return {"il": [first, *more]}, chosen


def pixel_value(r: random.Random) -> Made:
    source = image(r)
    x, y = (r.uniform(-1.2, size + 0.4) for size in source["size"][::-1])
    if physical := r.random() < 0.4:
        # OTB's coordinates are float32, half metres here.
        x, y = transform(source) @ (int(x) + 0.5, int(y) + 0.5)
    mode = {"mode": "physical"} if physical else {}
    return {"in": source}, {"coordx": x, "coordy": y} | mode | channels(r, source)


def comparing(r: random.Random) -> Made:
    reference = image(r)
    measured = image(r, **({"size": reference["size"]} if r.random() < 0.6 else {}))
    images = {"ref.in": reference, "meas.in": r.choice((measured, measured, reference))}
    parameters = {
        f"{k[:-3]}.channel": r.randint(1, i["bands"]) for k, i in images.items()
    }
    for key, size in zip("yx", reference["size"], strict=True):
        if r.random() < 0.5:
            parameters[f"roi.start{key}"] = r.randint(0, size - 1)
            parameters[f"roi.size{key}"] = r.randint(1, size)
    return images, parameters


def templates(text: str) -> tuple[str, ...]:
    """Take a list apart; `sin cos: @(x)` stands for sin(x) and cos(x)."""
    found = []
    for part in text.split(" | "):
        names, _, rest = part.rpartition(": ")
        found += [rest.replace("@", name) for name in names.split()] or [part]
    return tuple(found)


COMPARED = "{} > {} | {} != {} | {} == {} | {} <= {} | {} >= {} | {} < {}"
BOTH = templates(
    "{} + {} | {} - {} | {} * {} | {} / {} | ({}) ^ 2 | -({}) | abs({}) | min({}, {})"
    " | max({}, {}, 5) | sqrt(abs({})) | log10({}) | sum({}, {}) | ndvi({}, {})"
    " | sin cos tan sinh cosh tanh exp: @({} / 2000) | log ln log2: @(abs({}) + 1)"
    " | {} - e * pi | {} * euler + ln10 / log2e"
)
LENIENT = BOTH + templates(
    "{} && {} | {} || {} | {} and {} | {} or {} | {} ? {} : {} | rint({}) | sign({}) | "
    "avg({}, {}) | atan2({}, {}) | +{} | _pi * _e | acosh(abs({}) + 1) | "
    f"asin acos atan asinh atanh: @({{}} / 9000) | {COMPARED}"
)
TESTS = templates(
    f"{COMPARED} | {{}} < {{1}} && {{1}} < 900"
    " | {} < 9 or {1} > 900 and {1} < 2000"
)
STRICT = (
    BOTH + tuple(f"{test} ? {{}} : {{}}" for test in TESTS) + ("pow(abs({}), 0.3)",)
)
VECTORS = templates(
    "mean var vmin vmax vnorm vabs vsqrt: @({}) | vect2scal(mean({})) | {} mlt 2 | "
    "{} dv 4 | {} pw 2 | {0} + {0} | {0} mult {0} | {0} div {0} | {0} pow {0} | "
    "2 * {} | dotpr({0}, {0}) | bands({}, {{1}}) | cat({}, 3) | {} - {{1}} | "
    "{{im1b1, 2}} | vsin vcos vtan vasin vacos vatan vexp: @({} dv 9000)"
)
AROUND = ("mean", "var", "median", "vmin", "vmax")
BROKEN = templates(
    "{} + | ({} | {} % 2 | {} & {} | {} = 3 | !{} | sin {} | {} {} | im1 | floor({}) | "
    "pow({}, 2) | {}.real | not {} | {}; | ;{} | {};;{} | 0x10 | +{} | {} && 2 | "
    "{}, 2 | im1 > 3 ? 1 : 0 | abs(im1) | bands(im1, {{9}}) | {} > 2 | {} ? 1 : 2 | "
    "min() | mean({}N3x3) + 1 | {{im1, 2}} | {}Mean"
)


def number(r: random.Random, bands: list[str], strict: bool, depth: int) -> list:
    """Make up an expression of numbers."""
    band = r.choice(bands)
    if depth == 0 or r.random() < 0.15:
        statistic = band + r.choice(("Mini", "Maxi", "Mean", "Sum", "Var"))
        more = (statistic, "im1PhyX") if strict else ()
        return [r.choice((band, band, band, "7", "0.5", "0", "idxX", "idxY", *more))]
    if strict and r.random() < 0.15:
        size = f"N{r.choice((1, 3, 5))}x{r.choice((1, 3))}"
        return [f"vect2scal({r.choice(AROUND)}({{}}{size}))", [band]]
    template = r.choice(STRICT if strict else LENIENT).replace("{1}", band)
    parts = (number(r, bands, strict, depth - 1) for _ in range(template.count("{}")))
    return [f"({template})", *parts]


def expression(r: random.Random, images: list[dict], strict: bool) -> list:
    bands = [
        f"im{i}b{b + 1}" for i, m in enumerate(images, 1) for b in range(m["bands"])
    ]
    bands += ["im9b1"] * (r.random() < 0.02)
    if r.random() < 0.07:
        return [r.choice(BROKEN), *([r.choice(bands)] for _ in "ab")]
    if strict and r.random() < 0.3:
        return [r.choice(VECTORS), [f"im{r.randint(1, len(images))}"]]
    count = r.choice((1, 1, 2, 3)) if strict else 1
    parts = (number(r, bands, strict, r.randint(0, 3)) for _ in range(count))
    return ["; ".join(["{}"] * count), *parts]


def spell(tree: list) -> str:
    return tree[0].format(*map(spell, tree[1:]))


def mathematics(strict: bool) -> Callable[[random.Random], Made]:
    def make(r: random.Random) -> Made:
        images = alike(r, r.choice((1, 1, 2)))
        return {"il": images}, {"exp": expression(r, images, strict)}

    return make


MAKERS = {
    "ExtractROI": region,
    "Superimpose": superimpose,
    "BundleToPerfectSensor": pansharpening,
    "ConcatenateImages": lambda r: ({"il": alike(r, r.choice((1, 1, 2, 3)))}, {}),
    "BandMath": mathematics(strict=False),
    "BandMathX": mathematics(strict=True),
    "Mosaic": mosaicking,
    "ComputeImagesStatistics": statistics,
    "PixelValue": pixel_value,
    "ReadImageInfo": lambda r: ({"in": image(r)}, {}),
    "CompareImages": comparing,
}


def known(special: str, x=0.0, y=0.0, size=(9, 11), **more) -> dict:
    fixed = {"size": list(size), "type": "float32", "special": special, "turn": 0}
    place = [6.0, -6.0, 452001.0 + 6 * x, 5412003.0 - 6 * y]
    fixed |= {"bands": 3, "nodata": None, "place": place}
    return image(random.Random(3), **(fixed | more))


def tagged(pan: int, xs: int | None) -> dict:
    """Describe PAN and XS of which some pixels have the value of PAN's nodata tag."""
    pixels = {"size": (12, 14), "type": "uint16", "bands": 1, "nodata": pan}
    coarse = {"place": [24.0, -24.0, 451990.0, 5412010.0], "nodata": xs}
    return {"inp": known("label", **pixels), "inxs": known("", size=(5, 5), **coarse)}


BESIDE = {"mode": "extent", "mode.extent.ulx": -4.0, "mode.extent.lrx": -2.0}
# What few seeds meet: NaN on and beside pixels, the very edge, close numbers.
KNOWN = {
    "ExtractROI": [({"in": known("")}, BESIDE)],
    "BundleToPerfectSensor": [
        (tagged(*tags), {}) for tags in ((0, None), (7, None), (7, 0), (0, 9))
    ],
    "ConcatenateImages": [
        ({"il": [known("nan", turn=0.3)]}, {}, "int32"),
        *(({"il": [known("inf")]}, {}, pixel) for pixel in ("uint32", "double")),
    ],
    "Mosaic": [
        (
            {
                "il": [
                    known("", turn=0.2),
                    known("", place=[6.0, dy, 452013.0, 5412003.0]),
                ]
            },
            {},
        )
        for dy in (10.0, 4.0)
    ],
    "Superimpose": [
        (
            {"inr": known("", x, y, (12, 14)), "inm": known("nan")},
            {"interpolator": kernel},
        )
        for x, y in ((0, 0.42), (0.42, -0.42))
        for kernel in ("bco", "linear")
    ],
    "BandMath": [
        ({"il": [known("nan")]}, {"exp": [text]})
        for text in (
            *("min(im1b1, im1b2)", "max(im1b2, im1b1)", "im1b1 / 4000 and 1"),
            *(
                "idxPhyX / 7 - idxPhyY",
                "im1b1, 2",
                "0.5 && 7",
                "atan2(0, atanh(-idxX))",
            ),
        )
    ],
    "BandMathX": [
        ({"il": [known(special)]}, {"exp": [text]})
        for special in ("nan", "near")
        for text in ("min(im1b1, im1b2)", "vmax(im1)", "var(im1b1N3x3); var(im1b2N5x3)")
    ]
    + [
        ({"il": [known("")]}, {"exp": [text]})
        for text in ("0x1F + 0b11 * im1b1", "0.5 / -idxX", "vabs(im1b1)", "vmin(im1b1)")
    ],
}


def make(application: str, seed: int) -> dict:
    """Make the case of a seed; those below 0 are `KNOWN`."""
    r = random.Random(f"{application} {seed}")
    known = KNOWN[application][seed] if seed < 0 else MAKERS[application](r)
    images, parameters, *pixel = known
    case = {"application": application, "images": images, "parameters": parameters}
    return case | {"pixel": r.choice(PIXELS) if seed >= 0 else (*pixel, "float")[0]}
