"""The environment of GDAL, PROJ and proxies after `import srtools`."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS

from srtools.errors import SRError
from srtools.images import raster
from srtools.sentinel2.sentinel2_image import check_images
from tests.fake_stac import FakeService, geotiff, serve
from tests.processes import run_python

import pyotb

PLACE = (10.0, 0.0, 450_000.0, 0.0, -10.0, 5_410_000.0)
UTM31 = CRS.from_epsg(32631)
AUX = (
    f"<PAMDataset><SRS>{UTM31.to_wkt()}</SRS>"
    "<GeoTransform>450000, 10, 0, 5410000, 0, -10</GeoTransform></PAMDataset>"
)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 3000, shape, np.uint16)


def test_a_place_in_a_side_file_is_read(write_raster):
    path = write_raster("s2.tif", noise(8, 8, 4), crs=None)
    Path(f"{path}.aux.xml").write_text(AUX)
    (s2,) = check_images([path])
    assert (s2.crs, s2.transform[:6]) == (UTM31, PLACE)
    engine = pyotb.Input(path)
    assert engine.transform == PLACE and "32631" in engine.app.GetImageProjection("out")


def test_a_mask_in_a_side_file_is_read(write_raster):
    path = write_raster("s2.tif", noise(8, 8, 4), 10.0)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"), rasterio.open(path, "r+") as file:
        file.write_mask(np.tri(8, dtype=bool))
    assert Path(f"{path}.msk").exists()
    with pytest.raises(SRError, match="has a mask that hides pixels"):
        check_images([path])


LINKS = ["s2.tif", "download?id=7", "s2.tif?sig=a%2Bb&se=2", "Nodes(s2.jp2)/$value"]


@pytest.mark.parametrize("link", LINKS)
def test_links_are_read_without_a_request_for_side_files(link):
    pixels = noise(200, 200)
    path = "/" + link.split("?")[0]
    with serve(FakeService()) as service:
        service.files[path[1:].split("/")[0]] = geotiff(pixels, rasterio.Affine(*PLACE))
        image = raster.describe(f"{service.url}/{link}", "the image")
        with raster.reading(image.path) as file:
            np.testing.assert_array_equal(file.read(1), pixels)
            assert file.read_masks(1).all() and not file.tags(ns="xml:XMP")
        engine = pyotb.Input(image.path)
        np.testing.assert_array_equal(engine.to_numpy()[:, :, 0], pixels)
    assert set(service.paths) == {path}


def test_a_link_of_another_name_says_what_names_are_read():
    with serve(FakeService()) as service:
        with pytest.raises(SRError, match="CPL_VSIL_CURL_ALLOWED_EXTENSIONS"):
            raster.describe(f"{service.url}/get.php?id=7", "the image")


def imported(**variables: str) -> dict[str, str]:
    """Return the environment after `import srtools` in a new process."""
    environment = {k: v for k, v in os.environ.items() if k.lower() != "no_proxy"}
    environment.pop("PROJ_DATA", None)
    code = "import os, srtools; print(repr(dict(os.environ)))"
    done = run_python("-c", code, env={**environment, **variables}, check=True)
    return eval(done.stdout)


def test_variables_of_the_user_are_kept():
    kept = {"PROJ_DATA": "/mine", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
    variables = imported(**kept)
    assert {name: variables[name] for name in kept} == kept
    assert Path(imported()["PROJ_DATA"], "proj.db").is_file()


def test_the_cache_of_gdal_is_small_on_large_machines():
    """GDAL reads and joins images with it, whatever the engine is."""
    code = (
        "import srtools; from rasterio.env import Env, get_gdal_config\n"
        "with Env(): print(get_gdal_config('GDAL_CACHEMAX'))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "GDAL_CACHEMAX"}
    for variables, megabytes in (({}, 64), ({"GDAL_CACHEMAX": "32"}, 32)):
        done = run_python("-c", code, env={**environment, **variables}, check=True)
        assert int(done.stdout) == megabytes * 2**20


@pytest.mark.parametrize(
    ("mine", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "a.org", "no_proxy": ""}, "a.org,127.0.0.1,localhost"),
        ({"no_proxy": "localhost,a.org"}, "localhost,a.org,127.0.0.1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_this_machine_is_asked_without_a_proxy(mine, expected):
    variables = imported(**mine)
    assert variables["no_proxy"] == expected
    assert variables.get("NO_PROXY", "*") == expected
