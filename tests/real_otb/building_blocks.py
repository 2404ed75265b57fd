"""The scripts' building blocks, each on a whole scene, on the engine of the process.

    python building_blocks.py BLOCK SCENE.json ANSWER.npz

All that the tests of this folder use of the scripts is imported here.  A block returns
a dict of arrays; their types decide how well two engines must agree
(see `test_real_otb.same`).
"""

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import rasterio
from affine import Affine

import sr_dataset
import sr_infer
from srtools.conventions import GROUPS
from srtools.images import vrt
from srtools.images.grid import Grid
from srtools.images.radiometry import at_least_1, remove_offset
from srtools.images.raster import ImageInfo, describe
from srtools.options import inference_options as inference
from srtools.pair import CREATION_OPTIONS, patch_groups, quality, radiometric_fit
from srtools.pair.dataset_job import DatasetJob
from srtools.pair.usable_pixels import find_usable_pixels
from srtools.sentinel2.sentinel2_image import Sentinel2
from tests.processes import ROOT

import otbApplication
import pyotb

MODEL = ROOT / "tests" / "otblite" / "conformance" / "model"
OFFSET = 1000
PATCH_SIZE = 8
FITS = [
    radiometric_fit.LinearFit(gain, bias, 0.9)
    for gain, bias in ((1.1, -150.25), (0.9, 60.5), (1.01, 0.0), (0.83, 212.0))
]


def computed(image) -> np.ndarray:
    """Return the pixels [h, w, bands] in memory, in the engine's type."""
    return np.array(image.to_numpy())


def exact(pixels: np.ndarray) -> np.ndarray:
    """Return pixels that no engine may round, as whole numbers."""
    assert (pixels == np.rint(pixels)).all()
    return pixels.astype(np.int32)


def written(path: Path | str) -> dict[str, np.ndarray]:
    """Return the pixels of a file, its georeference and its profile."""
    with rasterio.open(path) as file:
        about = {
            "type": file.dtypes,
            "profile": {
                key: file.profile.get(key)
                for key in ("compress", "interleave", "tiled", "blockysize")
            },
            "predictor": file.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR"),
        }
        place = np.array([*file.transform[:6], *file.shape], np.float64)
        bounds = [round(edge, 4) for edge in file.bounds]
        return {
            "pixels": file.read(),
            "place": place,
            "epsg": text(file.crs.to_epsg()),
            "bounds": text(bounds),
            "about": text(about),
        }


def text(values) -> np.ndarray:
    return np.array(json.dumps(values, default=str))


def named(name: str, answers: dict) -> dict:
    return {f"{name}, {key}": value for key, value in answers.items()}


def pan_of(scene: SimpleNamespace) -> ImageInfo:
    return describe(scene.pan, "the PAN image")


def xs_of(scene: SimpleNamespace) -> ImageInfo:
    return describe(scene.xs, "the XS image")


def stacked(scene: SimpleNamespace) -> pyotb.App:
    return sr_dataset.stack([scene.s2])


def stacking(scene: SimpleNamespace, folder: Path) -> dict:
    """ConcatenateImages, and Mosaic of two tiles that overlap."""
    return {
        "one tile": exact(computed(stacked(scene))),
        "two tiles": exact(computed(sr_dataset.stack(scene.tiles))),
    }


def offset(scene: SimpleNamespace, folder: Path) -> dict:
    """pyotb's operators: BandMathX."""
    removed = remove_offset(stacked(scene), OFFSET)
    removed.write(str(folder / "removed.tif"), pixel_type="uint16")
    return {
        "computed": exact(computed(removed)),
        "from 0": exact(computed(at_least_1(removed))),
        **named("written", written(folder / "removed.tif")),
    }


def pair(scene: SimpleNamespace) -> tuple[pyotb.App, pyotb.App]:
    return sr_dataset.make_pair(scene.pan, scene.xs, stacked(scene), OFFSET)


def write_patches(image: pyotb.App, path: Path) -> Path:
    image.write(str(path), pixel_type="uint16", ext_fname=CREATION_OPTIONS)
    return path


def superimpose(scene: SimpleNamespace, folder: Path) -> dict:
    """`lr`, computed and as in patches."""
    lr, _ = pair(scene)
    path = write_patches(at_least_1(lr), folder / "lr.tif")
    return {"computed": computed(lr), **named("written", written(path))}


def pansharpening(scene: SimpleNamespace, folder: Path) -> dict:
    """`hr`: computed, in memory (where it has 16 bit), and as in patches."""
    _, hr = pair(scene)
    hr.write(str(folder / "float.tif"), pixel_type="float")
    return {
        **named("float", written(folder / "float.tif")),
        "in memory": computed(hr),
        **named("written", written(write_patches(hr, folder / "hr.tif"))),
    }


def harmonizing(scene: SimpleNamespace, folder: Path) -> dict:
    """BandMathX with an expression for each band."""
    return {
        "hr": computed(radiometric_fit.harmonize(pair(scene)[1], FITS)),
        "xs": computed(radiometric_fit.harmonize(scene.xs, FITS)),
    }


def pair_table(scene: SimpleNamespace, folder: Path) -> dict:
    """The table of the pair, as printed and as recorded."""
    images = pair(scene)[0], pan_of(scene), xs_of(scene)
    record = quality.compare(*images, days=2).record()
    # DN of Spot where Sentinel-2 has a dark and a bright pixel.
    relations = [
        [fit["gain"] * dn + fit["bias"] for dn in (500, 3000)] + [fit["r2"]]
        for fit in record["spot_from_s2"].values()
        if fit
    ]
    return {
        "verdicts": text([record["verdict"], record["blocks"], record["criteria"]]),
        "shift": np.array([v or 0 for v in record["shift"].values()], np.float64),
        "relations": np.array(relations, np.float64),
        "changed": np.array(record["changed"] or 0, np.float64),
        "pan": np.array([record["pan"]["r2"] or 0], np.float64),
    }


def usable_pixels(scene: SimpleNamespace, folder: Path) -> dict:
    """Pixels left out of patches, with and without a scene classification."""
    answers = {}
    for name, scl in {"without": None, "with": scene.scl}.items():
        statistics = find_usable_pixels(
            pan_of(scene), xs_of(scene), stacked(scene), scl
        )
        assert 0 < statistics.usable.sum() < statistics.usable.size
        answers |= named(name, statistics.bad)
        answers[f"{name}, shares"] = text(
            [statistics.shares["missing"], statistics.shares["cloud"]]
        )
    return answers


class Receiver:
    """Keep the mask in the place of PatchesSelection, which is OTBTF's."""

    masks: list["Receiver"] = []

    def __init__(self, parameters: dict, frozen: bool):
        self.parameters, self.app = parameters, self
        self.roi = otbApplication.Registry.CreateApplication("ExtractROI")
        assert frozen

    def ImportVectorImage(self, key: str, image: dict) -> None:  # noqa: N802
        assert key == "mask"
        self.roi.ImportVectorImage("in", image)

    def execute(self) -> None:
        self.roi.Execute()

    def flush(self) -> None:
        exported = self.roi.ExportImage("out")
        self.pixels = np.array(exported["array"], np.float32)
        self.place = np.array([*exported["origin"], *exported["spacing"]], np.float64)
        self.crs = rasterio.CRS.from_wkt(self.roi.GetImageProjection("out"))
        self.masks.append(self)


def masks(scene: SimpleNamespace, folder: Path) -> dict:
    """The mask of each group as PatchesSelection receives it."""
    info = xs_of(scene)
    free = np.random.default_rng(0).random((info.height, info.width)) > 0.001
    plan = patch_groups.split_in_blocks(free, PATCH_SIZE, 4, seed=1)
    centres = {group: folder / f"{group}.geojson" for group in GROUPS}
    shares = (0.8, 0.1, 0.1)
    Receiver.masks.clear()
    with mock.patch.object(pyotb, "PatchesSelection", Receiver, create=True):
        interleaved = patch_groups.split_interleaved(free, PATCH_SIZE, shares)
        sent = [*plan.selections(centres), *interleaved.selections(centres)]
        sr_dataset.select_patches(scene.xs, sent)
    assert len(Receiver.masks) == len(sent)
    left, top = info.transform @ (0.5, 0.5)
    for received, (array, _) in zip(Receiver.masks, sent, strict=True):
        assert (received.pixels.squeeze() == array.squeeze()).all()
        assert np.allclose(
            received.place, (left, top, info.spacing, -info.spacing), 0, 1e-6
        )
        assert received.crs == info.crs
    return {str(i): m.pixels.astype(bool) for i, m in enumerate(Receiver.masks)}


def write_own_grid(scene: SimpleNamespace, folder: Path) -> dict:
    image = Sentinel2([scene.s2], offset=OFFSET)
    job = DatasetJob(None, folder, pan_of(scene), xs_of(scene), image)
    job.write_own_grid(remove_offset(stacked(scene), OFFSET))
    return job.entries["sentinel2_own_grid"]


def kept_sentinel2(scene: SimpleNamespace, folder: Path) -> dict:
    """The part of Sentinel-2 that exercise 1 keeps, with ExtractROI."""
    record = write_own_grid(scene, folder)
    answers = written(folder / record["path"])
    return {**answers, "pixels": exact(answers["pixels"]), "record": text(record)}


def exercise_5(scene: SimpleNamespace, folder: Path) -> dict:
    """All of exercise 5, with a zoom in the place of the network.

    Pieces are written with boxes, in strips and by band, and joined; where Sentinel-2
    has no data there is a hole.
    """
    grids = iter(range(1000))

    def zoom(parameters: dict, n_sources: int) -> pyotb.App:
        """Replace TensorflowModelServe, which is OTBTF's; the grid is the same."""
        (lr,) = parameters["source1.il"]
        margin = parameters["source1.rfieldx"] // 2  # lr pixels on each side
        height, width = lr.shape[:2]
        corner = Affine(*lr.transform[:6]) @ Affine.translation(margin, margin)
        place = Grid(
            rasterio.CRS.from_wkt(lr.app.GetImageProjection("out")),
            corner @ Affine.scale(1 / 4),
            4 * (width - 2 * margin),
            4 * (height - 2 * margin),
        )
        grid = vrt.write_grid(folder / f"sr{next(grids)}.vrt", place)
        return pyotb.Superimpose(inr=str(grid), inm=lr, interpolator="bco")

    answers = {}
    for name, like in {"whole": None, "like": scene.xs}.items():
        out = folder / f"{name}.tif"
        options = inference.Options(
            s2_images=tuple(scene.s2),
            model_dir=str(MODEL),
            out=str(out),
            like=like,
            offset=OFFSET,
            crop=16,
            tile_size=172,
            overwrite=True,
        )
        with mock.patch.object(pyotb, "TensorflowModelServe", zoom, create=True):
            sr_infer.infer(options)
        answers |= named(name, written(out))
    return answers


IMAGES = (stacking, offset, superimpose, pansharpening, harmonizing)
RESULTS = (pair_table, usable_pixels, masks, kept_sentinel2, exercise_5)
BLOCKS = {block.__name__: block for block in IMAGES + RESULTS}


def answer(block: str, scene: str | Path, out: str | Path) -> dict[str, np.ndarray]:
    """Run a block, and save its answers."""
    described = SimpleNamespace(**json.loads(Path(scene).read_text()))
    with tempfile.TemporaryDirectory(dir=Path(out).parent) as folder:
        answers = BLOCKS[block](described, Path(folder))
    np.savez(out, **answers)
    return answers


if __name__ == "__main__":
    assert "otblite" not in otbApplication.__file__, "the real OTB was not found"
    for one_scene, one_out in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        answer(sys.argv[1], one_scene, one_out)
