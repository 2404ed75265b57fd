"""Applications of OTB and OTBTF as the tests run them, their parameters in short."""

import json
from pathlib import Path

import numpy as np
import rasterio

import pyotb

FOLDER = Path(__file__).parent / "conformance"
GRIDS = {"a": (8, 0, 0), "b": (6, 3, 2)}  # step, offset of columns and of rows
Size = int | tuple[int, int]


class Scene:
    """Input files of a scene of the conformance folder, and images made of them."""

    def __init__(self, name: str):
        self.inputs, self.answers = FOLDER / name / "in", FOLDER / name / "out"
        self.xs, self.pan = str(self.inputs / "xs.tif"), str(self.inputs / "pan.tif")
        self.s2 = self.stack("")
        self.north, self.south = self.stack("north_"), self.stack("south_")
        self.sup = self.superimpose()
        self.pxs = self.pansharpen(3, 3)  # as OTB 8.1.1 does without a parameter
        keys = ("grid.step", "grid.offsetx", "grid.offsety")
        self.grid = {"grid.psize": 8, **dict(zip(keys, GRIDS[name], strict=True))}

    def stack(self, prefix: str) -> pyotb.App:
        bands = [self.inputs / f"{prefix}B{n}.tif" for n in ("04", "03", "02", "08")]
        return pyotb.ConcatenateImages(il=list(map(str, bands)))

    def superimpose(self, **options) -> pyotb.App:
        return pyotb.Superimpose(inr=self.xs, inm=self.s2, **options)

    def pansharpen(self, *radius: int) -> pyotb.App:
        """Pansharpen with a radius (x, y) of the mean; the default is that of OTB 9."""
        keys = ("method.rcs.radiusx", "method.rcs.radiusy")
        chosen = dict(zip(keys, radius, strict=True)) if radius else {}
        return pyotb.BundleToPerfectSensor(inp=self.pan, inxs=self.xs, **chosen)

    def mosaic(self, *tiles: str) -> pyotb.App:
        return pyotb.Mosaic(il=[getattr(self, tile) for tile in tiles])

    def answer(self, name: str) -> tuple[np.ndarray, dict]:
        with rasterio.open(self.answers / f"{name}.tif") as file:
            return file.read(), file.profile

    def points(self, name: str) -> dict:
        return json.loads((self.answers / f"{name}.geojson").read_text())


def square(key: str, size: Size) -> dict[str, int]:
    """Return the parameters `{key}x` and `{key}y` of a side or of (height, width)."""
    height, width = size if isinstance(size, tuple) else (size, size)
    return {f"{key}y": height, f"{key}x": width}


def listed(images) -> list:
    return images if isinstance(images, list) else [images]


def select(folder: Path, image, groups=("train",), **options) -> dict[str, dict]:
    """Run PatchesSelection; return the GeoJSON of each group."""
    paths = {group: folder / f"{group}.geojson" for group in groups}
    outputs = {f"out{group}": str(path) for group, path in paths.items()}
    defaults = {"grid.step": 1, "grid.psize": 1, "strategy": "all"}
    pyotb.PatchesSelection({"in": image, **defaults, **options, **outputs})
    return {group: json.loads(path.read_text()) for group, path in paths.items()}


def shares(*proportions: float) -> dict:
    """Return the parameters of a split into train, valid and test."""
    keys = (f"strategy.split.{group}prop" for group in ("train", "valid", "test"))
    return {"strategy": "split"} | dict(zip(keys, proportions, strict=True))


def extract(sources: list[tuple], vec, **options) -> pyotb.App:
    """Run PatchesExtraction on sources (image, size of a patch)."""
    parameters = {"vec": str(vec), "field": "id"}
    for number, (images, size) in enumerate(sources, 1):
        parameters[f"source{number}.il"] = listed(images)
        parameters |= square(f"source{number}.patchsize", size)
    return pyotb.PatchesExtraction(parameters | options, n_sources=len(sources))


def serve(model, sources: dict[str, tuple], names=None, **options) -> pyotb.App:
    """Run TensorflowModelServe on sources (image, receptive field) by placeholder."""
    parameters = {"model.dir": str(model), "model.fullyconv": True}
    parameters |= {"output.names": names} if names else {}
    for number, (placeholder, (images, rfield)) in enumerate(sources.items(), 1):
        parameters[f"source{number}.il"] = listed(images)
        parameters[f"source{number}.placeholder"] = placeholder
        parameters |= square(f"source{number}.rfield", rfield)
    for key, parameter in (("efield", "output.efield"), ("tile", "optim.tilesize")):
        if size := options.pop(key, None):
            parameters |= square(parameter, size)
    return pyotb.TensorflowModelServe(parameters | options, n_sources=len(sources))


def write(app: pyotb.App, path: Path, pixel="float") -> tuple[np.ndarray, dict]:
    """Write an application's image; return the pixels of the file, [bands, h, w]."""
    app.write(str(path), pixel_type=pixel)
    with rasterio.open(str(path).split("?&")[0]) as file:
        return file.read(), file.profile
