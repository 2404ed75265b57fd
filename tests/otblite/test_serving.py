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
        ({"model.fullyconv": False}, "only fully convolutional models: set model.ful"),
        ({"source1.placeholder": "x"}, "input 'x' is not among lr"),
        ({"output.names": ["sr"]}, "output 'sr' is not among hr, hr_crop16"),
        ({"source1.rfieldy": 21}, "source1.rfieldx and source1.rfieldy must be equal"),
        ({"output.efieldy": 21}, "output.efieldx and output.efieldy must be equal"),
        ({"optim.tilesizey": 2}, "optim.tilesizex and optim.tilesizey must be equal"),
        (
            {"output.efieldx": 96, "output.efieldy": 96},
            "an expression field of 96 needs a receptive field of at least 24, not 20",
        ),
        (
            {"source1.rfieldx": 60, "source1.rfieldy": 60},
            "an image of 53 x 61 pixels is smaller than the receptive field of 60",
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
        ("vector", r"outputs of shape \[batch, height, width, bands\] are expected"),
    ],
)
def test_folders_that_hold_no_such_model(model, words, lr, odd_models):
    with pytest.raises(RuntimeError, match=words) as caught:
        serve(lr, odd_models[model])
    assert "\n" not in str(caught.value)


def test_bands_are_counted(lr, repeating_model):
    with pytest.raises(RuntimeError, match="the model takes 4 bands, the image has 3"):
        serve(pyotb.Input(lr)[:, :, :3], repeating_model)


def test_one_source_only(lr, monkeypatch):
    monkeypatch.setenv("OTB_TF_NSOURCES", "2")

    with pytest.raises(RuntimeError, match="one source is supported; OTB_TF_NSOURCES"):
        pyotb.TensorflowModelServe({"source1.il": [lr], "model.dir": "x"}, n_sources=2)


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
