"""Lower bound of the time: forward passes only.

python -m bench.forward_passes MODEL WIDTH HEIGHT SIDE OUTPUT

A network is run on random tiles of SIDE lr pixels until it has made WIDTH x HEIGHT lr
pixels of this output; it prints the seconds this took, loading and warming up not
counted.
"""

import sys
import time

import numpy as np

from srtools.conventions import FACTOR
from srtools.network import saved_model


def main() -> int:
    """Run from the command line."""
    folder, output = sys.argv[1], sys.argv[5]
    width, height, side = map(int, sys.argv[2:5])
    network = saved_model.load(folder, output)
    import tensorflow as tf

    random = np.random.default_rng(0)
    tile = tf.constant(random.uniform(200, 4000, (1, side, side, 4)), tf.float32)
    _, high, wide, _ = network(lr=tile)[output].shape
    start = time.monotonic()
    for _ in range(round(width * height * FACTOR**2 / (high * wide))):
        network(lr=tile)[output].numpy()
    print(time.monotonic() - start)
    return 0


if __name__ == "__main__":
    sys.exit(main())
