"""float32 or bfloat16: which one a machine is given, and what a model makes of it."""

import numpy as np
import pytest

import sr_model
from srtools.errors import SRError
from srtools.network import precision, saved_model, weights

import tensorflow as tf

OLD, AMD, INTEL = "fpu sse2 avx512f avx512_vnni", "avx512_bf16", "amx_tile amx_bf16"
SIZE = {"filters": 8, "blocks": 1, "kernel": 4}


def make(**size):
    return sr_model.SRModel(sr_model.element_spec(4), **size).model


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (f"flags\t\t: {OLD} rdpid\nbugs\t\t: {AMD}\n", "float32"),
        (f"processor\t: 0\nflags\t\t: {AMD}\n", "bfloat16"),
        (f"flags\t\t: {OLD} {INTEL} rdpid\n", "bfloat16"),
        ("Features\t: fp asimd bf16\n", "float32"),  # another kind of processor
        (None, "float32"),  # not Linux
    ],
)
def test_the_processor_decides(tmp_path, monkeypatch, info, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    path = tmp_path / "cpuinfo"
    if info:
        path.write_text(info)
    assert precision.choose("auto", path) == expected
    for name in ("float32", "bfloat16"):
        assert precision.choose(name, path) == name
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert precision.choose("auto", path) == "float32"


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
    """As fine as 16-bit images are, and with the same card."""
    folder = precision.save_in_bfloat16(str(model), make, 32, tmp_path / "half")
    one, other = saved_model.describe(model), saved_model.describe(folder)
    assert one.card == other.card
    names = ["hr_dn", "hr_dn_crop32"]
    assert other.outputs == dict.fromkeys(["hr", *names], 4)
    lr = np.random.default_rng(1).uniform(500, 3500, (1, 40, 40, 4))
    lr = tf.constant(lr, tf.float32)
    whole, half = (saved_model.load(path, *names)(lr=lr) for path in (model, folder))
    for name in names:
        difference = np.abs(half[name] - whole[name])
        assert 0.1 < difference.mean() < 10 and difference.max() < 100
        values = [len(np.unique(np.rint(image[name]))) for image in (whole, half)]
        assert values[1] > 0.9 * values[0]
    arrays = weights.read(folder)
    for name, array in weights.read(model).items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ({"filters": 9, "blocks": 1, "kernel": 4}, "does not fit its weights"),
        ({"channels": 8}, "does not fit its weights"),
        ({"filters": 8, "blocks": 2}, "block2_conv1/kernel"),
    ],
)
def test_a_card_that_does_not_fit(model, tmp_path, network, reason):
    card = saved_model.describe(model).card
    saved_model.save(make(**SIZE), model, {**card, "network": network})
    with pytest.raises(SRError, match=f"in bfloat16.*{reason}"):
        precision.save_in_bfloat16(str(model), make, 32, tmp_path / "half")
    assert not (tmp_path / "half").exists()
