"""SavedModels: written so that OTBTF runs them well, read with either Keras."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from srtools import cards, files, fingerprints, signals
from srtools.conventions import INPUT, OUTPUT_DN
from srtools.errors import SRError
from srtools.network import weights
from srtools.network.receptive_field import receptive_field
from srtools.tf import tf

from tensorflow.core.protobuf import saved_model_pb2

SIGNATURE = "serving_default"
GRAPH = "saved_model.pb"
"""File that makes a folder a SavedModel: the graph, without the weights."""

CARD = Path("assets") / "model_card.json"


@dataclass(frozen=True)
class ModelInfo:
    """The signature of a SavedModel and its card."""

    folder: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    """Number of bands of each output, by its name, as of the inputs."""
    card: dict
    """Content of `model_card.json`, empty if there is none."""

    def need(self, input_name: str, *output_names: str) -> None:
        """Check that an input and outputs exist."""
        outputs = [("output", name, self.outputs) for name in output_names]
        for kind, name, names in [("input", input_name, self.inputs), *outputs]:
            if name not in names:
                raise SRError(
                    f"the model {self.folder} has no {kind} '{name}'; it has "
                    f"{', '.join(sorted(names)) or 'none'}: "
                    "train one with sr_train.py, or choose another crop"
                )


def save(
    network: tf.keras.Model,
    folder: str | Path,
    card: dict | None = None,
    crop: int | None = None,
) -> Path:
    """Write a SavedModel, completely or not at all, replacing an earlier one.

    Its signature `serving_default` takes `lr` [n, h, w, bands] float32 DN and returns
    all outputs under their names.  The card goes into `assets/model_card.json`, and the
    weights once more into `assets/weights.npz`, from which another training can start.

    Arguments:
        network: Keras model with the input `lr` and the outputs `hr` and `hr_dn`.
        folder: SavedModel to write.
        card: content of its card.
        crop: output pixels that one output more, `hr_dn_crop<crop>`, has less on each
            side.  Default: the fewest that leave no seam between tiles.
    """
    folder = Path(os.path.realpath(folder))  # a link stays
    check_replaceable(folder)
    module = tf.Module()
    # Keras 3 wraps TensorFlow's variables, and OTBTF would find a copy without values.
    module.weights = [
        x if isinstance(x, tf.Variable) else x.value for x in network.weights
    ]
    with files.partial_folder(folder) as partial:
        new = partial / "new"
        write(module, _serving_function(network, crop), new)
        weights.write(new / weights.FILE, network)
        if card is not None:
            cards.write_card(new / CARD, card)
        # Not into `partial`, which the next run removes if this one is killed here.
        aside = folder.with_name(partial.name.removeprefix(".partial-") + "-replaced")
        with signals.held():
            if folder.exists():
                os.replace(folder, aside)
            try:
                os.replace(new, folder)
            except OSError:
                if aside.exists():
                    os.replace(aside, folder)
                raise
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _serving_function(network: tf.keras.Model, crop: int | None) -> Callable:
    """Make a function of tensors of the network, with one output more, cropped."""
    crop = crop or receptive_field(network.output[OUTPUT_DN]).crop

    def serve(lr: tf.Tensor) -> dict:
        outputs = network({INPUT: lr})
        inner = outputs[OUTPUT_DN][:, crop:-crop, crop:-crop]
        return {**outputs, f"{OUTPUT_DN}_crop{crop}": inner}

    lr = tf.TensorSpec(network.inputs[0].shape, tf.float32, name=INPUT)
    return tf.function(serve, [lr], autograph=False)


def write(module: tf.Module, serve: Callable, folder: Path) -> None:
    """Write a SavedModel whose outputs are computed one by one.

    TensorFlow saves a network as one node with many outputs, and OTBTF, which runs the
    graph in a session, would compute all to get one.  With one node more per output,
    which only repeats it, TensorFlow computes just the layers that lead to it.
    """
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
    """Read the signature of a SavedModel without loading its weights."""
    files.check_no_pattern(folder)
    try:
        signature = _read_graph(folder).meta_graphs[0].signature_def[SIGNATURE]
    except (OSError, DecodeError, IndexError):
        raise SRError(
            f"{folder} is not a SavedModel; the folder that sr_train.py wrote as "
            "--model_dir is expected"
        ) from None
    inputs, outputs = (
        {n: t.tensor_shape.dim[-1].size if t.tensor_shape.dim else 0 for n, t in side}
        for side in (signature.inputs.items(), signature.outputs.items())
    )
    card = Path(folder) / CARD
    card = cards.read_card(card) if card.exists() else {}
    return ModelInfo(str(folder), inputs, outputs, card)


def _read_graph(folder: str | Path) -> saved_model_pb2.SavedModel:
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((Path(folder) / GRAPH).read_bytes())
    return model


def check_weights(folder: str | Path) -> None:
    """Read every variable of a SavedModel once.

    TensorFlow reads them late, inside OTB, and complains at length.
    """
    try:
        variables = tf.train.load_checkpoint(str(Path(folder) / "variables/variables"))
        for name in variables.get_variable_to_shape_map():
            variables.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError, LookupError, OSError):
        raise SRError(
            f"the weights of the model {folder} are damaged or missing; copy the whole "
            "folder again, or train the model anew"
        ) from None


def check_replaceable(folder: str | Path) -> None:
    """Check that a SavedModel written to `folder` replaces nothing but another one."""
    files.check_no_pattern(folder)
    folder = Path(folder)
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not (empty or (folder / GRAPH).exists()):
        raise SRError(
            f"{folder} holds something else than a SavedModel, which would be lost; "
            "choose another folder for the model"
        )


def fingerprint(folder: str | Path) -> str:
    """Return a SHA-256 that changes with the network, its weights and its card."""
    folder = Path(folder)
    variables, card = sorted(folder.glob("variables/*")), folder.glob(str(CARD))
    return fingerprints.of_contents([*variables, folder / GRAPH, *card])


def load(folder: str | Path, *outputs: str) -> Callable:
    """Load a SavedModel, whichever Keras saved it, and return its serving signature.

    Arguments:
        folder: of the SavedModel.
        outputs: the only ones that are computed.  Default all.

    Returns:
        A function that takes tensors by the names of the inputs and returns a dict of
        tensors by the names of the outputs.
    """
    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures[SIGNATURE]
    except (OSError, LookupError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise SRError(f"{folder} cannot be loaded as a SavedModel: {reason}") from None

    def chosen(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = signature(**inputs)
        return {name: answer[name] for name in outputs or answer}

    # Inside a function TensorFlow leaves out what does not lead to its results.
    _, inputs = signature.structured_input_signature
    pruned = tf.function(chosen, autograph=False).get_concrete_function(**inputs)
    pruned.model = model  # which no signature keeps alive
    return pruned
