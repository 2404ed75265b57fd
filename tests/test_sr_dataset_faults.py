"""Exercise 1 with services that fail: the same patches, or one clear line."""

import functools
import io
import json
import logging
import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import rasterio
from affine import Affine

import sr_dataset
from srtools.conventions import BANDS
from srtools.pair import pair_pictures
from srtools.sentinel2 import download, stac_archive
from srtools.sentinel2.stac_archive import Archive
from tests.fake_stac import (
    FakeService,
    block_ranges,
    geotiff,
    serve,
    token_library_asks,
)
from tests.stac_items import item, outline_of

LEFT, TOP = 452_000, 5_412_000  # of the Spot image, 960 m x 960 m
# 512 x 512 pixels; the area lies in the second and third blocks of 128 pixels.
TILE = Affine(10, 0, LEFT - 2100, 0, -10, TOP + 2000)
SECRET = "hush"
WAVES = np.random.default_rng(2).uniform(-1, 1, (30, 4))


def ground(spacing, left, top, size, band):
    """Reflectance x 10000 of the same ground at any place and pixel size."""
    x = left - LEFT + (np.arange(size) + 0.5) * spacing
    y = top - TOP - (np.arange(size)[:, None] + 0.5) * spacing
    waves = sum(a * np.sin((b * x + c * y) / 25 + 3 * d + band) for a, b, c, d in WAVES)
    return 2500 + 250 * band + 120 * waves


@pytest.fixture(scope="module")
def spot(tmp_path_factory, write_raster_in):
    """PAN of 640 x 640 and XS of 160 x 160 pixels: their paths."""
    folder = tmp_path_factory.mktemp("spot")
    images = {
        name: np.stack(
            [ground(spacing, LEFT, TOP, round(960 / spacing), b) for b in range(bands)],
            axis=-1,
        ).astype(np.uint16)
        for name, spacing, bands in (("pan.tif", 1.5, 1), ("xs.tif", 6.0, 4))
    }
    return [
        write_raster_in(folder, name, pixels, 960 / len(pixels), (LEFT, TOP))
        for name, pixels in images.items()
    ]


@pytest.fixture(scope="module")
def images():
    """Bytes of the four bands and of the SCL of a Sentinel-2 tile, by name."""
    noise = np.random.default_rng(3)
    files = {}
    for number, band in enumerate(BANDS):
        pixels = 1000 + ground(10, TILE.c, TILE.f, 512, number)
        pixels += noise.normal(0, 200, pixels.shape)  # so that it does not compress
        files[band] = geotiff(pixels.astype(np.uint16), TILE)
    classes = noise.integers(4, 6, (256, 256)).astype(np.uint8)
    grid = TILE @ Affine.scale(2)
    files["SCL"] = geotiff(classes, grid, compress=None, blockxsize=64, blockysize=64)
    return files


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Retries at once; rows of single blocks: the images are small; no pictures."""
    factory = logging.getLogRecordFactory()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stac_archive, "RETRY_SECONDS", 0.01)
        patch.setattr(download, "MIN_ROWS", 128)
        for name in ("save_pair", "save_split"):
            patch.setattr(pair_pictures, name, lambda path, *_: path.touch())
        yield
    logging.setLogRecordFactory(factory)


def publish(service, images, *names_days_clouds):
    """Add items and their images, which cover the whole tile; hrefs hold a secret."""
    for name, day, cloud in names_days_clouds:
        service.items.append(item(name, day, cloud, outline=outline_of(TILE, 512)))
        for band, asset in service.items[-1]["assets"].items():
            href = f"{service.url}/{name}-{band}/image.tif"
            asset["href"] = f"{href}?se=1&sig={SECRET}"
        service.files |= {f"{name}-{band}": file for band, file in images.items()}


def read(image):
    """Read the pixels of a file, or of the bytes of one, [bands, h, w]."""
    with rasterio.open(
        io.BytesIO(image) if isinstance(image, bytes) else image
    ) as file:
        return file.read()


@pytest.fixture
def service(images):
    with serve(FakeService()) as service:
        publish(service, images, ("good", "2022-07-15", 1.0))
        yield service


class Run:
    """The end of one run of the script: exit code, output and files."""

    def __init__(self, code, printed, out_dir):
        self.code, self.printed, self.out_dir = code, printed, out_dir
        self.files = sorted(path.name for path in out_dir.glob("**/*"))
        self.errors = [x for x in printed.splitlines() if x.startswith("error: ")]

    def patches(self):
        return {path.name: read(path) for path in self.out_dir.glob("*_patches.tif")}

    def card(self):
        return json.loads((self.out_dir / "dataset.json").read_text())


def command(spot, out_dir, service):
    """Return the arguments of a run with a search."""
    images = ["--pan", spot[0], "--xs", spot[1], "--out_dir", str(out_dir)]
    small = ["--patch_size", "8", "--split", "interleaved"]
    return [*images, *small, "--stac_url", service.url]


@pytest.fixture
def run(spot, tmp_path, monkeypatch, capfd, caplog):
    """Run the script as a user would, with an archive of little patience."""
    caplog.set_level(logging.INFO)

    def run(service, timeout=5, patience=20):
        archive = functools.partial(Archive, timeout=timeout, patience=patience)
        monkeypatch.setattr("srtools.sentinel2.source.Archive", archive)
        code = sr_dataset.main(command(spot, tmp_path / "out", service))
        result = Run(code, "".join(capfd.readouterr()), tmp_path / "out")
        card = "".join(path.read_text() for path in result.out_dir.glob("*.json"))
        for text in (result.printed, caplog.text, card):
            assert SECRET not in text
            assert "sig=" not in text
        assert not [name for name in result.files if name.startswith(".partial")]
        return result

    return run


@pytest.fixture(scope="module")
def faultless(spot, images, tmp_path_factory):
    """The patches of a run in which nothing fails."""
    out_dir = tmp_path_factory.mktemp("faultless")
    with serve(FakeService()) as service:
        publish(service, images, ("good", "2022-07-15", 1.0))
        assert sr_dataset.main(command(spot, out_dir, service)) == 0
    return Run(0, "", out_dir).patches()


def assert_same(result, faultless):
    """The run gave exactly the patches of the faultless one."""
    assert (result.code, result.errors) == (0, [])
    assert result.card()["sentinel2"]["items"] == ["good"]
    patches = result.patches()
    assert patches.keys() == faultless.keys()
    for name, pixels in patches.items():
        np.testing.assert_array_equal(pixels, faultless[name])


def assert_one_line(result, words):
    """The run gave one line that holds `words`, and no file."""
    assert result.code == 1
    assert len(result.errors) == 1
    assert result.printed.endswith(f"{result.errors[0]}\n")
    assert re.search(words, result.errors[0])
    assert result.files == []


def test_nothing_fails(run, service, faultless):
    """What the others are compared with: the offset removed, nothing left out."""
    result = run(service)
    assert_same(result, faultless)
    assert result.card()["offset"] == 1000
    lr = faultless["train_lr_patches.tif"]
    # 2500 to 3250 for the four bands, give or take the waves.
    assert 2000 < lr[0].mean() < lr[3].mean() < 3800
    assert lr.min() > 1000


# --- success, after all ----------------------------------------------------------


def at_blocks(images, faults, times=10**6):
    """Make a rule: so often, the fault of each band for its blocks in the middle."""
    middle = {
        f"good-{band}": (block_ranges(images[band], [1, 2], [1, 2]), fault)
        for band, fault in faults.items()
    }
    count = dict.fromkeys(middle, times)

    def rule(method, part, asked):
        if method != "GET" or part not in middle or not asked or not count[part]:
            return None
        first, last = map(int, re.findall(r"\d+", asked))
        ranges, fault = middle[part]
        if not any(first <= end and last >= begin for begin, end in ranges):
            return None
        count[part] -= 1
        return fault

    rule.left = count
    return rule


@pytest.mark.parametrize("faults", [[503, (429, 0)], ["cut", "cut"]], ids=str)
def test_a_burst_everywhere_is_outlived(run, service, faultless, faults):
    """Each part of the service fails twice, before it answers."""
    parts = ["", "search", *service.files]
    service.faults = {part: list(faults) for part in parts}
    if "cut" in faults:  # the search begins again from the start, three times in all
        service.faults |= {"": ["cut"], "search": ["cut"]}
    assert_same(run(service), faultless)
    assert not any(service.faults.values())  # all of them were met


@pytest.mark.parametrize(
    "faults", [(503, "cut", "short", "long"), ("lie", "elsewhere")], ids=str
)
def test_blocks_that_fail_at_first(run, service, images, faultless, faults):
    faults = dict(zip(BANDS, faults, strict=False))  # one for each band
    service.rule = at_blocks(images, faults, times=1)
    assert_same(run(service), faultless)
    assert not any(service.rule.left.values())


@pytest.fixture
def tokens(service, monkeypatch):
    """The token service of the Planetary Computer on localhost, and unsigned items."""
    for asset in service.items[0]["assets"].values():
        asset["href"] = asset["href"].split("?")[0]
    when = datetime.now(timezone.utc) + timedelta(hours=2)
    service.expiries = [when.strftime("%FT%TZ")]
    with token_library_asks(service, monkeypatch):
        yield service


def test_a_token_that_ends_in_the_middle_of_the_blocks(run, tokens, images, faultless):
    """From the first block in the middle on, its token and the older ones are void."""
    block = at_blocks(images, {"B02": 403}, times=1)

    def rule(method, part, asked):
        fault = block(method, part, asked)
        if fault:
            tokens.void = len(tokens.asked("token"))
        return fault

    tokens.rule = rule
    assert_same(run(tokens), faultless)
    assert tokens.void
    assert len(tokens.asked("token")) > tokens.void


# --- one line --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (403, "try again later"),
        ("short", "got .* bytes, expected"),
        ("elsewhere", "Decoding error"),
        ("lie", "Decoding error"),
    ],
)
def test_a_block_that_always_fails(run, service, images, monkeypatch, fault, words):
    # With several threads GDAL gives zeros for it and says nothing.
    monkeypatch.setenv("GDAL_NUM_THREADS", "ALL_CPUS")
    service.rule = at_blocks(images, {"B03": fault})
    assert_one_line(run(service), f"good-B03/image.tif cannot be read .*{words}")


@pytest.mark.parametrize("part", ["good-SCL", "good-B04"])
def test_a_server_that_hangs(run, service, part):
    service.faults[part] = ["hang"] * 99
    result = run(service, timeout=9, patience=2)  # the others need a part of it
    assert_one_line(result, f"the server of .*/{part}/image.tif did not finish .* 2 s")


@pytest.mark.parametrize("part", ["search", "good-SCL", "good-B04"])
def test_a_server_that_dies(run, service, part):
    service.rule = lambda method, asked_for, asked: (
        "die" if asked_for == part and method != "HEAD" else None
    )
    words = "cannot be read .*(connect|receiv|refused|reset|closed).*try again later"
    assert_one_line(run(service), words)


def test_a_token_that_is_always_refused(run, tokens):
    tokens.void = 10**6
    assert_one_line(run(tokens), "good-SCL/image.tif cannot be read .*403")
