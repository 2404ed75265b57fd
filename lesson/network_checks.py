"""Exercise 2: check that the network is the one of the exercise.

The scripts are imported and the network is built; how it is written does not matter.
"""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lesson.report import Report
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError
from srtools.tf import tf

import otbtf

SMALL, OTHER = (32, 32), (24, 40)
# Missing keys of the data set after which building is dn up.
ATTEMPTS = 4


def check_network(scripts: Path, module: str = "sr_model") -> Report:
    """Check the class of a folder's `sr_model.py` that derives from ModelBase."""
    report = Report()
    kind = _find(report, scripts, module)
    if kind is None:
        return report
    try:
        model = build(kind)
    except SRError as error:
        report.check(False, f"the network is built: {error}", "see the message")
        return report
    report.check(True, "the network is built", "")
    _check_scale(report, model)
    _check_layers(report, model.model)
    _check_answers(report, model)
    return report


def _find(report: Report, scripts: Path, module: str) -> type | None:
    sys.path.insert(0, str(scripts.resolve()))
    sys.modules.pop(module, None)
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a student's script may raise
        runs = isinstance(error, SystemExit)
        report.check(
            False,
            f"{module}.py is imported: {'it ended Python' if runs else error}",
            'put main() under `if __name__ == "__main__":`'
            if runs
            else f"the module must lie in {scripts}",
        )
        return None
    finally:
        sys.path.remove(str(scripts.resolve()))
        sys.modules.pop(module, None)
    kinds = [
        value
        for value in vars(imported).values()
        if inspect.isclass(value)
        and issubclass(value, otbtf.ModelBase)
        and value is not otbtf.ModelBase
    ]
    report.check(
        bool(kinds),
        f"{module}.py has a class that derives from otbtf.ModelBase",
        "class SRModel(otbtf.ModelBase), with normalize_inputs and get_outputs",
    )
    return kinds[-1] if kinds else None


def build(kind: type) -> otbtf.ModelBase:
    """Build a model; a KeyError reveals the name of its input, which is free.

    Raises:
        SRError: if it cannot be built.
    """
    name = "lr"
    for _ in range(ATTEMPTS):
        spec = (
            {name: tf.TensorSpec((None, *SMALL, len(BANDS)), tf.float32)},
            {"hr": tf.TensorSpec((None, 128, 128, len(BANDS)), tf.float32)},
        )
        try:
            return kind(dataset_element_spec=spec)
        except KeyError as error:
            name = str(error.args[0])
        except Exception as error:  # Keras and TensorFlow have many of them
            raise SRError(f"{type(error).__name__}: {error}".splitlines()[0]) from None
    raise SRError(f"the input is called neither 'lr' nor '{name}'")


def _check_scale(report: Report, model: otbtf.ModelBase) -> None:
    (key,) = model.dataset_input_keys
    dn = tf.constant(np.full((1, 8, 8, len(BANDS)), 5000.0, np.float32))
    normalized = next(iter(model.normalize_inputs({key: dn}).values()))
    value = float(np.asarray(normalized).mean())
    report.check(
        abs(value - 5000 * SCALE) < 1e-4,
        f"normalize_inputs multiplies by 1e-4 (5000 becomes {value:g})",
        "inside the model, so that training and serving cannot differ",
    )


def _check_layers(report: Report, network: tf.keras.Model) -> None:
    kinds = tf.keras.layers
    # `a + b` is an operation in Keras 3, and a layer with such a name in Keras 2.
    steps = getattr(network, "operations", network.layers)
    zooms = [x for x in steps if isinstance(x, kinds.Conv2DTranspose)]
    convolutions = [x for x in steps if isinstance(x, kinds.Conv2D) and x not in zooms]
    wide = [x for x in convolutions if tuple(x.kernel_size) == (7, 7)]
    count = sum("add" in f"{type(step).__name__} {step.name}".lower() for step in steps)
    others = [x for x in steps if x not in (*zooms, *wide)]
    activated = sum(map(_is_activation, others))
    report.check(
        len(wide) == 2,
        f"two convolutions of 7 x 7 ({len(wide)})",
        "one at the beginning, one at the end",
    )
    strides = [tuple(layer.strides) for layer in zooms]
    doubled = report.check(
        strides == [(2, 2), (2, 2)],
        f"two transposed convolutions of stride 2 ({strides})",
        "each doubles rows and columns: 32, 64, 128",
    )
    kernels = [side for layer in zooms for side in layer.kernel_size]
    if doubled:
        report.check(
            all(side % 2 == 0 for side in kernels),
            f"their kernels are even (sides of {sorted(set(kernels))})",
            "with a stride of 2 and a kernel of 3 the output pixels get 1, 2 or 4 "
            "products in turn: a checkerboard",
        )
    report.check(
        count >= 3,
        f"residual blocks, and a long skip around them ({count} sums)",
        "each block adds its input to its output; so do all blocks together",
    )
    report.check(
        0 < count - 1 <= activated,
        f"an activation in each block ({activated} in {max(count - 1, 0)} blocks)",
        "two convolutions without ReLU between them are one convolution",
    )


def _is_activation(step: Any) -> bool:
    """Check whether a layer or an operation bends its input: ReLU and the like."""
    bent = getattr(step, "activation", None)
    if bent is not None:
        return getattr(bent, "__name__", "") != "linear"
    return any(word in type(step).__name__.lower() for word in ("elu", "activation"))


def _check_answers(report: Report, model: otbtf.ModelBase) -> None:
    (key,), network = model.dataset_input_keys, model.model
    rng = np.random.default_rng(0)
    outputs = _run(network, key, rng.uniform(200, 4000, (1, *SMALL, len(BANDS))))
    side = FACTOR * SMALL[0]
    whole = {k: v for k, v in outputs.items() if v.shape[1:3] == (side, side)}
    report.check(
        bool(whole),
        f"32 x 32 pixels become 128 x 128 ({_sizes(outputs)})",
        "padding='same' in every convolution, and two zooms by 2",
    )
    try:
        other = _run(network, key, rng.uniform(200, 4000, (1, *OTHER, len(BANDS))))
        size = tuple(FACTOR * n for n in OTHER)
        any_size = any(v.shape[1:3] == size for v in other.values())
    except Exception:  # Keras and TensorFlow have many of them
        any_size = False
    report.check(
        any_size,
        "24 x 40 pixels become 96 x 160: any size works",
        "do not write sizes into layers; ModelBase leaves rows and columns open",
    )
    pairs = [(a, b) for a in whole.values() for b in whole.values()]
    report.check(
        any(np.allclose(a * 1e4, b, rtol=1e-3) and a.any() for a, b in pairs),
        "an extra output is 1e4 times the first, in DN",
        "a 16-bit image of reflectance below 1 would be 0 everywhere",
    )
    crops = 0
    for value in outputs.values():
        margin = (side - value.shape[1]) // 2
        if margin > 0 and any(
            big.shape[3] == value.shape[3]
            and np.allclose(big[:, margin:-margin, margin:-margin], value, rtol=1e-3)
            for big in whole.values()
        ):
            crops += 1
    report.check(
        crops > 0,
        f"cropped outputs for serving ({crops})",
        "ModelBase adds them in postprocess_outputs; keep the outputs of super()",
    )


def _run(network: tf.keras.Model, key: str, lr: np.ndarray) -> dict[str, np.ndarray]:
    dn = tf.constant(lr, tf.float32)
    outputs = network({key: dn})
    if not isinstance(outputs, dict):
        outputs = dict(enumerate(outputs if isinstance(outputs, list) else [outputs]))
    return {str(key): np.asarray(value) for key, value in outputs.items()}


def _sizes(outputs: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{v.shape[1]} x {v.shape[2]}" for v in outputs.values())
