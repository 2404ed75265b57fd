"""Self-ensemble: the mean of what a network says of an image turned in eight ways.

Source: Timofte, Rothe and Van Gool, "Seven ways to improve example-based single image
super resolution", CVPR 2016 (there called enhanced prediction).
"""

import shutil
from itertools import product
from pathlib import Path

from srtools import files
from srtools.network import saved_model, serving


def save(
    model_dir: str, input_name: str, output: str, spread: str, folder: Path
) -> str:
    """Write a SavedModel that runs another one eight times and takes the mean.

    That the mean is part of the model lets any engine serve it like any other.

    Arguments:
        model_dir: the SavedModel.
        input_name: of its input, [n, h, w, bands].
        output: of its output, [n, h', w', bands], which the new one has as well.
        spread: name of a second output: the standard deviation of the eight.
        folder: where the new model is put.

    Returns:
        The folder.
    """
    from srtools.tf import tf

    network = saved_model.load(model_dir, output)
    spec = network.structured_input_signature[1][input_name]

    def turned(image: tf.Tensor, flip: bool, flop: bool, swap: bool) -> tf.Tensor:
        axes = [axis for axis, wanted in ((1, flip), (2, flop)) if wanted]
        image = tf.reverse(image, axes) if axes else image
        return tf.transpose(image, (0, 2, 1, 3)) if swap else image

    def back(image: tf.Tensor, flip: bool, flop: bool, swap: bool) -> tf.Tensor:
        image = tf.transpose(image, (0, 2, 1, 3)) if swap else image
        return turned(image, flip, flop, False)

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        first, total, squares = None, 0.0, 0.0
        for way in product((False, True), repeat=3):
            answer = network(**{input_name: turned(image, *way)})[output]
            answer = back(tf.cast(answer, tf.float32), *way)
            first = answer if first is None else first
            # Differences are small, so that their squares lose no digits.
            total += answer - first
            squares += (answer - first) ** 2
        mean = total / 8
        variance = tf.maximum(squares / 8 - mean**2, 0)
        return {output: first + mean, spread: tf.sqrt(variance)}

    module = tf.Module()
    module.network = network.model  # whose weights are saved
    spec = tf.TensorSpec(spec.shape, spec.dtype, name=input_name)
    from srtools.tf import tf  # noqa: F401

    tf.saved_model.save(
    module, str(folder),
    signatures={saved_model.SIGNATURE: tf.function(serve, [spec], autograph=False)},
    )  # fmt: skip
    serving.split_outputs(folder)
    card = Path(model_dir) / saved_model.CARD
    if card.exists():
        files.make_folder((folder / saved_model.CARD).parent)
        shutil.copy(card, folder / saved_model.CARD)
    return str(folder)
