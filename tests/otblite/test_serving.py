"""TensorflowModelServe with networks of known answers."""

import numpy as np
import pytest

from tests.networks import save_function
from tests.otblite import pipelines

import pyotb
import tensorflow as tf

CROP = 16


@pytest.fixture
def lr(write_raster) -> str:
    """61 x 53 pixels of noise, four bands."""
    values = np.random.default_rng(0).integers(1, 4000, (61, 53, 4)).astype(np.uint16)
    return write_raster("lr.tif", values, 6.0, (1000.0, 2000.0))


def serve(image, model, rfield=20, placeholder="lr", **options) -> pyotb.App:
    fields = {"efield": 4 * rfield - 2 * CROP, "tile": 48, "output.spcscale": 0.25}
    defaults = {"names": [f"hr_dn_crop{CROP}"], **fields}
    return pipelines.serve(
        model, {placeholder: (image, rfield)}, **(defaults | options)
    )


@pytest.mark.parametrize("seed", range(10))
def test_tile_by_tile_as_at_once(seed, tmp_path, write_raster):
    """A mean and a zoom or a stride, against NumPy on the whole image."""
    random = np.random.default_rng(seed)
    shape = random.integers(40, 70, 2)
    zoom, stride = [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2)][seed % 5]
    kernel = random.integers(1, 8, 2) | (zoom > 1)  # OTBTF needs odd ones for a zoom
    # OTBTF has seams where a network has a stride and an even expression field.
    efield = zoom * random.integers(1, 9, 2) if stride == 1 else np.array([1, 7])
    rfield = (-(-efield // zoom) - 1) * stride + kernel
    tile = random.integers(1, 60, 2)

    def mean(lr):
        mean = tf.nn.avg_pool2d(lr, kernel, stride, "VALID")
        return {"sr": tf.repeat(tf.repeat(mean, zoom, axis=1), zoom, axis=2)}

    values = random.integers(1, 4000, (*shape, 2))
    lr = write_raster("lr.tif", values.astype(np.uint16), 6.0, (1000.0, 2000.0))
    model = save_function(tmp_path / "model", mean, lr=[None, None, None, 2])
    sizes = {"efield": tuple(map(int, efield)), "tile": tuple(map(int, tile))}
    scale = {"output.spcscale": stride / zoom}
    rfield = tuple(map(int, rfield))
    app = pipelines.serve(model, {"lr": (lr, rfield)}, **sizes, **scale)
    streaming = "?&streaming:type=tiled&streaming:sizemode=height&streaming:sizevalue=7"
    result = pipelines.write(app, f"{tmp_path}/sr.tif{streaming}")[0]
    result = np.moveaxis(result, 0, -1)
    windows = np.lib.stride_tricks.sliding_window_view(values, kernel, (0, 1))
    whole = windows.mean((-2, -1))[::stride, ::stride].repeat(zoom, 0).repeat(zoom, 1)
    # As many as the fields that fit, less an incomplete expression field.
    inner = (shape - rfield + 1) * zoom // stride + efield - 1
    assert result.shape[:2] == tuple(inner - inner % efield)
    np.testing.assert_allclose(result, whole[: len(result), : result.shape[1]], 1e-5)
    corner = ~pyotb.Input(lr).app.image("in").grid.transform
    west, north = corner @ (app.transform[2], app.transform[5])
    # The centre of the first output is that of the first mean; without a scale it is
    # that of the next pixel.
    corner = kernel[::-1] / 2 - stride / 2
    corner = np.ceil(corner) if stride == zoom else corner
    assert np.allclose((west, north), corner, atol=1e-6)


@pytest.fixture(scope="module")
def patch_model(tmp_path_factory) -> str:
    """A model of TensorFlow 1: keys end in ":0", one output needs another input."""
    v1, folder = tf.compat.v1, tmp_path_factory.mktemp("patches") / "model"
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, None, 4], "x")
        y = v1.placeholder(tf.int32, [None, 1], "y")
        gain = v1.get_variable("gain", initializer=tf.ones([]))
        sums = tf.reduce_sum(x, (1, 2)) * gain
        rank1 = tf.reshape(sums[..., 0], [-1], "rank1")
        cost = tf.subtract(tf.cast(y, tf.float32), rank1[:, None], "cost")
        session.run(v1.global_variables_initializer())
        outputs = {"rank1:0": rank1, "cost:0": cost}
        inputs = {"x:0": x, "y:0": y}
        v1.saved_model.simple_save(session, str(folder), inputs, outputs)
    return str(folder)


def test_only_inputs_that_are_needed_are_demanded(lr, patch_model, caplog):
    sources = {"x": (lr, 5)}
    options = {"model.fullyconv": False, "output.spcscale": 3}
    for name, placeholder in (("rank1", "x:0"), ("rank1:0", "x"), ("rank1", "")):
        app = pipelines.serve(patch_model, {placeholder: (lr, 5)}, [name], **options)
        assert app.to_numpy().std() > 100
    cost = pipelines.serve(patch_model, sources, ["cost"], **options)
    words = "its input 'y_0' is needed; give it a source or a value"
    with pytest.raises(RuntimeError, match=words):
        cost.to_numpy()
    tags = {"model.tagsets": ["train"]}
    with pytest.raises(RuntimeError, match="is not a SavedModel to serve .*train"):
        pipelines.serve(patch_model, sources, ["rank1"], **options, **tags)
    assert not caplog.text  # TensorFlow warns of such models


ANY_SIZE = [None, None, None, 4]


@pytest.fixture(scope="module")
def odd_models(tmp_path_factory) -> dict[str, str]:
    """SavedModels that do not fit."""
    folder = tmp_path_factory.mktemp("odd")

    def fixed(lr):
        return {"hr_dn_crop16": tf.reshape(lr, [1, 32, 32, 4])}

    def picky(lr):
        repeated = tf.repeat(tf.repeat(lr[:, 4:-4, 4:-4], 4, axis=1), 4, axis=2)
        return {"hr_dn_crop16": repeated, "other": tf.reshape(lr, [1, 1, 1, 4])}

    save_function(folder / "fixed", fixed, lr=ANY_SIZE)
    save_function(folder / "picky", picky, lr=ANY_SIZE)
    save_function(folder / "cut", lambda lr: {"hr_dn_crop16": lr}, lr=ANY_SIZE)
    (weights,) = (folder / "cut" / "variables").glob("variables.data*")
    weights.write_bytes(weights.read_bytes()[:99])
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "saved_model.pb").write_bytes(b"nonsense")
    return {path.name: str(path) for path in folder.iterdir()}


FIELDS = "the network made .* check rfield, efield and spcscale"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model.fullyconv": False}, "the expression field is 1"),
        ({"placeholder": "x"}, "input 'x' is not among lr"),
        ({"names": ["sr"]}, "output 'sr' is not among hr, hr_crop16"),
        ({"model.userplaceholders": ["x=1"]}, "input 'x' is not among lr"),
        ({"efield": 96}, "field of 96 needs a receptive field of at least 24, not 20"),
        ({"rfield": 60}, r"smaller than the receptive field \(53 pixels for 60\)"),
        # When the first tile is served.
        ({"efield": 40}, FIELDS),
        ({"output.spcscale": 1.0, "efield": 8}, FIELDS),
    ],
)
def test_what_does_not_fit(options, words, lr, repeating_model):
    with pytest.raises(RuntimeError, match=f"TensorflowModelServe: .*{words}"):
        serve(lr, repeating_model, **options).to_numpy()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("empty", r"is not a SavedModel \(saved_model.pb is missing\)"),
        ("broken", "is not a SavedModel to serve"),
        ("cut", "is not a SavedModel to serve"),
        # TensorFlow's pages become one line.
        ("fixed", "cannot be run on .* pixels: .*reshape is a tensor with"),
    ],
)
def test_models_that_cannot_be_served(model, words, lr, odd_models, tmp_path):
    with pytest.raises(RuntimeError, match=words) as caught:
        serve(lr, odd_models[model]).write(str(tmp_path / "out.tif"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.tif").exists()


def test_unused_outputs_are_not_computed(lr, odd_models, repeating_model):
    """The other output cannot be computed for more than one pixel."""
    result = serve(lr, odd_models["picky"]).to_numpy()
    assert result.std() > 100
    np.testing.assert_array_equal(result, serve(lr, repeating_model).to_numpy())


@pytest.fixture(scope="module")
def fused(tmp_path_factory) -> str:
    """PAN and XS of a quarter of its size: a 5 x 3 mean of PAN plus XS."""

    def function(pan, xs, gain, plus):
        mean = tf.nn.avg_pool2d(pan, (5, 3), 1, "VALID")
        enlarged = tf.repeat(tf.repeat(xs, 4, axis=1), 4, axis=2)
        sum_ = gain * mean[:, 2:-2, 3:-3] + enlarged[:, 4:-4, 4:-4] + plus
        label = tf.argmax(sum_, -1, tf.int32)  # rank 3
        return {"fused": sum_, "label": label, "first": sum_[..., 0], "zz": -sum_}

    shapes = {"pan": [None, None, None, 1], "xs": ANY_SIZE, "gain": [], "plus": [4]}
    return save_function(tmp_path_factory.mktemp("fused"), function, **shapes)


def fuse(pan, xs, model, names=None, placeholder="xs", **options) -> pyotb.App:
    """8 pixels of PAN more than the output are needed on both sides together."""
    sources = {"pan:0": (pan, (8 + 8, 16 + 8)), placeholder: (xs, (2 + 2, 4 + 2))}
    constants = ["gain=0.5", "plus=(1, 2, 3, 4)"]
    defaults = {"efield": (8, 16), "tile": (8, 32), "model.userplaceholders": constants}
    return pipelines.serve(model, sources, names, **(defaults | options))


@pytest.fixture
def pan_and_xs(write_raster):
    random = np.random.default_rng(4)
    pan = random.integers(1, 4000, (96, 128)).astype(np.uint16)
    xs = random.integers(1, 4000, (24, 32, 4)).astype(np.uint16)
    images = write_raster("pan.tif", pan, 1.5), write_raster("xs.tif", xs, 6.0)
    mean = np.lib.stride_tricks.sliding_window_view(pan, (5, 3)).mean((2, 3))
    enlarged = xs.repeat(4, 0).repeat(4, 1)
    whole = 0.5 * mean[2:-2, 3:-3, None] + enlarged[4:-4, 4:-4] + (1, 2, 3, 4)
    return images, whole  # whole begins at the pixel (4, 4) of PAN


def test_tiles_of_which_one_source_has_no_data_are_not_served(fused, write_raster):
    """As in OTBTF; there the output is `output.bv`."""
    pan = np.full((96, 128), 100, np.uint16)
    xs = np.full((24, 32, 4), 7, np.uint16)
    xs[:, 16:] = 0
    images = write_raster("pan.tif", pan, 1.5), write_raster("xs.tif", xs, 6.0)
    options = {"source1.nodata": 0.0, "source2.nodata": 0.0, "output.bv": -1.0}
    result = fuse(*images, fused, ["fused"], tile=(8, 16), **options).to_numpy()
    # The network sees four columns of PAN, one of XS, beside a tile of 16.
    assert len(result) >= 80
    assert (result[:, :64] != -1).all() and (result[:, 64:112] == -1).all()


def test_outputs_without_bands_and_the_first_one(pan_and_xs, fused):
    (pan, xs), whole = pan_and_xs
    both = fuse(pan, xs, fused, ["label", "first"]).to_numpy()
    assert min(both.shape[:2]) >= 80
    part = whole[: both.shape[0], : both.shape[1]]
    np.testing.assert_array_equal(both[..., 0], part.argmax(-1))
    np.testing.assert_allclose(both[..., 1], part[..., 0], 1e-5)
    first = fuse(pan, xs, fused).to_numpy()  # "first" is the first in the alphabet
    assert first.shape[2] in (1, 4)
    np.testing.assert_allclose(first[..., 0], part[..., 0], 1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"placeholder": "pan"}, "each is expected once"),
        ({"model.userplaceholders": ["gain=1"]}, "its input 'plus' is needed; give"),
        ({"model.userplaceholders": ["xs=1"]}, "once; given are pan, xs, xs"),
        ({"model.userplaceholders": ["gain=big"]}, "'gain=big' is no value for an inp"),
        ({"model.userplaceholders": ["gain"]}, "'gain' is no value for an input"),
        ({"swap": True}, "the model takes 1 bands, the image has 4"),
    ],
)
def test_sources_that_do_not_fit(pan_and_xs, fused, options, words):
    (pan, xs), _ = pan_and_xs
    images, options = ((xs, pan), {}) if "swap" in options else ((pan, xs), options)
    with pytest.raises(RuntimeError, match=words):
        fuse(*images, fused, **options).to_numpy()
