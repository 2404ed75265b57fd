"""The check of exercise 2 passes the course's network, and names each mistake."""

import pytest

from lesson.check import main
from lesson.network_checks import check_network
from tests.processes import ROOT

# The course's idiom with other names.
RIGHT = """
import otbtf
import tensorflow as tf
layers = tf.keras.layers

class Net(otbtf.ModelBase):
    def normalize_inputs(self, inputs):
        return {"x": tf.cast(inputs["sentinel"], tf.float32) * 1e-4}

    def get_outputs(self, normalized_inputs):
        x = layers.Conv2D(8, 7, padding="same")(normalized_inputs["x"])
        first = x
        for _ in range(2):
            y = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
            y = layers.Conv2D(8, 3, padding="same")(y)
            x = layers.Add()([x, y])
        x = layers.Add()([x, first])
        for _ in range(2):  # zooms
            x = layers.Conv2DTranspose(8, 4, strides=2, padding="same")(x)
        hr = layers.Conv2D(4, 7, padding="same", name="hr")(x)
        dn = layers.Rescaling(1e4, name="dn")(hr)
        return {"hr": hr, "dn": dn}
"""
# A part of it, its replacement, and words of the line that must fail.
MISTAKES = {
    "no ModelBase": ("(otbtf.ModelBase)", "(object)", "derives from otbtf.ModelBase"),
    "a mistake of syntax": ("class Net", "klass Net", "sr_model.py is imported"),
    "a main without guard": ("class Net", "exit(0)\nclass Net", "it ended Python"),
    "not normalised": (" * 1e-4", "", "multiplies by 1e-4"),
    "3 x 3 at the end": ("(4, 7", "(4, 3", "two convolutions of 7 x 7"),
    "one zoom": ("(2):  # zooms", "(1):", "two transposed convolutions"),
    "a zoom by 4 at once": (
        "layers.Conv2DTranspose(8, 4, strides=2,",
        "layers.Conv2D(8, 4,",
        "32 x 32 pixels become 128 x 128",
    ),
    "a kernel of 3": ("(8, 4, strides=2", "(8, 3, strides=2", "kernels are even"),
    "blocks without ReLU": (', activation="relu"', "", "activation in each block"),
    "no skips": ("x = layers.Add()([x, y])", "x = y", "residual blocks"),
    "no output in DN": (', "dn": dn', "", "1e4 times the first"),
    "no crops": (
        "    def get_outputs",
        "    postprocess_outputs = lambda self, **_: {}\n    def get_outputs",
        "cropped outputs",
    ),
    "an error of a layer": ("layers.Conv2D(8, 7", "layers.Conv2D(-8, 7", "is built"),
}


def replace(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


# Other ways to write the network of the course.
WAYS = {
    "as it is": RIGHT,
    "sums as a + b": RIGHT.replace("layers.Add()([x, y])", "x + y").replace(
        "layers.Add()([x, first])", "first + x"
    ),
    "layers for ReLU": replace(
        RIGHT,
        'layers.Conv2D(8, 3, padding="same", activation="relu")(x)',
        'layers.ReLU()(layers.Conv2D(8, 3, padding="same")(x))',
    ),
    "ReLU as a function": replace(
        RIGHT,
        'layers.Conv2D(8, 3, padding="same", activation="relu")(x)',
        'layers.Activation(tf.nn.relu)(layers.Conv2D(8, 3, padding="same")(x))',
    ),
}


@pytest.mark.parametrize("way", ["ours", *WAYS])
def test_right_networks_pass(way, tmp_path, capsys):
    (tmp_path / "sr_model.py").write_text(WAYS.get(way, ""))
    folder = ROOT if way == "ours" else tmp_path
    assert main(["2", "--scripts", str(folder)]) == 0, capsys.readouterr().out
    assert "12 of 12 passed" in capsys.readouterr().out


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(mistake, tmp_path):
    old, new, words = MISTAKES[mistake]
    (tmp_path / "sr_model.py").write_text(replace(RIGHT, old, new))
    report = check_network(tmp_path)
    assert any(words in line.statement for line in report.failed), str(report)
