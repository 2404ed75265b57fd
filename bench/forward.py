"""Nothing but the forward passes: python -m bench.forward MODEL WIDTH HEIGHT SIDE.

A network is run on random tiles of SIDE lr pixels until WIDTH x HEIGHT lr pixels have
been seen; it prints the seconds this took, loading and warming up not counted.
"""

import sys
import time

import numpy as np

from srtools import models


def main() -> int:
    """Run from the command line."""
    folder = sys.argv[1]
    width, height, side = map(int, sys.argv[2:])
    network = models.load(folder, "hr_dn")
    import tensorflow as tf

    random = np.random.default_rng(0)
    tile = tf.constant(random.uniform(200, 4000, (1, side, side, 4)), tf.float32)
    network(lr=tile)
    start = time.monotonic()
    for _ in range(round(width * height / side**2)):
        network(lr=tile)["hr_dn"].numpy()
    print(time.monotonic() - start)
    return 0


if __name__ == "__main__":
    sys.exit(main())
