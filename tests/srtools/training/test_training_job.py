"""The devices of a training."""

import pytest

import sr_train
from srtools.errors import SRError
from srtools.training import training_job
from tests.processes import run_python
from tests.training_patches import TINY, read_table, write_folder

import tensorflow as tf


@pytest.mark.parametrize("gpus", [0, 1])
def test_one_device_takes_any_batch(monkeypatch, gpus):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU"] * gpus)
    assert training_job.choose_devices(batch_size=3).num_replicas_in_sync == 1


def test_a_batch_that_gpus_cannot_share_is_refused(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU"] * 2)
    with pytest.raises(SRError, match="of 3 .*evenly among 2 GPUs.*multiple of 2"):
        training_job.choose_devices(batch_size=3)


TWO_DEVICES = """
import sys
from srtools.tf import tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
make = tf.distribute.MirroredStrategy
tf.distribute.MirroredStrategy = lambda: make(["CPU:0", "CPU:1"])
physical = tf.config.list_physical_devices
tf.config.list_physical_devices = lambda k=None: two if k == "GPU" else physical(k)
import sr_train
sys.exit(sr_train.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_two_devices_learn_like_one(tmp_path):
    """The same losses with the same global batch; the last validation batch is of 1."""
    patches = write_folder(tmp_path / "patches")
    losses = []
    for name in ("one", "two"):
        arguments = ["--patches", str(patches), "--model_dir", str(tmp_path / name)]
        arguments += [*TINY, "--nb_epochs", "2"]
        if name == "one":
            assert sr_train.main(arguments) == 0
        else:
            run_python("-c", TWO_DEVICES, *arguments, check=True, timeout=300)
        rows = read_table(tmp_path / f"{name}_logs")
        losses.append([row[key] for row in rows for key in ("loss", "val_loss")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and len(losses[0]) == 4
