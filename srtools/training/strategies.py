"""Training on several devices or machines: which of TensorFlow's strategies to use."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from srtools.errors import SRError
from srtools.tf import tf

KERAS = getattr(tf.keras, "__version__", "2")  # TensorFlow 2.15 has no version there
_LOST = ("Aborted", "Cancelled", "DeadlineExceeded", "Unavailable")
LOST_WORKER = tuple(getattr(tf.errors, f"{name}Error") for name in _LOST)


def choose(name: str, batch_size: int) -> tf.distribute.Strategy:
    """Make a strategy; to be called before TensorFlow computes anything.

    Arguments:
        name: "none": one device; "mirrored": all GPUs of this machine; "multiworker":
            the machines that `TF_CONFIG` or Slurm name, each of which runs the same
            command; "auto": that one if `TF_CONFIG` names several machines, or else
            what fits this one.
        batch_size: patches per step over all devices together.
    """
    name = guess() if name == "auto" else name
    if name == "multiworker":
        strategy = _multiworker()
    elif name == "mirrored":
        strategy = tf.distribute.MirroredStrategy()
    else:
        strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise SRError(
            f"a batch of {batch_size} patches cannot be shared out evenly to "
            f"{replicas} devices; give a --batch_size that is a multiple of {replicas}"
        )
    return strategy


def guess() -> str:
    """Choose a strategy by TF_CONFIG, if it names several machines, and the GPUs.

    A Slurm step of several tasks may be anything, for instance a training for each.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        cluster = json.loads(text or "{}").get("cluster", {})
        machines = sum(len(addresses) for addresses in cluster.values())
    except (ValueError, AttributeError, TypeError):
        raise SRError(
            f"TF_CONFIG is {text!r}, a JSON object with a cluster and a task is "
            "expected; correct or unset it, or give --strategy none"
        ) from None
    if machines > 1:
        return "multiworker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "none"


def _multiworker() -> tf.distribute.Strategy:
    if int(KERAS.split(".")[0]) > 2:
        raise SRError(
            f"--strategy multiworker needs Keras 2, this is Keras {KERAS}, which "
            "cannot share out inputs that have names; "
            "pip install the tf_keras of this TensorFlow and set TF_USE_LEGACY_KERAS=1"
        )
    if "TF_CONFIG" in os.environ:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    elif "SLURM_PROCID" in os.environ:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver()
    else:
        raise SRError(
            "--strategy multiworker finds neither TF_CONFIG nor a Slurm step in the "
            "environment; set TF_CONFIG on each machine, or start with srun"
        )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Return whether this process is the one that writes files."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    cluster = resolver.cluster_spec().as_dict()
    first = "chief" if "chief" in cluster else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


@contextmanager
def lost_workers(devices: tf.distribute.Strategy) -> Iterator[None]:
    """Turn TensorFlow's error about a worker that was lost into one line.

    TensorFlow notices at once that a connection is closed, and within a minute or so
    that a machine answers no more.  The backup stays: the training can go on.
    """
    try:
        yield
    except LOST_WORKER as error:
        if devices.cluster_resolver is None:
            raise
        reason = str(error.message).splitlines()[0].split("}} ")[-1]
        raise SRError(
            f"another worker of this training was lost ({reason}); start the same "
            "command again on all machines to go on after the last whole epoch"
        ) from None
