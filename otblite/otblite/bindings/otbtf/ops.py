"""Operations on tensors."""

import tensorflow as tf


def one_hot(labels: tf.Tensor, nb_classes: int) -> tf.Tensor:
    """Turn class numbers into vectors that are 1 at the class and 0 elsewhere.

    Arguments:
        labels: `[..., 1]`, any numeric type, classes from 0 to `nb_classes - 1`.
        nb_classes: length of the vectors.

    Returns:
        `[..., nb_classes]` float32.  For instance class 2 of 4 is `[0, 0, 1, 0]`;
        a class outside the range gives zeros.
    """
    classes = tf.cast(tf.squeeze(labels, axis=-1), tf.int32)
    return tf.one_hot(classes, depth=nb_classes)
