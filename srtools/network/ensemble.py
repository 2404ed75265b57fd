"""Self-ensemble: the mean of the answers to an image turned in eight ways.

Source: Timofte, Rothe and Van Gool, "Seven ways to improve example-based single image
super resolution", CVPR 2016 (there called enhanced prediction).
"""

import shutil
from itertools import product
from pathlib import Path

from srtools import files
from srtools.network import saved_model
from srtools.tf import tf


def save(
    model_dir: str, input_name: str, output: str, deviation: str, folder: Path
) -> str:
    """Write a SavedModel that runs another one eight times and takes the mean.

    That the mean is part of the model lets any engine serve it like any other.

    Arguments:
        model_dir: the SavedModel.
        input_name: name of its input, [n, h, w, bands].
        output: name of its output, [n, h', w', bands], which the new one has as well.
        deviation: name of a second output: the standard deviation of the eight.
        folder: path of the new model.

    Returns:
        The folder.
    """
    network = saved_model.load(model_dir, output)
    spec = network.structured_input_signature[1][input_name]

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        first, total, squares = None, 0.0, 0.0
        for way in product((False, True), repeat=3):
            answer = network(**{input_name: turn(image, *way)})[output]
            answer = turn_back(tf.cast(answer, tf.float32), *way)
            first = answer if first is None else first
            # Differences are small, so that their squares lose no digits.
            total += answer - first
            squares += (answer - first) ** 2
        mean = total / 8
        variance = tf.maximum(squares / 8 - mean**2, 0)
        return {output: first + mean, deviation: tf.sqrt(variance)}

    module = tf.Module()
    module.network = network.model  # whose weights are saved
    spec = tf.TensorSpec(spec.shape, spec.dtype, name=input_name)
    signatures = {saved_model.SIGNATURE: tf.function(serve, [spec], autograph=False)}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    saved_model.split_outputs(folder)
    card = Path(model_dir) / saved_model.CARD
    if card.exists():
        files.make_folder((folder / saved_model.CARD).parent)
        shutil.copy(card, folder / saved_model.CARD)
    return str(folder)


def turn(image: tf.Tensor, flip: bool, flop: bool, swap: bool) -> tf.Tensor:
    """Reverse the rows, then the columns, then exchange both, of [n, h, w, bands]."""
    axes = [axis for axis, wanted in ((1, flip), (2, flop)) if wanted]
    image = tf.reverse(image, axes) if axes else image
    return tf.transpose(image, (0, 2, 1, 3)) if swap else image


def turn_back(image: tf.Tensor, flip: bool, flop: bool, swap: bool) -> tf.Tensor:
    """Undo `turn` with the same arguments."""
    image = tf.transpose(image, (0, 2, 1, 3)) if swap else image
    return turn(image, flip, flop, False)
