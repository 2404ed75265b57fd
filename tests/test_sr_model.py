"""Exercise 2: the network."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import sr_model
from srtools.network import precision
from srtools.network.receptive_field import receptive_field
from tests.networks import KEYS, make, scene

import tensorflow as tf


@pytest.fixture(scope="module")
def model():
    return make()


def test_layers_and_parameters_are_those_of_the_exercise():
    """7x7, blocks of two 3x3, two transposed 4x4, 7x7; weights and biases."""
    expected = 7 * 7 * 4 * 64 + 64
    expected += 4 * 2 * (3 * 3 * 64 * 64 + 64)
    expected += 2 * (4 * 4 * 64 * 64 + 64)
    expected += 7 * 7 * 64 * 4 + 4
    assert make(filters=64, blocks=4).count_params() == expected
    one_more = 2 * (3 * 3 * 8 * 8 + 8)
    assert make(blocks=3).count_params() - make(blocks=2).count_params() == one_more


def test_outputs_of_any_size_in_reflectance_and_dn(model):
    outputs = model.model({"lr": scene(12, 20)})
    assert set(outputs) == KEYS
    assert outputs["hr"].shape == (1, 48, 80, 4)
    np.testing.assert_allclose(outputs["hr_dn"], outputs["hr"] * 1e4, rtol=1e-6)
    # Keras 2 names the outputs of a SavedModel after layers.
    assert KEYS <= {layer.name for layer in model.layers}


def test_dn_of_any_type_are_normalized(model):
    dn = scene(8, 8)
    answers = [
        model.model.predict({"lr": dn.astype(kind)}, verbose=0)["hr"]
        for kind in (np.float32, np.uint16)
    ]
    np.testing.assert_array_equal(*answers)
    normalized = model.normalize_inputs({"lr": tf.constant(dn)})["lr"]
    np.testing.assert_allclose(normalized, dn * 1e-4, rtol=1e-6)


@pytest.mark.parametrize(("filters", "seed"), [(4, 0), (4, 1), (32, 3)])
def test_a_fresh_model_is_alive(seed, filters):
    """A ReLU that answers 0 has no gradient: a model that begins so never learns."""
    model = make(filters=filters, blocks=2, seed=seed)
    lr = scene(12, 12, seed)
    with tf.GradientTape() as tape:
        hr = model.model({"lr": lr})["hr"]
        loss = tf.reduce_mean(tf.abs(hr - 0.2))
    assert (hr.numpy() > 0).mean(axis=(0, 1, 2)).min() > 0.5
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(float(tf.reduce_max(tf.abs(gradient))) > 0 for gradient in gradients)


def interpolate(image):
    """Zoom [h, w, bands] linearly by 2, twice, with 0 outside the image."""
    for _ in range(2):
        for axis in (0, 1):
            image = np.moveaxis(image, axis, 0)
            padded = np.pad(image, ((1, 1), (0, 0), (0, 0)))
            before, after = padded[:-2], padded[2:]
            pairs = [0.75 * image + 0.25 * other for other in (before, after)]
            image = np.stack(pairs, axis=1).reshape(-1, *image.shape[1:])
            image = np.moveaxis(image, 0, axis)
    return image


@pytest.mark.parametrize(
    ("filters", "kernel"), [(4, 2), (5, 4), (64, 4), (4, 6), (64, 2)]
)
def test_a_fresh_network_is_a_linear_interpolation(filters, kernel):
    lr = scene(14, 18)
    model = make(filters=filters, blocks=4, kernel=kernel)
    zoom = tf.keras.Model(model.input, model.get_layer("last").output)
    difference = np.abs(zoom({"lr": lr}).numpy()[0] - interpolate(lr[0] * 1e-4))
    # A kernel of 2 repeats pixels, and a triangle smooths them: at the edge it includes
    # the 0 outside the image.
    rim = 4 if kernel == 2 else 0
    assert difference[rim : 56 - rim, rim : 72 - rim].max() < 1e-3


def checkerboard(model):
    """Measure the pattern on a flat image away from its rim, in parts of the answer."""
    margin = 4 * receptive_field(model)
    flat = np.full((1, 36, 36, 4), 1500, np.float32)
    hr = model.model({"lr": flat})["hr"].numpy()[0, margin:-margin, margin:-margin]
    return float(np.ptp(hr, axis=(0, 1)).max() / hr.mean())


@pytest.mark.parametrize("kernel", [2, 4, 6])
def test_a_fresh_network_makes_no_checkerboard(kernel):
    assert checkerboard(make(filters=16, blocks=2, kernel=kernel)) < 2e-5


def train_briefly(model, steps=150):
    """Teach a network to sharpen, which is far from flat."""
    noise = np.random.default_rng(0).normal(0, 1, (8, 48, 48, 4))
    smooth = gaussian_filter(noise, (0, 2, 2, 0), mode="wrap")
    hr = (0.2 + 0.05 * smooth / smooth.std()).astype(np.float32)
    lr = hr.reshape(8, 12, 4, 12, 4, 4).mean(axis=(2, 4)) * 1e4
    trainer = tf.keras.Model(model.input, {"hr": model.output["hr"]})
    trainer.compile(tf.keras.optimizers.Adam(1e-3), loss="mae", jit_compile=False)
    before = model.model({"lr": lr})["hr"]
    data = tf.data.Dataset.from_tensors(({"lr": lr}, {"hr": hr})).repeat()
    trainer.fit(data, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
    after = model.model({"lr": lr})["hr"]
    return [float(tf.reduce_mean(tf.abs(image - hr))) for image in (before, after)]


@pytest.mark.parametrize("even", [True, False])
def test_a_trained_network_makes_no_checkerboard(monkeypatch, even):
    """Without the constraint it does: the test can see one."""
    if not even:
        monkeypatch.setattr(sr_model, "EvenZoom", lambda: None)
    model = make(filters=8, blocks=1)
    before, after = train_briefly(model)
    assert after < 0.8 * before
    pattern = checkerboard(model)
    assert pattern < 2e-5 if even else pattern > 5e-3


@pytest.mark.parametrize(
    ("blocks", "kernel", "margin"),
    [(0, 2, 6), (8, 2, 22), (0, 4, 7), (4, 4, 15), (4, 6, 16)],
)
def test_receptive_field(blocks, kernel, margin):
    """3 of the first layer, 2 of each block, 1 to 3 of the zooms, 2 of the mean."""
    with precision.layers_in("bfloat16" if blocks == 8 else "float32"):
        model = make(filters=4, blocks=blocks, kernel=kernel)
    before = model.get_weights()
    assert receptive_field(model) == margin
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_run_alone_it_prints_the_network(capsys):
    assert sr_model.main(["--filters", "16", "--blocks", "2"]) == 0
    printed = capsys.readouterr().out
    model = make(filters=16, blocks=2)
    assert f"parameters: {model.count_params()}\n" in printed
    # 7 x 7, four times 3 x 3, and 2 + 2 more: 3 + 4 + 4 = 11 on each side.
    assert "receptive field: 23 x 23 lr pixels of 6 m, 11 on each side\n" in printed
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert "last BlockwiseConv2D 4 h x 4 w x 4 3140 9 px" in lines
    assert "hr KeepMean 4 h x 4 w x 4 0 11 px" in lines
