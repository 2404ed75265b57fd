"""The joined file: pixels, overviews, layout, and what a full disk does."""

import itertools

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_validate
from tifffile import TiffFile

from srtools.errors import SRError
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.inference import output_files, pieces

HEIGHT, WIDTH = 1201, 1631
TAGS = {"PROCESSING": "super-resolution by <model> & others", "INTERVAL": "halve"}


@pytest.fixture
def pixels() -> np.ndarray:
    """Return an image and its intervals, with nodata."""
    random = np.random.default_rng(0)
    made = random.integers(1, 65536, (8, HEIGHT, WIDTH)).astype(np.uint16)
    made[:, 300:433, 500:701] = 0
    return np.where(random.random(made.shape) < 0.2, 0, made)


@pytest.fixture
def cut(tmp_path, pixels) -> list[pieces.Piece]:
    """Write the pieces of `pixels`; return them."""
    cut = pieces.cut(WIDTH, HEIGHT, 576)
    for piece in cut:
        pieces.write(tmp_path / piece.name, pixels[(..., *piece.window)], piece)
    return cut


@pytest.fixture
def join(tmp_path, cut):
    """Return a function that joins the pieces."""
    grid = Grid(
        rasterio.CRS.from_epsg(32631), from_origin(5e5, 5e6, 1.5, 1.5), WIDTH, HEIGHT
    )
    out = tmp_path / "out"
    out.mkdir()

    def join(*arguments):
        path = out / "sr.tif"
        output_files.write_cog(path, tmp_path, cut, grid, TAGS, *arguments)
        return path

    return join


@pytest.mark.parametrize(("first", "remove"), [(1, False), (5, True)])
def test_the_joined_file(tmp_path, join, pixels, cut, first, remove):
    """Its blocks are those of the pieces; each byte of the file is used."""
    path = join(first, remove)
    assert len(list(tmp_path.glob("r*.tif"))) == (0 if remove else len(cut))
    assert cog_validate(path, quiet=True) == (True, [], [])
    expected = pixels[first - 1 : first + 3]
    size = {"count": 4, "height": HEIGHT, "width": WIDTH, "dtype": "uint16"}
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), expected)
        assert file.overviews(1) == [2, 4, 8] and file.block_shapes == [(288, 288)] * 4
        assert file.nodata == 0 and file.descriptions == ("B04", "B03", "B02", "B08")
        assert file.tags() == {**TAGS, "AREA_OR_POINT": "Area"}
        assert file.transform == from_origin(5e5, 5e6, 1.5, 1.5)
    same = {"nodata": 0, "blocksize": 288, "overview_resampling": "average"}
    with rasterio.open(tmp_path / "g.tif", "w", driver="COG", **size, **same) as file:
        file.write(expected)
    for level in range(3):  # with the sizes, places and means of GDAL, but for rounding
        names = path, tmp_path / "g.tif"
        ours, gdals = (rasterio.open(name, overview_level=level) for name in names)
        np.testing.assert_allclose(ours.read(), gdals.read(), rtol=0, atol=1)
        assert ours.nodata == 0
    with TiffFile(path) as file:
        blocks = [zip(p.dataoffsets, p.databytecounts, strict=True) for p in file.pages]
        assert not any(tag.valueoffset % 2 for page in file.pages for tag in page.tags)
    blocks = sorted(itertools.chain(*blocks))
    ends = [place + size for place, size in blocks]
    assert [place for place, _ in blocks[1:]] + [path.stat().st_size] == ends
    assert {file.name for file in path.parent.iterdir()} == {
        "sr.tif",
        "sr.tif.empty.tif",
    }


def test_a_full_disk(tmp_path, join, cut, monkeypatch):
    """GDAL may return without an error."""
    full, is_whole = [], raster.is_whole
    monkeypatch.setattr(raster, "is_whole", lambda path: full.append(path))
    with pytest.raises(SRError, match="was not written completely; the disk is"):
        join()
    assert len(full) == 1 and all(is_whole(tmp_path / piece.name) for piece in cut)
