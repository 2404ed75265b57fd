"""Names of weights that both versions of Keras share."""

import sr_model
from srtools.network import weights


def make():
    return sr_model.SRModel(sr_model.element_spec(4), filters=4, blocks=1).model


def test_names_do_not_depend_on_the_version_of_keras():
    """Nor on how many networks were built before."""
    expected = {
        f"{layer}/{weight}"
        for layer in ("first", "block1_conv1", "block1_conv2", "zoom1", "zoom2", "hr")
        for weight in ("kernel", "bias")
    }
    assert set(weights.by_name(make())) == expected
    assert set(weights.by_name(make())) == expected


def test_weights_that_are_written_can_be_read(tmp_path):
    network = make()
    weights.write(tmp_path / weights.FILE, network)
    found = weights.read(tmp_path)
    expected = {name: w.numpy() for name, w in weights.by_name(network).items()}
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)
