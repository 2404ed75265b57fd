"""The choice between float32 and bfloat16, and the outputs of a model in bfloat16."""

import numpy as np
import pytest

import sr_model
from srtools.errors import SRError
from srtools.network import precision, saved_model, serving, weights

import tensorflow as tf

SIZE = {"filters": 8, "blocks": 1, "kernel": 4}


def make(**size):
    return sr_model.SRModel(sr_model.element_spec(4), **size).model


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx512f avx512_vnni", "float32"),
        ("fpu avx512_bf16", "bfloat16"),
        ("fpu amx_tile amx_bf16", "bfloat16"),
        ("", "float32"),  # not Linux, or another kind of processor
    ],
)
def test_the_processor_decides(monkeypatch, flags, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(precision, "cpu_flags", lambda: set(flags.split()))
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    assert precision.choose("auto") == expected
    for name in ("float32", "bfloat16"):
        assert precision.choose(name) == name
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert precision.choose("auto") == "float32"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([(8, 0)], "bfloat16"), ([(7, 5)], "float32"), ([(9, 0), (7, 0)], "float32")],
)
def test_with_gpus_the_slowest_decides(monkeypatch, capabilities, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: capabilities)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda capability: {"compute_capability": capability},
    )
    assert precision.choose("auto") == expected


def test_layers_are_mixed_inside_only():
    policy = tf.keras.mixed_precision.global_policy
    with pytest.raises(KeyError), precision.layers_in("bfloat16"):
        assert policy().name == "mixed_bfloat16"
        raise KeyError
    assert policy().name == "float32"


@pytest.fixture
def model(tmp_path):
    """Save a network whose every channel counts, as in a trained one."""
    tf.keras.utils.set_random_seed(0)
    network = make(**SIZE)
    random = np.random.default_rng(0)
    for layer in network.layers:
        shaken = [w + random.normal(0, 0.02, w.shape) for w in layer.get_weights()]
        layer.set_weights(shaken)
    card = {"network": {**SIZE, "parameters": network.count_params()}, "bands": [1]}
    return saved_model.save(network, tmp_path / "model", card)


def test_a_model_in_bfloat16_answers_almost_the_same(model, tmp_path):
    """As fine as 16-bit images are, and with the same weights."""
    network, name = precision.in_bfloat16(model, make), "hr_dn_crop32"
    folder = serving.save(model, tmp_path / "bfloat16", 32, 1, None, network)
    assert saved_model.describe(folder).outputs == {name: 4}
    lr = np.random.default_rng(1).uniform(500, 3500, (1, 40, 40, 4))
    lr = tf.constant(lr, tf.float32)
    exact, rounded = (
        saved_model.load(path, name)(lr=lr)[name] for path in (model, folder)
    )
    difference = np.abs(rounded - exact)
    assert 0.1 < difference.mean() < 10 and difference.max() < 100
    values = [len(np.unique(np.rint(image))) for image in (exact, rounded)]
    assert values[1] > 0.9 * values[0]
    arrays = np.load(f"{model}/{weights.FILE}")
    for key, weight in weights.by_name(network).items():
        np.testing.assert_array_equal(weight.numpy(), arrays[key])


def test_a_card_that_does_not_fit_the_weights(model):
    card = saved_model.describe(model).card
    card = {**card, "network": {**SIZE, "filters": 9}}
    saved_model.save(make(**SIZE), model, card)
    with pytest.raises(SRError, match=r"first/kernel has the shape .* of that model"):
        precision.in_bfloat16(model, make)
