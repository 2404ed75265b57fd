"""The choice between float32 and bfloat16."""

import pytest

from srtools.network import precision

import tensorflow as tf


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
