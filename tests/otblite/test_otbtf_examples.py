"""The stand-in of `otbtf.examples`: from patches to a map of classes."""

import numpy as np
import pytest

from tests.otblite.pipelines import serve

import tensorflow as tf
from otbtf.examples.tensorflow_v2x.fcnn import (
    create_tfrecords,
    fcnn_model,
    helper,
    train_from_patchesimages,
    train_from_tfrecords,
)
from otbtf.model import cropped_tensor_name

pytestmark = [
    # Keras 2 on Python 3.10 draws seeds in an old-fashioned way.
    pytest.mark.filterwarnings("ignore:non-integer arguments to randrange"),
    # Keras 3 warns at the end of the first epoch of a data set of unknown length.
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
]


@pytest.fixture
def patches(write_raster) -> list[str]:
    """Eight patches of 64 x 64 pixels, bright ones of class 1, and their labels."""
    random = np.random.default_rng(0)
    labels = (np.arange(8 * 64)[:, None] // 64 % 2) * np.ones((1, 64), int)
    pixels = 1000 + 5000 * labels[..., None] + random.integers(0, 99, (512, 64, 4))
    return [
        write_raster("xs.tif", pixels.astype(np.uint16)),
        write_raster("labels.tif", labels.astype(np.uint8)),
    ]


def test_from_patches_to_a_map(patches, tmp_path, write_raster):
    tf.keras.utils.set_random_seed(0)
    xs, labels = patches
    folder = str(tmp_path / "model")
    options = ["--model_dir", folder, "--nb_epochs", "20", "--learning_rate", "0.01"]
    for group in ("train", "valid", "test"):
        options += [f"--{group}_xs", xs, f"--{group}_labels", labels]
    train_from_patchesimages.train(train_from_patchesimages.parser.parse_args(options))

    pixels = np.full((128, 128, 4), 1050, np.uint16)
    pixels[:, 64:] = 6050
    sources = {fcnn_model.INPUT_NAME: (write_raster("scene.tif", pixels), 64)}
    names = [cropped_tensor_name(fcnn_model.OUTPUT_SOFTMAX_NAME, 16)]
    served = serve(folder, sources, names, efield=32).to_numpy()
    assert served.shape == (96, 96, 2)
    np.testing.assert_allclose(served.sum(2), 1, atol=1e-5)
    # The edge between the classes lies at column 64 of the scene, 48 of the result.
    assert (served[:, 10:30, 1] < 0.5).all() and (served[:, 66:86, 1] > 0.5).all()


def test_from_tfrecords(patches, tmp_path):
    for group in ("train", "valid"):
        folder = str(tmp_path / group)
        options = ["--xs", patches[0], "--labels", patches[1], "--outdir", folder]
        create_tfrecords.create_tfrecords(create_tfrecords.parser.parse_args(options))
        assert (tmp_path / group / "0.records").exists()
    model = str(tmp_path / "model")
    options = ["--model_dir", model, "--nb_epochs", "1", "--batch_size", "4"]
    options += ["--tfrecords_dir", str(tmp_path)]
    train_from_tfrecords.train(train_from_tfrecords.parser.parse_args(options))
    signature = tf.saved_model.load(model).signatures["serving_default"]
    assert fcnn_model.OUTPUT_SOFTMAX_NAME in signature.structured_outputs


def test_lists_that_do_not_fit():
    with pytest.raises(ValueError, match="got 2 and 1"):
        helper.check_files_order(["a", "b"], ["c"])
