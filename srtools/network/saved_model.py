"""SavedModels: what their signature says, and their card."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from srtools import cards, fingerprints
from srtools.errors import SRError

SIGNATURE = "serving_default"
GRAPH = "saved_model.pb"  # of a SavedModel, and what makes a folder one
CARD = Path("assets") / "model_card.json"


@dataclass(frozen=True)
class ModelInfo:
    """The names and band counts of a SavedModel's inputs and outputs, and its card."""

    folder: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    card: dict

    def need(self, input_name: str, *output_names: str) -> None:
        """Check that an input and outputs exist.

        Raises:
            SRError: naming what is missing and what there is.
        """
        wanted = [("input", input_name, self.inputs)]
        wanted += [("output", name, self.outputs) for name in output_names]
        for kind, name, known in wanted:
            if name not in known:
                raise SRError(
                    f"the model {self.folder} has no {kind} '{name}'; it has "
                    f"{', '.join(sorted(known)) or 'none'}: "
                    "train one with sr_train.py, or choose another crop"
                )


def describe(folder: str | Path) -> ModelInfo:
    """Read the signature of a SavedModel without loading its weights.

    Raises:
        SRError: if the folder is not a SavedModel with a serving signature, or its
            card cannot be read.
    """
    # TensorFlow takes seconds to import; --help should not.
    from google.protobuf.message import DecodeError

    from srtools.tf import tf  # noqa: F401

    from tensorflow.core.protobuf import saved_model_pb2

    path = Path(folder) / GRAPH
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
        signature = model.meta_graphs[0].signature_def[SIGNATURE]
    except (OSError, DecodeError, IndexError):
        raise SRError(
            f"{folder} is not a SavedModel; the folder that sr_train.py wrote as "
            "--model_dir is expected"
        ) from None
    inputs, outputs = (
        {name: _bands(tensor.tensor_shape) for name, tensor in tensors.items()}
        for tensors in (signature.inputs, signature.outputs)
    )
    card = Path(folder) / CARD
    card = cards.read_card(card) if card.exists() else {}
    return ModelInfo(str(folder), inputs, outputs, card)


def check_weights(folder: str | Path) -> None:
    """Read every variable of a SavedModel once.

    TensorFlow reads them late, inside OTB, and complains at length.

    Raises:
        SRError: if they are damaged.
    """
    from srtools.tf import tf

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
    """Check that a SavedModel written to `folder` replaces nothing but another one.

    Raises:
        SRError: if anything else is there.
    """
    folder = Path(folder)
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not (empty or (folder / GRAPH).exists()):
        raise SRError(
            f"{folder} holds something else than a SavedModel, which would be lost; "
            "choose another folder for the model"
        )


def fingerprint(folder: str | Path) -> str:
    """Give a number that is another one for another network or other weights."""
    variables = sorted(Path(folder).glob("variables/*"))
    return fingerprints.of_contents([*variables, Path(folder) / GRAPH])


def load(folder: str | Path, *outputs: str) -> Callable:
    """Load a SavedModel, whichever Keras saved it, and give its serving signature.

    Arguments:
        folder: of the SavedModel.
        outputs: the ones that are wanted: others are not computed.  Default all.

    Returns:
        A function that takes tensors by the names of the inputs and gives a dict of
        tensors by the names of the outputs.

    Raises:
        SRError: if TensorFlow cannot load it.
    """
    from srtools.tf import tf

    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures[SIGNATURE]
    except (OSError, LookupError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise SRError(f"{folder} cannot be loaded as a SavedModel: {reason}") from None
    # The signature does not keep the model alive by itself.
    signature.model = model
    if not outputs:
        return signature

    def wanted(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = signature(**inputs)
        return {name: answer[name] for name in outputs}

    # Inside a function TensorFlow leaves out what does not lead to its results.
    _, inputs = signature.structured_input_signature
    pruned = tf.function(wanted, autograph=False).get_concrete_function(**inputs)
    pruned.model = model
    return pruned


def _bands(shape) -> int:
    return shape.dim[-1].size if shape.dim else 0
