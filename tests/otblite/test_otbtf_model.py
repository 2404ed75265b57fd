"""The stand-in of `otbtf.ModelBase`, `otbtf.layers` and `otbtf.ops`."""

import logging

import numpy as np
import pytest

import otbtf
import tensorflow as tf

# Keras 2 on Python 3.10 draws seeds in an old-fashioned way.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")

KERAS_2 = tuple(map(int, tf.__version__.split(".")[:2])) < (2, 16)
SPEC = (
    {"x": tf.TensorSpec((4, 32, 32, 3)), "day": tf.TensorSpec((4,))},
    {"y": tf.TensorSpec((4, 32, 32, 2))},
)


class Model(otbtf.ModelBase):
    """Two outputs, the layers of which have their names."""

    def normalize_inputs(self, inputs):
        return {"x": tf.keras.layers.Rescaling(0.01)(inputs["x"])}

    def get_outputs(self, normalized_inputs):
        y = tf.keras.layers.Conv2D(2, 3, padding="same", name="y")
        y = y(normalized_inputs["x"])
        return {"y": y, "y2": tf.keras.layers.Rescaling(2.0, name="y2")(y)}


def make(kind=Model, **options):
    return kind(SPEC, input_keys=["x"], **options)


def saved(model, folder):
    """Save as Keras does; return the model loaded again."""
    if KERAS_2:
        model.save(str(folder), save_format="tf")
    else:
        model.export(str(folder), verbose=False)
    return tf.saved_model.load(str(folder))


def ones(kind):
    x, y = np.ones((8, 16, 16, 3), kind), np.ones((8, 16, 16, 2), np.float32)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, {"y": y})).batch(4)


def test_outputs_have_cropped_twins():
    outputs = make(inference_cropping=[2, 5]).model(
        {"x": np.random.default_rng(0).random((1, 20, 24, 3), np.float32)}
    )
    names = ("y", "y2")
    crops = {f"{name}_crop{crop}" for name in names for crop in (2, 5)}
    assert set(outputs) == {*names, *crops}
    for crop in (2, 5):
        np.testing.assert_array_equal(
            outputs[f"y2_crop{crop}"], outputs["y2"][:, crop:-crop, crop:-crop]
        )


def test_keys_of_the_saved_model_are_those_of_the_outputs(tmp_path):
    """Keras 2 takes the names of the layers, Keras 3 the keys of the dict."""
    model = saved(make(inference_cropping=[4]), tmp_path)
    signature = model.signatures["serving_default"]
    assert set(signature.structured_outputs) == {"y", "y2", "y_crop4", "y2_crop4"}


class Dated(Model):
    """Uses all inputs; some versions of Keras 3 refuse one without use."""

    def get_outputs(self, normalized_inputs):
        day = tf.keras.layers.Reshape((1, 1, 1))(normalized_inputs["day"])
        x = tf.keras.layers.Add()([normalized_inputs["x"], day])
        return super().get_outputs({"x": x})

    def normalize_inputs(self, inputs):
        return {**inputs, **super().normalize_inputs(inputs)}


def test_defaults_and_sizes():
    model = Dated(SPEC)
    assert model.inference_cropping == [16, 32, 64, 96, 128]
    assert model.inputs_shapes["x"] == (32, 32, 3)
    inputs = model.get_inputs()
    assert tuple(inputs["x"].shape) == (None, None, None, 3)
    assert tuple(inputs["day"].shape) == (None,)


def test_attributes_of_the_keras_model():
    model = make()
    assert model.count_params() == 3 * 3 * 3 * 2 + 2
    assert model.name == "Model"
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = model.no_such_thing


def test_an_attribute_missing_while_building_is_no_endless_recursion():
    class Careless(Model):
        def get_outputs(self, normalized_inputs):
            return self.forgotten

    with pytest.raises(AttributeError, match="not built yet"):
        make(Careless)


class Idiom(Model):
    """As OTBTF's documentation normalizes: by functions of TensorFlow."""

    def normalize_inputs(self, inputs):
        return {"x": tf.cast(inputs["x"], tf.float32) * 0.01}


def test_functions_of_tensorflow_normalize(tmp_path):
    model = make(Idiom, inference_cropping=[4])
    x = np.random.default_rng(0).integers(0, 1000, (2, 16, 16, 3)).astype(np.float32)
    kernel, bias = model.get_layer("y").get_weights()
    expected = tf.nn.conv2d(x * np.float32(0.01), kernel, 1, "SAME") + bias
    np.testing.assert_allclose(
        model.model({"x": x})["y"], expected, rtol=1e-4, atol=1e-4
    )
    served = saved(model, tmp_path).signatures["serving_default"](x=tf.constant(x))
    cropped = expected[:, 4:-4, 4:-4]
    np.testing.assert_allclose(served["y_crop4"], cropped, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_one_of_several_outputs_is_trained(dtype):
    """The metrics are those of the output that has a target."""
    model = make(Idiom, inference_cropping=[4])
    error = tf.keras.metrics.MeanAbsoluteError(name="error")
    model.compile("adam", loss={"y": "mean_squared_error"}, metrics={"y": [error]})
    data = ones(dtype)
    options = {"epochs": 5, "shuffle": False, "verbose": 0}
    losses = model.fit(data, validation_data=data, **options).history["loss"]
    assert losses[-1] < losses[0]
    scores = model.evaluate(data, return_dict=True, verbose=0)
    (name,) = (name for name in scores if name.endswith("error") and name != "loss")
    answers = model.predict(data.map(lambda x, y: x), verbose=0)["y"]
    expected = np.abs(answers - 1).mean()
    assert scores[name] == pytest.approx(expected, rel=1e-4)


@pytest.mark.skipif(KERAS_2, reason="Keras 2 saves layers of functions otherwise")
def test_a_keras_file_is_loaded_without_the_class(tmp_path):
    model = make(Idiom, inference_cropping=[4])
    model.compile("adam", {"y": "mse"}, metrics={"y": ["mae"]})
    model.fit(ones(np.uint16), shuffle=False, verbose=0)  # of another size
    model.save(str(tmp_path / "model.keras"))
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    x = {"x": np.random.default_rng(0).random((1, 20, 12, 3), np.float32)}
    for key, expected in model.model(x).items():
        np.testing.assert_array_equal(loaded(x)[key], expected)
    scores = [m.evaluate(ones(np.uint16), verbose=0) for m in (model, loaded)]
    assert scores[0] == scores[1] and len(scores[0]) == 2
    # The graph is that of images of any size, whatever the layer was called with.
    specs = model.get_layer("normalize_inputs").specs
    assert specs["x"].shape.as_list() == [None, None, None, 3]
    loaded.save(tmp_path / "again.keras")
    again = tf.keras.models.load_model(tmp_path / "again.keras")
    np.testing.assert_array_equal(again(x)["y2"], loaded(x)["y2"])


def test_layers_are_saved_with_their_options(tmp_path):
    image, day = tf.keras.Input((None, None, 3)), tf.keras.Input(())
    mask = otbtf.layers.DilatedMask(8, 1)(otbtf.layers.Max()(image))
    masked = otbtf.layers.ApplyMask(-1)([mask, image])
    tiled = otbtf.layers.ScalarsTile()([masked, [day]])
    both = tf.keras.layers.Concatenate()([masked, tiled])
    outputs = [
        otbtf.layers.Argmax(expand_last_dim=False)(both),
        otbtf.layers.Max()(both),
    ]
    model = tf.keras.Model([image, day], outputs)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = tf.keras.models.load_model(path)
    pixels = np.random.default_rng(0).integers(-9, 9, (1, 5, 6, 3)).astype(np.float32)
    arguments = [pixels, np.array([5.0], np.float32)]
    for ours, expected in zip(loaded(arguments), model(arguments), strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.skipif(KERAS_2, reason="works on Keras 2")
def test_functions_of_tensorflow_in_the_network_are_refused():
    class Inside(Model):
        def get_outputs(self, normalized_inputs):
            return {"y": tf.nn.relu(normalized_inputs["x"])}

    with pytest.raises(TypeError, match="Inside: functions .* TF_USE_LEGACY_KERAS=1"):
        make(Inside)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"\['z'\] are not in .*\['x', 'day'\]"):
        Model(SPEC, input_keys=["z"])
    with pytest.raises(ValueError, match="at least 1 pixel"):
        make(inference_cropping=[16, 0])
    with pytest.raises(TypeError, match="get_outputs"):
        otbtf.ModelBase(SPEC)


def test_a_model_without_normalization_says_so(caplog):
    class Plain(Model):
        normalize_inputs = otbtf.ModelBase.normalize_inputs

    with caplog.at_level(logging.WARNING):
        make(Plain)
    assert "Plain has no normalize_inputs()" in caplog.text


def test_dilated_mask():
    image = np.ones((1, 7, 7, 1), np.float32)
    image[0, 3, 1] = -9
    mask = otbtf.layers.DilatedMask(nodata_value=-9, radius=2)(image)
    expected = np.zeros((7, 7), np.uint8)
    expected[1:6, 0:4] = 1
    np.testing.assert_array_equal(mask[0, :, :, 0], expected)
    assert mask.dtype == tf.uint8


def test_apply_mask():
    mask = np.array([[[[1], [0]]]], np.uint8)
    image = np.array([[[[5.0], [6.0]]]], np.float32)
    masked = otbtf.layers.ApplyMask(out_nodata=-1)([mask, image])
    np.testing.assert_array_equal(masked, [[[[-1], [6]]]])


def test_scalars_tile():
    inputs = [tf.keras.Input(shape) for shape in ((None, None, 3), (), ())]
    image, *scalars = inputs
    model = tf.keras.Model(inputs, otbtf.layers.ScalarsTile()([image, scalars]))
    tiled = model([np.zeros((2, 3, 4, 3)), np.array([1.0, 2.0]), np.array([5.0, 6.0])])
    assert tiled.shape == (2, 3, 4, 2)
    np.testing.assert_array_equal(tiled[0], np.broadcast_to([1, 5], (3, 4, 2)))
    np.testing.assert_array_equal(tiled[1], np.broadcast_to([2, 6], (3, 4, 2)))


def test_argmax_and_max():
    scores = np.array([[[[0.1, 0.3, 0.6], [0.5, 0.4, 0.1]]]], np.float32)
    largest = otbtf.layers.Argmax()(scores)
    assert largest.numpy().tolist() == [[[[2], [0]]]]
    flat = otbtf.layers.Argmax(expand_last_dim=False)(scores)
    assert flat.numpy().tolist() == [[[2, 0]]]
    np.testing.assert_allclose(otbtf.layers.Max()(scores), [[[[0.6], [0.5]]]])


def test_one_hot():
    labels = np.array([[[2], [0]], [[1], [7]]], np.uint16)
    vectors = otbtf.ops.one_hot(labels, nb_classes=3)
    assert vectors.numpy().tolist() == [[[0, 0, 1], [1, 0, 0]], [[0, 1, 0], [0, 0, 0]]]
