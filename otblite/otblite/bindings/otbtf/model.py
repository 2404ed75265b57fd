"""The base class of OTBTF's models."""

import abc
import base64
import logging
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from otbtf.layers import registered

log = logging.getLogger(__name__)

Tensors = dict[str, Any]

# Message of Keras 3 when a function of TensorFlow is called while a model is built.
NOT_SYMBOLIC = "KerasTensor cannot be used as input to a TensorFlow function"


@registered
class _Inside(tf.keras.layers.Layer):
    """A function of a dict of tensors as a layer, in which TensorFlow's work.

    It is saved as the graph of its operations, so that a file does not need the class
    that has the function.
    """

    def __init__(
        self,
        function: Callable[..., Tensors] | None = None,
        saved: dict[str, Any] | None = None,
        **options,
    ):
        defaults = {"dtype": "float32", "autocast": False}
        super().__init__(**(defaults | options))
        self.function = function or _from_graph(saved)
        self.saved, self.specs = saved, None

    def call(self, inputs: Tensors) -> Tensors:
        """Call the function."""
        # The first call is that of the symbolic inputs, of any size.
        self.specs = self.specs or {
            key: tf.TensorSpec(value.shape, value.dtype)
            for key, value in inputs.items()
        }
        return self.function(inputs=inputs)

    def get_config(self) -> dict[str, Any]:
        """Return the options and the graph."""
        saved = self.saved or _to_graph(self.function, self.specs)
        return super().get_config() | {"saved": saved, "function": None}


def _to_graph(function: Callable[..., Tensors], specs: dict) -> dict[str, Any]:
    """Write the operations of a function as text."""
    graph = tf.Graph()
    with graph.as_default():
        inputs = {
            key: tf.compat.v1.placeholder(spec.dtype, spec.shape)
            for key, spec in specs.items()
        }
        outputs = function(inputs=inputs)
    return {
        "graph": base64.b64encode(graph.as_graph_def().SerializeToString()).decode(),
        "inputs": {key: tensor.name for key, tensor in inputs.items()},
        "outputs": {key: tensor.name for key, tensor in outputs.items()},
    }


def _from_graph(saved: dict[str, Any]) -> Callable[..., Tensors]:
    """Return the function that `_to_graph` wrote."""
    graph = tf.compat.v1.GraphDef.FromString(base64.b64decode(saved["graph"]))

    def function(inputs: Tensors) -> Tensors:
        given = {name: inputs[key] for key, name in saved["inputs"].items()}
        names = list(saved["outputs"].values())
        values = tf.graph_util.import_graph_def(graph, given, names)
        return dict(zip(saved["outputs"], values, strict=True))

    return tf.function(function, autograph=False)


@registered
class _Model(tf.keras.Model):
    """A Keras 3 model of which some outputs have no target: they have no metrics.

    Keras 2 leaves them out itself.
    """

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict:
        """Compute the metrics of the outputs that have a target."""
        if isinstance(y, dict) and isinstance(y_pred, dict):
            y_pred = {key: value for key, value in y_pred.items() if key in y}
        return super().compute_metrics(x, y, y_pred, sample_weight)


class ModelBase(abc.ABC):
    """A Keras model made of functions to fill in, with outputs cropped for serving.

    A child implements `get_outputs`, and usually `normalize_inputs`.  The Keras model
    is built on construction.  It is the attribute `model`; other attributes (`fit`,
    `compile`, `predict`...) are looked up there.

    Arguments:
        dataset_element_spec: `element_spec` of a data set of `(inputs, targets)`.
            Only the channels of the inputs matter: images of any size are accepted.
        input_keys: the inputs to use, all of them by default.
        inference_cropping: output pixels to remove from each side in the extra
            outputs `<name>_crop<c>`.  Training does not use them; serving tile by
            tile does, because the pixels near the border of a tile are affected by
            the padding.  Default `[16, 32, 64, 96, 128]`.
    """

    def __init__(
        self,
        dataset_element_spec: Any,
        input_keys: list[str] | None = None,
        inference_cropping: list[int] | None = None,
    ):
        inputs_spec = dataset_element_spec[0]
        self.dataset_input_keys = input_keys or list(inputs_spec)
        missing = [key for key in self.dataset_input_keys if key not in inputs_spec]
        if missing:
            raise ValueError(
                f"input keys {missing} are not in the data set, which has "
                f"{list(inputs_spec)}"
            )
        self.inputs_shapes = {
            key: inputs_spec[key].shape[1:] for key in self.dataset_input_keys
        }
        self.inference_cropping = inference_cropping or [16, 32, 64, 96, 128]
        if min(self.inference_cropping) < 1:
            raise ValueError(
                f"inference_cropping is {self.inference_cropping}; each crop must be "
                "at least 1 pixel"
            )
        log.debug("Inputs and their shapes: %s", self.inputs_shapes)
        log.debug("Inference cropping values: %s", self.inference_cropping)
        self.model = self.create_network()

    def __getattr__(self, name: str) -> Any:
        """Look up other attributes in the Keras model."""
        if name == "model":
            raise AttributeError("the Keras model is not built yet")
        return getattr(self.model, name)

    def get_inputs(self) -> Tensors:
        """Return a `tf.keras.Input` per key; rows and columns of images are free."""
        inputs = {}
        for key, shape in self.inputs_shapes.items():
            shape = list(shape)
            if len(shape) > 2:
                shape[:2] = [None, None]
            inputs[key] = tf.keras.Input(shape=shape, name=key)
        return inputs

    @abc.abstractmethod
    def get_outputs(self, normalized_inputs: Tensors) -> Tensors:
        """Build the network: from the normalized inputs to the dict of outputs."""
        raise NotImplementedError("get_outputs is where the network is written")

    def normalize_inputs(self, inputs: Tensors) -> Tensors:
        """Normalize the inputs, in training and serving alike; by default nothing."""
        log.warning(
            "%s has no normalize_inputs(): its inputs are used as they are",
            type(self).__name__,
        )
        return inputs

    def postprocess_outputs(
        self,
        outputs: Tensors,
        inputs: Tensors | None = None,
        normalized_inputs: Tensors | None = None,
    ) -> Tensors:
        """Return extra outputs for serving: by default each output, cropped.

        The layer of a cropped output is named after the layer of the output, its key
        after the key of the output: give both the same name, since a SavedModel of
        Keras 2 uses the one and of Keras 3 the other.
        """
        extra = {}
        for key, tensor in outputs.items():
            for crop in self.inference_cropping:
                name = cropped_tensor_name(_layer_of(tensor).name, crop)
                identity = tf.keras.layers.Activation("linear", name=name)
                extra[cropped_tensor_name(key, crop)] = identity(
                    tensor[:, crop:-crop, crop:-crop, :]
                )
        return extra

    def create_network(self) -> tf.keras.Model:
        """Build the Keras model (inside `strategy.scope()` if there is a strategy).

        On Keras 3 `normalize_inputs` may use TensorFlow's functions as on Keras 2: it
        becomes a layer then.

        Raises:
            TypeError: if `get_outputs` uses them on Keras 3.
        """
        inputs = self.get_inputs()
        try:
            normalized_inputs = self.normalize_inputs(inputs=inputs)
        except ValueError as error:
            if NOT_SYMBOLIC not in str(error):
                raise
            inside = _Inside(self.normalize_inputs, name="normalize_inputs")
            normalized_inputs = inside(inputs)
        try:
            outputs = self.get_outputs(normalized_inputs=normalized_inputs)
            extra = self.postprocess_outputs(
                outputs=outputs, inputs=inputs, normalized_inputs=normalized_inputs
            )
        except ValueError as error:
            if NOT_SYMBOLIC not in str(error):
                raise
            raise TypeError(
                f"{type(self).__name__}: functions of TensorFlow cannot be called on "
                "the tensors of a Keras 3 model; use layers or tf.keras.ops, or run "
                "with Keras 2: the packages of requirements-keras2.txt, or "
                "`pip install tf_keras` and TF_USE_LEGACY_KERAS=1"
            ) from error
        # Keras 3 is the one with stateless calls.
        kind = _Model if hasattr(tf.keras.Model, "stateless_call") else tf.keras.Model
        return kind(
            inputs=inputs, outputs={**outputs, **extra}, name=type(self).__name__
        )

    def summary(self, strategy: Any = None, **kwargs) -> None:
        """Print the layers (on the chief worker only, if there are several)."""
        if not strategy or _is_chief(strategy):
            self.model.summary(**{"line_length": 150, **kwargs})

    def plot(
        self, output_path: str, strategy: Any = None, show_shapes: bool = False
    ) -> None:
        """Draw the layers as an image; needs pydot and graphviz."""
        if not strategy or _is_chief(strategy):
            draw: Callable = tf.keras.utils.plot_model
            draw(self.model, output_path, show_shapes=show_shapes)


def cropped_tensor_name(tensor_name: str, crop: int) -> str:
    """Name the output that is `tensor_name` less `crop` pixels on each side."""
    return f"{tensor_name}_crop{crop}"


def _layer_of(tensor: Any) -> Any:
    """Return the layer that made a symbolic tensor."""
    history = tensor._keras_history
    # `layer` in Keras 2 is `operation` in Keras 3.
    return history.operation if hasattr(history, "operation") else history.layer


def _is_chief(strategy: Any) -> bool:
    """Check whether this process is the first worker, or the only one."""
    resolver = strategy.cluster_resolver
    if not resolver:
        return True
    task = resolver.task_type, resolver.task_id
    return task[0] in (None, "chief") or task == ("worker", 0)
