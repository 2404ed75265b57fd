"""SavedModels: written so that OTBTF runs them well, read with either Keras."""

import hashlib
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from srtools import cards, files, signals
from srtools.conventions import BANDS, FACTOR, INPUT, OUTPUT_DN
from srtools.errors import SRError
from srtools.network import weights
from srtools.network.inner_output import inner_output
from srtools.network.receptive_field import receptive_field
from srtools.tf import tf

from tensorflow.core.protobuf import saved_model_pb2

SIGNATURE = "serving_default"
GRAPH = "saved_model.pb"  # file that makes a folder a SavedModel, without the weights
CARD = Path("assets") / "model_card.json"
ANY_SIZE = tf.TensorSpec([None, None, None, len(BANDS)], tf.float32, name=INPUT)


@dataclass(frozen=True)
class ModelInfo:
    """Folder, signature and card of a SavedModel."""

    folder: str
    inputs: dict[str, int]  # {name: number of bands}
    outputs: dict[str, int]  # the same
    card: dict  # empty if there is no model_card.json

    def require(self, *names: str) -> None:
        """Raise if the model lacks one of these inputs or outputs."""
        existing = {*self.inputs, *self.outputs}
        if missing := sorted({*names} - existing):
            raise SRError(
                f"the model {self.folder} has no input or output {', '.join(missing)}; "
                f"it has {', '.join(sorted(existing)) or 'none'}: train one with "
                "sr_train.py, or choose another crop"
            )


def cropped(crop: int) -> str:
    """Return the name of the output without `crop` pixels on each side.

    >>> cropped(56)
    'hr_dn_crop56'
    """
    return f"{OUTPUT_DN}_crop{crop}"


def save(network: tf.keras.Model, folder: str | Path, card: dict | None = None) -> Path:
    """Write a SavedModel, completely or not at all, replacing an earlier one.

    Its signature takes `lr` [n, h, w, bands] float32 DN and returns all outputs of the
    network, and `hr_dn` less the fewest pixels on each side that leave no seam between
    tiles (`cropped`).  The folder `assets` gets the card, and the weights once more.

    Arguments:
        network: Keras model with the input `lr` and the outputs `hr` and `hr_dn`.
    """
    folder = Path(os.path.realpath(folder))  # a link stays
    check_replaceable(folder)
    # OTBTF centres tiles best if the crop is an even number of input pixels.
    crop = 2 * math.ceil(receptive_field(network) / 2) * FACTOR

    inner = inner_output(network, crop)

    def serve(lr: tf.Tensor) -> dict[str, tf.Tensor]:
        return {**network({INPUT: lr}), cropped(crop): inner(lr)}

    with files.partial_folder(folder) as partial:
        new = partial / "new"
        write(module_of(network), serve, new)
        (new / weights.FILE).parent.mkdir(exist_ok=True)
        arrays = {name: w.numpy() for name, w in weights.by_name(network).items()}
        weights.save_arrays(new / weights.FILE, arrays)
        if card is not None:
            cards.write_card(new / CARD, card)
        # Not into `partial`, which the next run removes if this one is killed here.
        aside = folder.with_name(partial.name.removeprefix(".partial-") + "-replaced")
        with signals.deferred():
            if folder.exists():
                os.replace(folder, aside)
            os.replace(new, folder)
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def module_of(network: tf.keras.Model) -> tf.Module:
    """Return a module that holds the variables of a network, for `write`."""
    module = tf.Module()
    # Keras 3 wraps TensorFlow's variables, and OTBTF would find a copy without values.
    module.weights = [
        x if isinstance(x, tf.Variable) else x.value for x in network.weights
    ]
    return module


def check_any_size(network: tf.keras.Model) -> None:
    """Raise if TensorFlow cannot save a network for images of any size.

    Keras 3 cannot save `UpSampling2D` with interpolation="bilinear", for instance.
    """
    serve = tf.function(lambda lr: network({INPUT: lr}), [ANY_SIZE], autograph=False)
    try:
        serve.get_concrete_function()
    except (TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SRError(
            f"TensorFlow cannot save this network for images of any size ({reason}); "
            "take other layers in sr_model.py: Conv2DTranspose, or nearest UpSampling2D"
        ) from None


def write(module: tf.Module, serve: Callable, folder: Path) -> None:
    """Write a SavedModel in which an output is computed without the others.

    TensorFlow saves a network as one node with many outputs, and OTBTF, which runs the
    graph in a session, would compute all to get one.  With an identity node per output
    TensorFlow computes only the layers that lead to it.

    `module` has the variables; `serve` turns `lr` into {name: output}.
    """
    serve = tf.function(serve, [ANY_SIZE], autograph=False)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: serve})
    model = _read_graph(folder)
    graph = model.meta_graphs[0]
    for name, tensor in graph.signature_def[SIGNATURE].outputs.items():
        node = graph.graph_def.node.add(
            name=f"{SIGNATURE}_{name}", op="Identity", input=[tensor.name]
        )
        node.attr["T"].type = tensor.dtype
        tensor.name = f"{node.name}:0"
    (folder / GRAPH).write_bytes(model.SerializeToString())


def describe(folder: str | Path) -> ModelInfo:
    """Read signature and card of a SavedModel, without loading its weights."""
    files.check_name(folder, "TensorFlow")
    try:
        signature = _read_graph(folder).meta_graphs[0].signature_def[SIGNATURE]
        inputs, outputs = (
            {name: tensor.tensor_shape.dim[-1].size for name, tensor in side.items()}
            for side in (signature.inputs, signature.outputs)
        )
    except (OSError, DecodeError, IndexError):
        raise SRError(
            f"{folder} is not a SavedModel; the folder that sr_train.py wrote as "
            "--model_dir is expected"
        ) from None
    path = Path(folder) / CARD
    card = cards.read_card(path) if path.exists() else {}
    return ModelInfo(str(folder), inputs, outputs, card)


def _read_graph(folder: str | Path) -> saved_model_pb2.SavedModel:
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((Path(folder) / GRAPH).read_bytes())
    return model


def check_replaceable(folder: str | Path) -> None:
    """Raise if `folder` is a file, or a folder with content that is no SavedModel."""
    files.check_name(folder, "TensorFlow")
    folder = Path(folder)
    content = [*folder.iterdir()] if folder.is_dir() else [folder]
    if folder.exists() and content and not (folder / GRAPH).exists():
        raise SRError(
            f"{folder} holds something else than a SavedModel, which would be lost; "
            "choose another folder for the model"
        )


def fingerprint(folder: str | Path) -> str:
    """Return a SHA-256 that changes with a model's network, weights and card."""
    folder, digest = Path(folder), hashlib.sha256()
    variables, card = sorted(folder.glob("variables/*")), folder.glob(str(CARD))
    for path in [*variables, folder / GRAPH, *card]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load(folder: str | Path, *outputs: str) -> Callable:
    """Load a SavedModel of Keras 2 or 3, and return its serving function.

    The function takes tensors by the names of the inputs, and returns a dict of all
    outputs, or of `outputs` alone.
    """
    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures[SIGNATURE]
    except (OSError, LookupError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise SRError(
            f"{folder} cannot be loaded as a SavedModel ({reason}); copy the whole "
            "folder again, or train the model anew"
        ) from None

    def chosen(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = signature(**inputs)
        return {name: answer[name] for name in outputs or answer}

    # Inside a function TensorFlow prunes layers that do not lead to its results.
    _, inputs = signature.structured_input_signature
    pruned = tf.function(chosen, autograph=False).get_concrete_function(**inputs)
    pruned.model = model  # no signature keeps its model alive
    return pruned
