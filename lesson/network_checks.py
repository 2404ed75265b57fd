"""Exercise 2: check that the network is the one of the exercise.

The scripts are imported and the network is built; how it is written does not matter.
"""

import importlib
import inspect
import re
import sys
import traceback
from pathlib import Path

import numpy as np

from lesson.network_graph import NetworkGraph
from lesson.report import Report
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.tf import tf

import otbtf

NAME = "SRModel"
SMALL, OTHER = (32, 32), (24, 40)


def check_network(scripts: Path, module: str = "sr_model") -> Report:
    """Check the class of a folder's `sr_model.py` that derives from ModelBase."""
    report = Report()
    folder = scripts.resolve()
    sys.path.insert(0, str(folder))
    sys.modules.pop(module, None)
    try:
        kind = _find(report, folder, module)
        if kind is not None:
            _check_network(report, kind, folder)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)
    return report


def _check_network(report: Report, kind: type, folder: Path) -> None:
    statement = "the network is built"
    try:
        model = build(kind)
        key, network = model.dataset_input_keys[0], model.model
        report.check(True, statement, "")
        statement = "the network runs"
        graph = NetworkGraph(network, key, (1, *SMALL, len(BANDS)))
        _check_scale(report, model, key)
        doubled = _check_layers(report, graph)
        _check_answers(report, network, key, doubled)
    except Exception as error:  # whatever a student's methods may raise
        statement = f"{statement}: {_spell(error, folder)}"
        report.check(False, statement, "the message names what is wrong")


def _spell(error: BaseException, folder: Path) -> str:
    """Return kind and text of an error, and the last line of the student's own."""
    lines = re.sub("\x1b[^m]*m", "", str(error)).splitlines()
    # Keras names the layer first, and the reason in a line of its own below.
    reasons = [line for line in lines if line and not line.startswith("Exception enc")]
    text = ": ".join([type(error).__name__, *reasons[:1]])
    places = [
        f" ({Path(frame.filename).name}, line {frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent == folder
    ]
    return text + (places[-1] if places else "")


def _find(report: Report, folder: Path, module: str) -> type | None:
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a student's script may raise
        text, hint = _spell(error, folder), "mend this line"
        if isinstance(error, SystemExit):
            text = "it ended Python"
            hint = 'put main() under `if __name__ == "__main__":`'
        elif isinstance(error, ModuleNotFoundError):
            hint = f"{error.name} must be installed, or lie in {folder}"
        report.check(False, f"{module}.py is imported: {text}", hint)
        return None
    classes = filter(inspect.isclass, vars(imported).values())
    kinds = {k.__name__: k for k in classes if issubclass(k, otbtf.ModelBase)}
    kinds = {k: v for k, v in kinds.items() if not inspect.isabstract(v)}
    kinds = {NAME: kinds[NAME]} if NAME in kinds else kinds
    report.check(
        len(kinds) == 1,
        f"{module}.py has one class that derives from otbtf.ModelBase "
        f"({', '.join(kinds) or 'none'})",
        f"class {NAME}(otbtf.ModelBase), with normalize_inputs and get_outputs"
        + (": which of several to check cannot be known" if kinds else ""),
    )
    return next(iter(kinds.values())) if len(kinds) == 1 else None


def build(kind: type) -> otbtf.ModelBase:
    """Build a model; a KeyError reveals the name of its input, which is free."""
    errors, name = {}, "lr"
    while name not in errors:
        spec = (
            {name: tf.TensorSpec((None, *SMALL, len(BANDS)), tf.float32)},
            {"hr": tf.TensorSpec((None, 128, 128, len(BANDS)), tf.float32)},
        )
        try:
            return kind(dataset_element_spec=spec)
        except KeyError as error:
            errors[name] = error
            name = str(error.args[0])
    # With the right name of the input, another key was missing: the student's own.
    raise errors[name]


def _check_scale(report: Report, model: otbtf.ModelBase, key: str) -> None:
    dn = np.linspace(100, 9000, 256, dtype=np.float32).reshape(1, 8, 8, len(BANDS))
    normalized = model.normalize_inputs({key: tf.constant(dn)})
    values = normalized.values() if isinstance(normalized, dict) else [normalized]
    arrays = [np.asarray(value, np.float32) for value in values]
    scaled = [x.shape == dn.shape and np.allclose(x, dn * SCALE) for x in arrays]
    spelled = ", ".join(f"{x.max():g}" for x in arrays)
    report.check(
        any(scaled) and all(x.max() < dn.min() for x in arrays),
        f"normalize_inputs multiplies by 1e-4 (9000 becomes {spelled})",
        "inside the model, as in training so in serving; no input stays in DN",
    )


def _check_layers(report: Report, graph: NetworkGraph) -> bool:
    """Check the parts; return True if there are two zooms by 2."""
    every = graph.convolutions.keys() | graph.zooms.keys()
    wide = [op for op, kernel in graph.convolutions.items() if kernel == (7, 7)]
    first = [op for op in wide if every & graph.before[op] == {op}]
    last = [op for op in wide if every <= graph.before[op]]
    report.check(
        len(wide) == 2 and len(first) == len(last) == 1,
        f"two convolutions of 7 x 7 ({len(wide)}), the first and the last "
        f"({'yes' if first else 'no'}, {'yes' if last else 'no'})",
        "one at the beginning, one at the end",
    )
    strides = [tuple(zoom.get_attr("strides")[1:3]) for zoom in graph.zooms]
    doubled = report.check(
        strides == [(2, 2), (2, 2)],
        f"two transposed convolutions of stride 2 ({strides})",
        "each doubles rows and columns: 32, 64, 128",
    )
    kernels = [side for kernel in graph.zooms.values() for side in kernel]
    if doubled:
        report.check(
            all(side % 2 == 0 for side in kernels),
            f"their kernels are even (sides of {sorted(set(kernels))})",
            "with 3, output pixels get 1, 2 or 4 products in turn: a checkerboard",
        )
    count = len(graph.blocks)
    if report.check(
        count > 0 and graph.skipped,
        f"residual blocks, and a long skip around them ({count} sums around "
        f"convolutions, {'one' if graph.skipped and count else 'none'} around all)",
        "each block adds its input to its output; so do all blocks together",
    ):
        bent = sum(map(graph.is_bent, graph.blocks))
        report.check(
            bent == count,
            f"an activation in each block ({bent} of {count} blocks)",
            "two convolutions without ReLU between them are one convolution",
        )
    return doubled


def _check_answers(
    report: Report, network: tf.keras.Model, key: str, doubled: bool
) -> None:
    rng = np.random.default_rng(0)
    outputs = _run(network, key, rng.uniform(200, 4000, (1, *SMALL, len(BANDS))))
    side = FACTOR * SMALL[0]
    whole = {
        k: v for k, v in outputs.items() if v.ndim == 4 and v.shape[1:3] == (side, side)
    }
    if not whole and not doubled:
        return  # the zooms have failed already
    if not report.check(
        bool(whole),
        f"32 x 32 pixels become 128 x 128 ({_sizes(outputs)})",
        "padding='same' in every convolution",
    ):
        return
    bands = sorted({v.shape[3] for v in whole.values()})
    report.check(
        len(BANDS) in bands,
        f"they have {len(BANDS)} bands ({', '.join(map(str, bands))})",
        "the last convolution has one filter per band",
    )
    any_size = _takes(network, key, (1, *OTHER, len(BANDS)))
    report.check(
        any_size,
        "24 x 40 pixels become 96 x 160: any size works",
        "do not write sizes into layers; ModelBase leaves rows and columns open",
    )
    report.check(
        any(_in_dn(a, b) for a in whole.values() for b in whole.values()),
        "an extra output is 1e4 times the first, in DN",
        "a 16-bit image of reflectance below 1 would be 0 everywhere",
    )
    report.check(
        (crops := _count_crops(outputs, whole)) > 0,
        f"cropped outputs for serving ({crops})",
        "ModelBase adds them in postprocess_outputs; keep the outputs of super()",
    )


def _takes(network: tf.keras.Model, key: str, shape: tuple[int, ...]) -> bool:
    """Check whether an image of another size becomes four times as large."""
    try:
        outputs = _run(network, key, np.full(shape, 1000.0))
    except Exception:  # Keras and TensorFlow have many of them
        return False
    size = tuple(FACTOR * n for n in shape[1:3])
    return any(value.shape[1:3] == size for value in outputs.values())


def _in_dn(reflectance: np.ndarray, dn: np.ndarray) -> bool:
    """Check whether one output is the other in DN; it may be rounded or clipped."""
    if reflectance.shape != dn.shape:
        return False
    seen = reflectance > SCALE
    expected = reflectance[seen] / SCALE
    return seen.any() and np.allclose(dn[seen], expected, rtol=1e-3, atol=1)


def _count_crops(outputs: dict, whole: dict) -> int:
    """Count the outputs that are the middle of another one."""
    return sum(
        any(
            middle.shape == value.shape and np.allclose(middle, value, rtol=1e-3)
            for big in whole.values()
            for margin in [(big.shape[1] - value.shape[1]) // 2]
            for middle in [big[:, margin:-margin, margin:-margin]]
        )
        for value in outputs.values()
        if value.size and value.shape[1] < FACTOR * SMALL[0]
    )


def _run(network: tf.keras.Model, key: str, lr: np.ndarray) -> dict[str, np.ndarray]:
    dn = tf.constant(lr, tf.float32)
    outputs = network({key: dn})
    if not isinstance(outputs, dict):
        outputs = dict(enumerate(outputs if isinstance(outputs, list) else [outputs]))
    return {str(key): np.asarray(value) for key, value in outputs.items()}


def _sizes(outputs: dict[str, np.ndarray]) -> str:
    return ", ".join(" x ".join(map(str, v.shape[1:3])) for v in outputs.values())
