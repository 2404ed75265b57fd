"""TensorflowModelServe with networks whose answer is known."""

import numpy as np
import pytest
from rasterio.transform import Affine

import pyotb
import tensorflow as tf

CROP = 16


@pytest.fixture
def lr(write_raster) -> str:
    """61 x 53 pixels of noise, four bands."""
    values = np.random.default_rng(0).integers(1, 4000, (61, 53, 4)).astype(np.uint16)
    return write_raster("lr.tif", values, 6.0, (1000.0, 2000.0))


def serve(image, model, rfield=20, tile=48, **options) -> pyotb.App:
    efield = 4 * rfield - 2 * CROP
    parameters = {
        "source1.il": [image],
        "source1.rfieldx": rfield,
        "source1.rfieldy": rfield,
        "source1.placeholder": "lr",
        "model.dir": model,
        "model.fullyconv": True,
        "output.names": [f"hr_dn_crop{CROP}"],
        "output.efieldx": efield,
        "output.efieldy": efield,
        "output.spcscale": 0.25,
        "optim.tilesizex": tile,
        "optim.tilesizey": tile,
    }
    return pyotb.TensorflowModelServe(parameters | options, n_sources=1)


def test_the_output_lies_where_it_belongs(lr, repeating_model, pixels):
    """Each pixel is the value of the input pixel in which its centre lies."""
    app = serve(lr, repeating_model)
    found, place = app.to_numpy(), Affine(*app.transform)
    source = pixels(lr)
    rows, cols = np.indices(found.shape[:2])
    xs, ys = place @ (cols + 0.5, rows + 0.5)
    expected = source[((2000 - ys) // 6).astype(int), ((xs - 1000) // 6).astype(int)]
    np.testing.assert_allclose(found, expected)
    assert place.a == 1.5 and min(found.shape[:2]) >= 4 * (53 - 20) - 4


@pytest.mark.parametrize(
    "options",
    [
        {"tile": 1},
        {"tile": 96},
        {"tile": 1000},
        {"optim.disabletiling": True},
        {"rfield": 11, "tile": 24},
    ],
)
def test_tiles_leave_no_seam(options, lr, blurring_model):
    """The network sees 3 pixels around; the crop of 16 hr pixels is enough for that."""
    whole = serve(lr, blurring_model, rfield=12, tile=4000)
    other = serve(lr, blurring_model, **{"rfield": 12, **options})
    ours, theirs = whole.to_numpy(), other.to_numpy()
    shared = [
        slice(0, min(sizes)) for sizes in zip(ours.shape, theirs.shape, strict=True)
    ]
    assert ours.std() > 100 and min(ours[tuple(shared)].shape[:2]) > 100
    assert whole.transform == other.transform
    np.testing.assert_allclose(theirs[tuple(shared)], ours[tuple(shared)], rtol=1e-5)


def test_written_in_strips_of_any_height(lr, blurring_model, tmp_path, pixels):
    app = serve(lr, blurring_model)
    expected = app.to_numpy()
    strips = "streaming:type=stripped&streaming:sizemode=height&streaming:sizevalue=7"
    app.write(str(tmp_path / f"out.tif?&{strips}"))
    np.testing.assert_allclose(pixels(tmp_path / "out.tif"), expected, rtol=1e-5)


def test_several_outputs_are_stacked(lr, repeating_model):
    names = ["hr_crop16", "hr_dn_crop16"]
    found = serve(lr, repeating_model, **{"output.names": names}).to_numpy()
    assert found.shape[2] == 8
    np.testing.assert_allclose(found[:, :, :4] * 1e4, found[:, :, 4:], rtol=1e-6)


def test_several_images_are_stacked(lr, repeating_model):
    names = [pyotb.Input(lr)[:, :, :3], pyotb.Input(lr)[:, :, 3]]
    stacked = serve(lr, repeating_model, **{"source1.il": names})
    np.testing.assert_array_equal(
        stacked.to_numpy(), serve(lr, repeating_model).to_numpy()
    )


def test_tiles_without_data_are_not_served(write_raster, repeating_model):
    """Where all that a tile needs equals `nodata` the output is `output.bv`."""
    values = np.full((64, 64, 4), 9, np.uint16)
    values[:, 40:] = 5
    name = write_raster("lr.tif", values)
    options = {"source1.nodata": 9, "output.bv": -1}
    found = serve(name, repeating_model, tile=48, **options).to_numpy()
    assert (found[:, :48] == -1).all() and (found[:, -40:] == 5).all()


@pytest.fixture(scope="module")
def odd_models(tmp_path_factory) -> dict[str, str]:
    """SavedModels that do not fit."""
    folder = tmp_path_factory.mktemp("odd")

    def save(name: str, function, shape) -> None:
        spec = tf.TensorSpec(shape, tf.float32, name="lr")
        made = tf.Module()
        made.gain = tf.Variable(tf.ones(1000))
        made.serve = tf.function(function, input_signature=[spec])
        tf.saved_model.save(made, str(folder / name), {"serving_default": made.serve})

    save(
        "vector",
        lambda lr: {"hr_dn_crop16": tf.reduce_mean(lr, (1, 2))},
        [None, None, None, 4],
    )
    save(
        "fixed",
        lambda lr: {"hr_dn_crop16": tf.reshape(lr, [1, 32, 32, 4])},
        [None, None, None, 4],
    )

    def picky(lr):
        repeated = tf.repeat(tf.repeat(lr[:, 4:-4, 4:-4], 4, axis=1), 4, axis=2)
        return {"hr_dn_crop16": repeated, "other": tf.reshape(lr, [1, 1, 1, 4])}

    save("picky", picky, [None, None, None, 4])
    save("cut", lambda lr: {"hr_dn_crop16": lr}, [None, None, None, 4])
    (weights,) = (folder / "cut" / "variables").glob("variables.data*")
    weights.write_bytes(weights.read_bytes()[:99])
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "saved_model.pb").write_bytes(b"nonsense")
    return {path.name: str(path) for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model.fullyconv": False}, "the expression field is 1"),
        ({"source1.placeholder": "x"}, "input 'x' is not among lr"),
        ({"output.names": ["sr"]}, "output 'sr' is not among hr, hr_crop16"),
        ({"model.userplaceholders": ["x=1"]}, "input 'x' is not among lr"),
        (
            {"output.efieldx": 96, "output.efieldy": 96},
            "an expression field of 96 needs a receptive field of at least 24, not 20",
        ),
        (
            {"source1.rfieldx": 60, "source1.rfieldy": 60},
            r"smaller than the receptive field \(53 pixels for 60\)",
        ),
    ],
)
def test_what_does_not_fit(options, words, lr, repeating_model):
    with pytest.raises(RuntimeError, match=f"TensorflowModelServe: .*{words}"):
        serve(lr, repeating_model, **options)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("empty", r"is not a SavedModel \(saved_model.pb is missing\)"),
        ("broken", "is not a SavedModel to serve"),
        ("cut", "is not a SavedModel to serve"),
    ],
)
def test_folders_that_hold_no_such_model(model, words, lr, odd_models):
    with pytest.raises(RuntimeError, match=words) as caught:
        serve(lr, odd_models[model])
    assert "\n" not in str(caught.value)


def test_bands_are_counted(lr, repeating_model):
    with pytest.raises(RuntimeError, match="the model takes 4 bands, the image has 3"):
        serve(pyotb.Input(lr)[:, :, :3], repeating_model)


def test_two_sources_are_needed(lr, repeating_model, monkeypatch):
    monkeypatch.setenv("OTB_TF_NSOURCES", "2")
    both = {"source1.il": [lr], "model.dir": repeating_model}
    with pytest.raises(RuntimeError, match="parameter 'source2.il' is mandatory"):
        pyotb.TensorflowModelServe(both, n_sources=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"output.efieldx": 40, "output.efieldy": 40},
            "check rfield, efield and spcscale",
        ),
        (
            {"output.spcscale": 1.0, "output.efieldx": 8, "output.efieldy": 8},
            "check rf",
        ),
    ],
)
def test_fields_that_contradict_the_network(options, words, lr, repeating_model):
    """Found when the first tile is served, and told with the sizes."""
    app = serve(lr, repeating_model, **options)
    with pytest.raises(RuntimeError, match=f"the network made .* {words}"):
        app.to_numpy()


def test_outputs_that_nobody_asks_for_are_not_computed(lr, odd_models, repeating_model):
    """The other output cannot be computed for more than one pixel."""
    found = serve(lr, odd_models["picky"]).to_numpy()
    np.testing.assert_array_equal(found, serve(lr, repeating_model).to_numpy())


def test_network_that_cannot_be_run(lr, odd_models, tmp_path):
    """TensorFlow's pages become one line."""
    app = serve(lr, odd_models["fixed"])
    with pytest.raises(
        RuntimeError, match="the network cannot be run on .* pixels:"
    ) as e:
        app.write(str(tmp_path / "out.tif"))
    assert "\n" not in str(e.value)
    assert not (tmp_path / "out.tif").exists()


# --- two sources, constants, ranks, names, fields that are not square -----------------


@pytest.fixture(scope="module")
def fused(tmp_path_factory) -> str:
    """PAN and XS of a quarter of its size: a 5 x 3 mean of PAN plus what XS shows."""
    folder = str(tmp_path_factory.mktemp("fused"))
    made = tf.Module()

    def function(pan, xs, gain, plus):
        mean = tf.nn.avg_pool2d(pan, (5, 3), 1, "VALID")
        seen = tf.repeat(tf.repeat(xs, 4, axis=1), 4, axis=2)
        sum_ = gain * mean[:, 2:-2, 3:-3] + seen[:, 4:-4, 4:-4] + plus
        return {
            "fused": sum_,
            "label": tf.argmax(sum_, -1, tf.int32),  # rank 3
            "first": sum_[..., 0],
            "zz": -sum_,
        }

    specs = [
        tf.TensorSpec([None, None, None, 1], tf.float32, name="pan"),
        tf.TensorSpec([None, None, None, 4], tf.float32, name="xs"),
        tf.TensorSpec([], tf.float32, name="gain"),
        tf.TensorSpec([4], tf.float32, name="plus"),
    ]
    made.serve = tf.function(function, input_signature=specs)
    tf.saved_model.save(made, folder, {"serving_default": made.serve})
    return folder


def fuse(pan, xs, model, **options):
    """8 pixels of PAN more than the output are needed on both sides together."""
    parameters = {
        "source1.il": [pan],
        "source1.rfieldx": 16 + 8,
        "source1.rfieldy": 8 + 8,
        "source1.placeholder": "pan:0",
        "source2.il": [xs],
        "source2.rfieldx": 4 + 2,
        "source2.rfieldy": 2 + 2,
        "source2.placeholder": "xs",
        "model.dir": model,
        "model.fullyconv": True,
        "model.userplaceholders": ["gain=0.5", "plus=(1, 2, 3, 4)"],
        "output.efieldx": 16,
        "output.efieldy": 8,
        "optim.tilesizex": 32,
        "optim.tilesizey": 8,
    }
    return pyotb.TensorflowModelServe(parameters | options, n_sources=2)


@pytest.fixture
def pan_and_xs(write_raster):
    random = np.random.default_rng(4)
    pan = random.integers(1, 4000, (96, 128)).astype(np.uint16)
    xs = random.integers(1, 4000, (24, 32, 4)).astype(np.uint16)
    images = write_raster("pan.tif", pan, 1.5), write_raster("xs.tif", xs, 6.0)
    mean = np.lib.stride_tricks.sliding_window_view(pan, (5, 3)).mean((2, 3))
    seen = xs.repeat(4, 0).repeat(4, 1)
    whole = 0.5 * mean[2:-2, 3:-3, None] + seen[4:-4, 4:-4] + (1, 2, 3, 4)
    return images, whole  # whole begins at the pixel (4, 4) of PAN


@pytest.mark.parametrize("tile", [(32, 8), (16, 8), (64, 24), (1, 1)])
def test_two_sources_are_the_network_run_by_hand(pan_and_xs, fused, tile):
    """Every pixel, whatever the tiles; receptive fields are not square."""
    (pan, xs), whole = pan_and_xs
    options = {"optim.tilesizex": tile[0], "optim.tilesizey": tile[1]}
    app = fuse(pan, xs, fused, **{"output.names": ["fused:0"]}, **options)
    found = app.to_numpy()
    assert found.shape[0] >= 80 and found.shape[1] >= 112
    np.testing.assert_allclose(found, whole[: found.shape[0], : found.shape[1]], 1e-5)
    west, north = pyotb.Input(pan).transform[2], pyotb.Input(pan).transform[5]
    assert app.transform[2] == west + 4 * 1.5 and app.transform[5] == north - 4 * 1.5


def test_one_source_without_data_is_enough(fused, write_raster):
    """As in OTBTF: a tile of which one source is empty is not served."""
    pan = np.full((96, 128), 100, np.uint16)
    xs = np.full((24, 32, 4), 7, np.uint16)
    xs[:, 16:] = 0
    images = write_raster("pan.tif", pan, 1.5), write_raster("xs.tif", xs, 6.0)
    options = {"source1.nodata": 0.0, "source2.nodata": 0.0, "output.bv": -1.0}
    options |= {"output.names": ["fused"], "optim.tilesizex": 16}
    found = fuse(*images, fused, **options).to_numpy()
    # The network sees four columns of PAN, one of XS, beside a tile of 16.
    assert (found[:, :64] != -1).all() and (found[:, 64:112] == -1).all()


def test_outputs_without_bands_and_the_first_one(pan_and_xs, fused):
    (pan, xs), whole = pan_and_xs
    both = fuse(pan, xs, fused, **{"output.names": ["label", "first"]}).to_numpy()
    part = whole[: both.shape[0], : both.shape[1]]
    np.testing.assert_array_equal(both[..., 0], part.argmax(-1))
    np.testing.assert_allclose(both[..., 1], part[..., 0], 1e-5)
    first = fuse(pan, xs, fused).to_numpy()  # "first" is the first in the alphabet
    assert first.shape[2] in (1, 4)
    np.testing.assert_allclose(first[..., 0], part[..., 0], 1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source2.placeholder": "pan"}, "each is expected once"),
        ({"model.userplaceholders": ["gain=1"]}, "each is expected once"),
        ({"model.userplaceholders": ["gain=big"]}, "'gain=big' is no value for an inp"),
        ({"model.userplaceholders": ["gain"]}, "'gain' is no value for an input"),
        ({"source2.il": ["pan"]}, "the model takes 4 bands, the image has 1"),
    ],
)
def test_sources_that_do_not_fit(pan_and_xs, fused, options, words):
    (pan, xs), _ = pan_and_xs
    given = {k: [pan] if v == ["pan"] else v for k, v in options.items()}
    with pytest.raises(RuntimeError, match=words):
        fuse(pan, xs, fused, **given)
