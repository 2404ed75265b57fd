"""The SavedModel of the network: its outputs, its crops, its files."""

import os
from contextlib import suppress

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.network.receptive_field import receptive_field
from srtools.network.saved_model import CARD, SIGNATURE
from tests.networks import CROPS, KEYS, make, scene

import tensorflow as tf

MARGIN = 3 + 2 * 2 + 2 + 2  # lr pixels of the receptive field


def make_trained():
    """Make a network whose every channel counts, as in a trained one."""
    model = make(blocks=2)
    last = model.get_layer("last")
    kernel, bias = last.get_weights()
    kernel += np.random.default_rng(0).normal(0, 0.02, kernel.shape)
    last.set_weights([kernel, bias + 0.2])
    return model


@pytest.fixture(scope="module")
def model():
    return make_trained()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return saved_model.save(model.model, tmp_path_factory.mktemp("model") / "saved")


@pytest.fixture(scope="module")
def signature(folder):
    return saved_model.load(folder)


def test_the_signature_has_the_names_and_answers_of_the_model(model, signature):
    _, inputs = signature.structured_input_signature
    assert list(inputs) == ["lr"] and inputs["lr"].dtype == tf.float32
    assert inputs["lr"].shape.as_list() == [None, None, None, 4]
    for height, width in ((16, 16), (70, 66)):
        lr = scene(height, width)
        saved = signature(lr=tf.constant(lr))
        assert set(saved) == KEYS | {"hr_dn_crop48"}  # MARGIN, even, in hr pixels
        np.testing.assert_allclose(
            saved["hr"], model.model({"lr": lr})["hr"], atol=1e-6
        )
        for crop in (48, *CROPS):
            inner = saved["hr_dn"][:, crop:-crop, crop:-crop]
            # To the last digit but one: the tight crop is computed on its own.
            np.testing.assert_allclose(saved[f"hr_dn_crop{crop}"], inner, rtol=1e-6)


def test_a_session_computes_only_the_layers_of_one_output(folder, signature):
    """OTBTF runs the graph so; each convolution must run once, not once per output."""
    v1, lr, computed = tf.compat.v1, scene(40, 40), []
    for name in ("hr", "hr_dn_crop32"):
        with v1.Session(graph=tf.Graph()) as session:
            meta = v1.saved_model.load(session, ["serve"], str(folder))
            named, traced = meta.signature_def[SIGNATURE], v1.RunMetadata()
            output = session.run(
                named.outputs[name].name,
                {named.inputs["lr"].name: lr},
                options=v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE),
                run_metadata=traced,
            )
        expected = signature(lr=tf.constant(lr))[name].numpy()
        np.testing.assert_allclose(output, expected, rtol=1e-5)
        devices = traced.step_stats.dev_stats
        nodes = {n.node_name.split(":")[0] for d in devices for n in d.node_stats}
        assert sum("first" in n and n.endswith("Relu") for n in nodes) == 1
        computed.append(len(nodes))
    assert computed[0] < computed[1]  # equal if every output is computed


@pytest.mark.parametrize(("crop", "exact"), [(64, True), (16, False)])
def test_a_tile_equals_the_whole_image_inside_the_crop(model, signature, crop, exact):
    """A crop below the receptive field shows that the test can see a seam."""
    assert 16 < 4 * receptive_field(model) == 4 * MARGIN < 64
    lr = scene(72, 56)
    whole = signature(lr=tf.constant(lr))["hr"][:, 64:-64, 32:-32]
    inner = signature(lr=tf.constant(lr[:, 16:-16, 8:-8]))[f"hr_crop{crop}"]
    difference = np.abs(inner - whole[:, crop:-crop, crop:-crop]).max()
    assert difference < 1e-6 if exact else difference > 1e-5


def test_a_model_is_replaced_wholly_or_not_at_all(model, tmp_path, monkeypatch):
    folder = saved_model.save(model.model, tmp_path / "saved", {"version": 1})
    assert (folder / CARD).read_text() == '{\n  "version": 1\n}\n'
    (folder / "left_over").touch()
    saved_model.save(model.model, folder, {"version": 2})
    assert '"version": 2' in (folder / CARD).read_text()
    assert not (folder / "left_over").exists()

    def fail(module, path, **options):
        (tmp_path / path).mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        saved_model.save(model.model, folder, {"version": 3})
    assert '"version": 2' in (folder / CARD).read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_stop_between_two_models_leaves_the_earlier_one(model, tmp_path, monkeypatch):
    """Even a kill, after which the next run removes partial folders."""
    folder = saved_model.save(model.model, tmp_path / "saved", {"version": 1})
    replace = os.replace

    def replace_or_stop(source, target):
        if str(target) == str(folder):
            raise OSError("stopped here")
        replace(source, target)

    with monkeypatch.context() as context:
        context.setattr(os, "replace", replace_or_stop)
        with pytest.raises(OSError, match="stopped here"):
            saved_model.save(model.model, folder, {"version": 2})
    (left,) = tmp_path.glob("saved-*-replaced")
    saved_model.save(model.model, folder, {"version": 3})
    versions = [saved_model.describe(each).card["version"] for each in (left, folder)]
    assert versions == [1, 3]


def test_only_a_model_is_replaced(model, tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(SRError, match="holds something else than a SavedModel"):
        saved_model.save(model.model, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("target", ["missing", "empty"])
def test_a_link_stays_and_its_target_is_replaced(model, tmp_path, target):
    link, folder = tmp_path / "model", tmp_path / "far" / "saved"
    link.symlink_to(folder)
    if target == "empty":
        folder.mkdir(parents=True)
    for version in (1, 2):
        saved_model.save(model.model, link, {"version": version})
        assert link.is_symlink() and list(folder.parent.iterdir()) == [folder]
        assert saved_model.describe(folder).card == {"version": version}
    assert {path.name for path in tmp_path.iterdir()} == {"model", "far"}


def test_the_fingerprint_changes_with_the_weights(model, tmp_path):
    folder = saved_model.save(model.model, tmp_path / "saved")
    before = saved_model.fingerprint(folder)
    variables = folder / "variables" / "variables.data-00000-of-00001"
    content = bytearray(variables.read_bytes())
    content[-1] ^= 1
    variables.write_bytes(content)
    assert saved_model.fingerprint(folder) != before


def test_names_of_weights_do_not_depend_on_keras(folder):
    """Nor on the number of networks built before."""
    blocks = [f"block{number}_conv{conv}" for number in (1, 2) for conv in (1, 2)]
    layers = ["first", *blocks, "zoom1", "zoom2", "last"]
    expected = {f"{name}/{kind}" for name in layers for kind in ("kernel", "bias")}
    assert set(weights.by_name(make(blocks=2).model)) == expected
    assert set(np.load(folder / weights.FILE)) == expected


def test_a_network_that_tensorflow_cannot_save_is_refused():
    """It says so before the training, not after it."""
    image = tf.keras.Input((None, None, 4), name="lr")
    hr = tf.keras.layers.UpSampling2D(4, interpolation="bilinear")(image)
    with suppress(SRError):  # of most versions of Keras 3
        saved_model.check_any_size(tf.keras.Model({"lr": image}, {"hr": hr}))

    def network(inputs):
        raise TypeError("UpSampling2D needs a size")

    with pytest.raises(SRError, match="of any size .*UpSampling2D.*take other layers"):
        saved_model.check_any_size(network)
