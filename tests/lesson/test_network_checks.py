"""The check of exercise 2 passes the course's network, and names each mistake."""

import pytest

from lesson.check import main
from lesson.network_checks import check_network
from tests.processes import ROOT

# The course's idiom with other names.
RIGHT = """
import otbtf
import tensorflow as tf
from srtools.network.keep_mean import KeepMean
layers = tf.keras.layers

def conv(filters, size, **options):
    return layers.Conv2D(filters, size, padding="same", **options)

class Net(otbtf.ModelBase):
    def normalize_inputs(self, inputs):
        return {"x": tf.cast(inputs["sentinel"], tf.float32) * 1e-4}

    def get_outputs(self, normalized_inputs):
        x = first = conv(8, 7)(normalized_inputs["x"])
        for _ in range(2):
            y = conv(8, 3, activation="relu")(x)
            x = layers.Add()([x, conv(8, 3)(y)])
        x = layers.Add()([x, first])
        for _ in range(2):  # zooms
            x = layers.Conv2DTranspose(8, 4, strides=2, padding="same")(x)
        hr = conv(4, 7, name="hr")(x)
        dn = layers.Rescaling(1e4, name="dn")(hr)
        return {"hr": hr, "dn": dn}
"""
ACTIVE, ADD = 'conv(8, 3, activation="relu")(x)', "layers.Add()([x, conv(8, 3)(y)])"
OTHERS = """class Small(otbtf.ModelBase):  # a part of others
    pass

class Big(otbtf.ModelBase):
    def get_outputs(self, normalized_inputs):
        return {}

"""
SMALL = OTHERS.split("class Big")[0]
# Blocks made by hand, and as a model: the check looks into both.
BLOCKS = """class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.one, self.two = conv(8, 3), conv(8, 3)

    def call(self, x):
        return x + self.two(tf.nn.relu(self.one(x)))

def nested(x):
    x = tf.keras.Input((None, None, 8))
    y = conv(8, 3, activation="relu")(x)
    return tf.keras.Model(x, layers.Add()([x, conv(8, 3)(y)]))

class Net"""
LAST = 'hr = conv(4, 7, name="hr")(x)'
KEPT = f"{LAST}\n        hr = KeepMean()([hr, normalized_inputs['x']])"
ONE = "            x = x if _ else layers.Add()([x, f"
NONE = "    postprocess_outputs = lambda self, **_: {}\n"
# A part of it, its replacement, and words of the line that must fail.
MISTAKES = {
    "no ModelBase": ("(otbtf.ModelBase)", "(object)", "derives from otbtf.ModelBase"),
    "two networks": ("class Net", f"{OTHERS}class Net", "otbtf.ModelBase (Big, Net)"),
    "a mistake of syntax": ("class Net", "klass Net", "sr_model.py is imported"),
    "a library that is not there": ("import otbtf", "import otbft", "'otbft'"),
    "a main without guard": ("class Net", "exit(0)\nclass Net", "it ended Python"),
    "an error of a layer": ("conv(8, 7)", "conv(-8, 7)", "is built"),
    "a key of the student's": (
        "conv(8, 7)",
        '{}["a"]',
        "'a' (sr_model.py, line 15)",
    ),
    "nothing returned": ('return {"hr": hr, "dn": dn}', "", "is built: "),
    "not normalised": (" * 1e-4", "", "multiplies by 1e-4"),
    "other scales": (" * 1e-4", " * [2e-4, 1e-4, 1e-4, 0]", "multiplies by 1e-4"),
    "a second input in DN": ('{"x"', '{"y": inputs["sentinel"], "x"', "9000, 0.9"),
    "3 x 3 at the end": ("conv(4, 7", "conv(4, 3", "two convolutions of 7 x 7"),
    "one zoom": ("(2):  # zooms", "(1):", "two transposed convolutions"),
    "a zoom by 4 at once": ("DTranspose(8, 4, strides=2,", "D(8, 4,", "two transposed"),
    "a kernel of 3": ("(8, 4, strides=2", "(8, 3, strides=2", "kernels are even"),
    "blocks without ReLU": (', activation="relu"', "", "activation in each block"),
    "ReLU after the sum only": (
        f"{ACTIVE}\n            x = {ADD}",
        f"conv(8, 3)(x)\n            x = layers.ReLU()({ADD})",
        "activation in each block (0 of 2",
    ),
    "no skips": (ADD, "conv(8, 3)(y)", "residual blocks"),
    "no long skip": ("x = layers.Add()([x, first])", "", "(2 sums around conv"),
    "no long skip, the mean kept": (
        f"x = layers.Add()([x, first])|{LAST}",
        f"|{KEPT}",
        "(2 sums around convolutions, none around all)",
    ),
    "no skips, the mean kept": (f"{ADD}|{LAST}", f"conv(8, 3)(y)|{KEPT}", "(1 sums"),
    "a long skip around one": ("        x = layers.Add()([x, f", ONE, "long skip"),
    "padding left out": ("conv(4, 7", "layers.Conv2D(4, 7", "128 x 128 (122 x 122"),
    "16 bands": ("conv(4, 7", "conv(16, 7", "they have 4 bands (16)"),
    "no output in DN": (', "dn": dn', "", "1e4 times the first"),
    "padding left out in a block": (
        ADD,
        "layers.Add()([x, layers.Conv2D(8, 3)(y)])",
        "must be equal",
    ),
    "no crops": (
        "    def get_outputs",
        f"{NONE}    def get_outputs",
        "cropped outputs",
    ),
}


def replace(text: str, old: str, new: str) -> str:
    """Replace a part that stands once, or several with | between them."""
    for one, other in zip(old.split("|"), new.split("|"), strict=True):
        assert text.count(one) == 1 or not one
        text = text.replace(one, other) if one else text
    return text


# Other ways to write the network of the course.
WAYS = {
    "as it is": ("", ""),
    "the mean kept": (LAST, KEPT),
    "sums as a + b": (ADD, "x + conv(8, 3)(y)"),
    "blocks made by hand": (f"y = {ACTIVE}\n            x = {ADD}", "x = Block()(x)"),
    "nested blocks": (f"y = {ACTIVE}\n            x = {ADD}", "x = nested(x)(x)"),
    "scaled residuals": ("conv(8, 3)(y)", "layers.Rescaling(0.1)(conv(8, 3)(y))"),
    "wide blocks": (ADD, "conv(8, 1)(x) + conv(8, 3)(y)"),
    "a part of a network": (
        "class Net(otbtf.ModelBase)",
        f"{SMALL}class Net(Small)",
    ),
    "one called SRModel": ("class Net", f"{OTHERS}class SRModel"),
    "whole numbers": (
        '"dn")(hr)',
        '"dn")(hr)\n        dn = layers.Lambda(tf.round)(dn)',
    ),
    **{
        f"ReLU as {text}": (ACTIVE, f"{text}(conv(8, 3)(x))")
        for text in (
            "layers.ReLU()",
            "layers.Activation(tf.nn.relu)",
            "layers.Activation('tanh')",
            "layers.Activation('swish')",
            "layers.LeakyReLU()",
            "layers.PReLU(shared_axes=[1, 2])",
            "(lambda x: layers.Maximum()([x, 0 * x]))",
            "layers.Lambda(lambda x: tf.where(x > 0, x, 0.1 * x))",
            "(lambda x: layers.ReLU()(layers.BatchNormalization()(x)))",
        )
    },
}


@pytest.mark.parametrize("way", ["ours", *WAYS])
def test_right_networks_pass(way, tmp_path, capsys):
    old, new = WAYS.get(way, ("", ""))
    text = replace(RIGHT, old, new) if old else RIGHT
    (tmp_path / "sr_model.py").write_text(text.replace("class Net", BLOCKS, 1))
    folder = ROOT if way == "ours" else tmp_path
    assert main(["2", "--scripts", str(folder)]) == 0, capsys.readouterr().out
    assert "13 of 13 passed" in capsys.readouterr().out


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(mistake, tmp_path):
    old, new, words = MISTAKES[mistake]
    (tmp_path / "sr_model.py").write_text(replace(RIGHT, old, new))
    report = check_network(tmp_path)
    (failed,) = report.failed  # one line for one mistake
    assert words in failed.statement, str(report)
    assert failed.hint
