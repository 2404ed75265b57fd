"""Answers of an engine to the cases of `cases.py`, and how they are compared.

    python differential.py serve

answers cases on the engine that this process finds: one line of JSON on standard input
is a case and the file for its answer.
"""

import json
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.rasters import write_geotiff  # noqa: E402
from tests.real_otb import cases  # noqa: E402

import otbApplication  # noqa: E402

# How far values of the real numbers may be apart: DN, or a share of the largest value.
DN, SHARE = 0.02, 1e-5
WARPS = ("Superimpose", "BundleToPerfectSensor")
MEASURED = {
    "ReadImageInfo": ("sizex", "sizey", "spacingx", "spacingy", "originx", "originy")
    + ("indexx", "indexy", "numberbands"),
    "ComputeImagesStatistics": ("out.mean", "out.min", "out.max", "out.std"),
    "PixelValue": ("value",),
    "CompareImages": ("mse", "mae", "psnr", "count"),
}
COPIES = ("ExtractROI", "ConcatenateImages", "Mosaic")


def answer(case: dict) -> dict:
    """Run a case; return its pixels and their place, its numbers, or its refusal."""
    name = case["application"]
    app = otbApplication.Registry.CreateApplication(name)
    with tempfile.TemporaryDirectory() as folder:
        try:
            return run(app, case, Path(folder))
        except (RuntimeError, ValueError) as error:
            return {"refused": str(error)[-300:]}


def write(described: dict, path: Path) -> str:
    """Write an image, or points, and return its name."""
    if "points" in described:
        line = {"type": "LineString", "coordinates": described["points"]}
        feature = {"type": "Feature", "properties": {}, "geometry": line}
        path = path.with_suffix(".geojson")
        path.write_text(
            json.dumps({"type": "FeatureCollection", "features": [feature]})
        )
        return str(path)
    pixels, place = cases.pixels(described), cases.transform(described)
    crs, nodata = f"EPSG:{described['epsg']}", described["nodata"]
    return write_geotiff(path.with_suffix(".tif"), pixels, place, crs, nodata=nodata)


def run(app, case: dict, folder: Path) -> dict:
    for key, images in case["images"].items():
        listed = images if isinstance(images, list) else [images]
        names = [write(i, folder / f"{key}{n}") for n, i in enumerate(listed)]
        app.SetParameterValue(key, names if isinstance(images, list) else names[0])
    for key, value in case["parameters"].items():
        app.SetParameterValue(key, cases.spell(value) if key == "exp" else value)
    keys = app.GetParametersKeys()
    if "method.rcs.radiusx" in keys:  # OTB 8.1.1 has 3, and no parameter
        app.SetParameterInt("method.rcs.radiusx", 3)
        app.SetParameterInt("method.rcs.radiusy", 3)
    if case["application"] in MEASURED:
        app.Execute()
        return {
            key: numbers(app.GetParameterAsString(key))
            for key in keys
            if key in MEASURED[case["application"]]
        }
    path = folder / "out.tif"
    app.SetParameterString("out", str(path))
    kind = getattr(otbApplication, f"ImagePixelType_{case['pixel']}")
    app.SetParameterOutputImagePixelType("out", kind)
    app.ExecuteAndWriteOutput()
    with rasterio.open(path) as file:
        return {
            "pixels": file.read(),
            "place": list(file.transform[:6]),
            "nodata": file.nodata,
            "epsg": file.crs and file.crs.to_epsg(),
        }


class Engine:
    """Another process that answers cases; after a crash the next case has a new one."""

    def __init__(self, environment: dict[str, str]):
        self.environment, self.process = environment, None
        self.file = tempfile.NamedTemporaryFile()

    def answer(self, case: dict) -> dict:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self.environment,
                text=True,
            )
        print(json.dumps([case, self.file.name]), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line == "answered\n":
                return pickle.loads(Path(self.file.name).read_bytes())
        code, self.process = self.process.wait(), None
        return {"refused": f"crash: {signal.Signals(-code).name if code < 0 else code}"}

    def close(self) -> None:
        if self.process:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


def serve() -> None:
    for line in sys.stdin:
        case, path = json.loads(line)
        Path(path).write_bytes(pickle.dumps(answer(case)))
        print("\nanswered", flush=True)


# Comparison.


def numbers(text) -> np.ndarray:
    words = str(text).strip("[]").split(",")
    return np.array([float(word) for word in words])


def difference(case: dict, theirs: dict, ours: dict) -> str:
    """Say in one line how two answers differ, nothing if they are equal."""
    if "refused" in theirs or "refused" in ours:
        if "refused" in theirs and "refused" in ours:
            return ""
        said = [answer.get("refused", "an answer") for answer in (theirs, ours)]
        return f"OTB: {said[0]}, otblite: {said[1]}"
    for key, value in theirs.items():
        if key == "pixels":
            if what := of_pixels(case, value, ours[key]):
                return what
        elif not equal(key, value, ours[key]):
            return f"{key}: OTB {value}, otblite {ours[key]}"
    return ""


def equal(key: str, one, other) -> bool:
    """Compare anything but pixels."""
    if key in ("nodata", "epsg"):
        return one == other or one != one and other != other
    relative = 0 if key == "place" else SHARE
    return np.shape(one) == np.shape(other) and np.allclose(
        one, other, relative, 1e-6, equal_nan=True
    )


def apart(case: dict, theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Return where pixels differ."""
    one, two = theirs.astype(float), ours.astype(float)
    with np.errstate(invalid="ignore"):
        same = (one == two) | np.isnan(one) & np.isnan(two)
        distance, size = np.abs(one - two), np.abs(one)
    if case["application"] in COPIES:
        return ~same
    if theirs.dtype.kind in "iu":
        return ~same & ~(distance <= np.maximum(1, 1e-6 * size))
    limit = np.maximum(1e-6, SHARE * size)
    if case["application"] in WARPS:
        largest = size[np.isfinite(size)].max(initial=0)
        limit = np.maximum(limit, max(DN, 1e-6 * largest))
    return ~same & ~(distance <= limit)


def of_pixels(case: dict, theirs: np.ndarray, ours: np.ndarray) -> str:
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        return f"OTB {theirs.shape} {theirs.dtype}, otblite {ours.shape} {ours.dtype}"
    wrong = apart(case, theirs, ours)
    if not wrong.any():
        return ""
    place = tuple(map(int, np.argwhere(wrong)[0]))
    return (
        f"{wrong.sum()} of {wrong.size} pixels, at (band, row, column) {place} "
        f"OTB {theirs[place]}, otblite {ours[place]}"
    )


# Smaller cases.


def simpler(case: dict) -> Iterator[dict]:
    """Make cases that are a little simpler."""
    parameters, images = case["parameters"], case["images"]
    if case["pixel"] != "float":
        yield case | {"pixel": "float"}
    for dropped in [key for key in parameters if key != "exp"]:
        kept = {key: v for key, v in parameters.items() if key != dropped}
        yield case | {"parameters": kept}
    for smaller in cut(parameters.get("exp", [])):
        yield case | {"parameters": {"exp": smaller}}
    for key, found in images.items():
        if isinstance(found, dict):
            for image in plainer(found):
                yield case | {"images": images | {key: image}}
            continue
        for index, old in enumerate(found):
            fewer = [[]] if len(found) > 1 else []
            for new in (*fewer, *([image] for image in plainer(old))):
                listed = [*found[:index], *new, *found[index + 1 :]]
                yield case | {"images": images | {key: listed}}


def cut(tree: list) -> Iterator[list]:
    """Make smaller expressions."""
    yield from tree[1:]
    for index, child in enumerate(tree[1:], 1):
        for smaller in cut(child):
            yield [*tree[:index], smaller, *tree[index + 1 :]]


def plainer(image: dict) -> Iterator[dict]:
    """Make an image smaller, or one of its properties the usual one."""
    rows, cols = image.get("size", (0, 0))
    for size in (
        (rows // 2, cols),
        (rows, cols // 2),
        (rows - 1, cols),
        (rows, cols - 1),
    ):
        if min(size) > 0:
            yield image | {"size": size}
    if image.get("bands", 1) > 1:
        yield image | {"bands": image["bands"] - 1}
    plain = {"type": "float32", "special": "", "nodata": None, "turn": 0}
    for key, usual in plain.items():
        if image.get(key, usual) != usual:
            yield image | {key: usual}


def shrink(case: dict, differs: Callable[[dict], bool], most: int = 300) -> dict:
    """Return the simplest case that still differs, of at most `most` tried."""
    while True:
        for smaller in simpler(case):
            most -= 1
            if most < 0:
                return case
            if differs(smaller):
                case = smaller
                break
        else:
            return case


if __name__ == "__main__":
    assert "otblite" not in otbApplication.__file__, "the real OTB was not found"
    serve()
