"""A small network with the shape of a U: from DN to the likelihood of each class."""

from typing import Any

import tensorflow as tf
from otbtf.model import ModelBase
from otbtf.ops import one_hot

N_CLASSES = 2
INPUT_NAME = "input_xs"
TARGET_NAME = "predictions"
# Keras 3 names the outputs of a SavedModel by their keys, Keras 2 by their layers.
KERAS_3 = hasattr(tf.keras.Model, "stateless_call")
OUTPUT_SOFTMAX_NAME = TARGET_NAME if KERAS_3 else "predictions_softmax_tensor"
# Features of each level; a level has half the rows and columns of the one before.
DEPTHS = (16, 32, 64, 64)


class FCNNModel(ModelBase):
    """Convolutions down to a 16th of the size and up again, added level by level.

    Input `input_xs` [n, h, w, bands] of DN up to 10 000, h and w multiples of 16;
    output `predictions` [n, h, w, 2] that sum up to 1.
    """

    def normalize_inputs(self, inputs: dict) -> dict:
        """Bring DN into [0, 1]."""
        return {INPUT_NAME: tf.cast(inputs[INPUT_NAME], tf.float32) / 10000.0}

    def get_outputs(self, normalized_inputs: dict) -> dict:
        """Build the network."""
        levels = [normalized_inputs[INPUT_NAME]]
        for number, depth in enumerate(DEPTHS, 1):
            down = self._layer(tf.keras.layers.Conv2D, depth, f"conv{number}")
            levels.append(down(levels[-1]))
        features = levels.pop()
        for number, depth in enumerate(DEPTHS[-2::-1], 1):
            up = self._layer(tf.keras.layers.Conv2DTranspose, depth, f"tconv{number}")
            features = tf.keras.layers.Add()([up(features), levels.pop()])
        last = self._layer(
            tf.keras.layers.Conv2DTranspose, N_CLASSES, "classifier", activation=None
        )
        softmax = tf.keras.layers.Softmax(name=OUTPUT_SOFTMAX_NAME)
        return {TARGET_NAME: softmax(last(features))}

    @staticmethod
    def _layer(kind: type, depth: int, name: str, activation: str | None = "relu"):
        return kind(
            depth, 3, strides=2, padding="same", activation=activation, name=name
        )


def dataset_preprocessing_fn(examples: dict) -> dict:
    """Make inputs and targets of a sample; labels [h, w, 1] become [h, w, 2]."""
    return {
        INPUT_NAME: examples["input_xs_patches"],
        TARGET_NAME: one_hot(examples["labels_patches"], N_CLASSES),
    }


def train(params: Any, ds_train: Any, ds_valid: Any, ds_test: Any) -> None:
    """Train the network, evaluate it, and save it as a SavedModel.

    Arguments:
        params: has `learning_rate`, `nb_epochs`, `batch_size` and `model_dir`.
        ds_train, ds_valid, ds_test: tf.data.Datasets of (inputs, targets); the last
            one may be None.
    """
    strategy = tf.distribute.MirroredStrategy()
    with strategy.scope():
        model = FCNNModel(dataset_element_spec=ds_train.element_spec)
        model.compile(
            optimizer=tf.keras.optimizers.Adam(params.learning_rate),
            loss={TARGET_NAME: tf.keras.losses.CategoricalCrossentropy()},
            metrics={
                TARGET_NAME: [
                    tf.keras.metrics.Precision(class_id=1),
                    tf.keras.metrics.Recall(class_id=1),
                ]
            },
        )
        model.summary(strategy)
        # The data sets shuffle by themselves.
        model.fit(
            ds_train, epochs=params.nb_epochs, validation_data=ds_valid, shuffle=False
        )
        if ds_test is not None:
            model.evaluate(ds_test)
        (model.export if KERAS_3 else model.save)(params.model_dir)
