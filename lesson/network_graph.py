"""Parts of a network, read from the graph of operations that TensorFlow runs.

The graph is the same for layers of Keras, layers made by hand, nested models and
functions of tensors.
"""

import re
from typing import Any

from srtools.tf import tf

from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

SUMS = ("AddV2", "Add", "AddN", "Sub")
# Operations of activations, whole or parts of them.
BENT = re.compile(
    "elu|Tanh|Sigmoid|Soft|Erf|Exp$|Log$|Max|Min|Select|Clip|Abs|Squar|Pow|Greater|Less"
)


class NetworkGraph:
    """Convolutions, zooms and residual blocks of a network.

    Attributes:
        before: the operations before each one that depends on the input, and itself.
        convolutions, zooms: kernels, by operation, in order.
        blocks: operations of each residual block, its sum left out.
        skipped: True if a sum leads around all blocks.
    """

    def __init__(self, network: tf.keras.Model, key: str, shape: tuple[int, ...]):
        self.convolutions, self.zooms = {}, {}
        self.before, sums = {}, {}
        for op in _operations(network, key, shape):
            inputs = [t.op for t in op.inputs if t.op in self.before]
            if op.type == "Placeholder" or inputs:
                self.before[op] = frozenset({op}.union(*map(self.before.get, inputs)))
            if op.type == "Conv2D":
                self.convolutions[op] = _kernel(op.inputs[1])
            elif op.type == "Conv2DBackpropInput":
                self.zooms[op] = _kernel(op.inputs[1])
            elif op.type in SUMS and (inner := self._inner(inputs)):
                sums[op] = inner
        inside = {op: inner for op, inner in sums.items() if not inner & sums.keys()}
        self.blocks = list(inside.values())
        self.skipped = any(inside.keys() <= inner for inner in sums.values())

    def _inner(self, inputs: list[tf.Operation]) -> frozenset:
        """Return the operations on one way to a sum alone, if they convolve.

        A sum around zooms, such as that of KeepMean, is none of the exercise's.
        """
        ways = [self.before[op] for op in inputs] or [frozenset()]
        inner = frozenset.union(*ways) - frozenset.intersection(*ways)
        zooms = inner & self.zooms.keys()
        return inner if inner & self.convolutions.keys() and not zooms else frozenset()

    def is_bent(self, block: frozenset) -> bool:
        """Check whether a block has an activation between its convolutions."""
        steps = block & self.convolutions.keys()
        return any(
            steps & self.before[op]
            and (len(steps) == 1 or any(op in self.before[step] for step in steps))
            for op in block
            if BENT.search(op.type)
        )


def _operations(
    network: tf.keras.Model, key: str, shape: tuple[int, ...]
) -> list[tf.Operation]:
    """Return the operations in order; functions are opened, variables constant."""
    function = tf.function(lambda lr: network({key: lr}), autograph=False)
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    return convert_variables_to_constants_v2(concrete).graph.get_operations()


def _kernel(weights: Any) -> tuple[int, int]:
    """Return the sides of the variable that the weights of a convolution come from."""
    tensors = [weights]
    for tensor in tensors:
        if tensor.op.type == "Const" and tensor.shape.rank == 4:
            return tuple(tensor.shape[:2])
        tensors += tensor.op.inputs
    return tuple(weights.shape[:2])
