"""Which strategy is chosen, and what is said where none can work."""

import subprocess
import sys

import pytest

import sr_train
from srtools.errors import SRError
from srtools.training import strategies
from tests.training_patches import TINY, write_folder

import tensorflow as tf


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No cluster, whatever machine the tests run on."""
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def devices(count):
    return lambda kind: [f"{kind}:{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("environment", "gpus", "expected"),
    [
        ({}, 0, "none"),
        ({}, 1, "none"),
        ({}, 2, "mirrored"),
        ({"TF_CONFIG": "{}"}, 2, "mirrored"),
        ({"TF_CONFIG": ""}, 0, "none"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, 0, "none"),
        ({"TF_CONFIG": '{"cluster": {"chief": ["a:1"]}}'}, 2, "mirrored"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}}'}, 0, "multiworker"),
        # Of `srun -n 2` nobody knows whether it is meant as one training.
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, 0, "none"),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, 2, "mirrored"),
    ],
)
def test_auto_follows_machine_and_environment(monkeypatch, environment, gpus, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tf.config, "list_physical_devices", devices(gpus))
    assert strategies.guess() == expected


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"cluster": 3}'])
def test_a_damaged_description_of_the_machines_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(SRError, match="TF_CONFIG is .* correct or unset it"):
        strategies.choose("auto", 4)


def test_keras_3_says_what_several_workers_need(monkeypatch):
    monkeypatch.setattr(strategies, "KERAS", "3.15.1")
    with pytest.raises(SRError, match="Keras 3.15.1, .*tf_keras.*TF_USE_LEGACY_KERAS"):
        strategies.choose("multiworker", 4)


def test_several_workers_must_be_named(monkeypatch):
    monkeypatch.setattr(strategies, "KERAS", "2")
    with pytest.raises(SRError, match="neither TF_CONFIG nor a Slurm step"):
        strategies.choose("multiworker", 4)


def test_one_device_is_the_chief_and_takes_any_batch():
    strategy = strategies.choose("none", 3)
    assert strategy.num_replicas_in_sync == 1 and strategies.is_chief(strategy)


@pytest.mark.parametrize(
    ("cluster", "task", "expected"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("worker", 0), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), True),
    ],
)
def test_one_worker_writes(cluster, task, expected):
    class Strategy:
        cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(cluster), task_type=task[0], task_id=task[1]
        )

    assert strategies.is_chief(Strategy()) is expected


def test_a_lost_worker_is_one_line():
    class Strategy:
        cluster_resolver = "any"

    error = tf.errors.UnavailableError(None, None, "{{node}} Socket closed\nmore")
    with pytest.raises(SRError, match=r"was lost \(Socket closed\); start the same"):
        with strategies.lost_workers(Strategy()):
            raise error
    # Where there is no other worker, it is another error.
    with pytest.raises(tf.errors.UnavailableError):
        with strategies.lost_workers(tf.distribute.get_strategy()):
            raise error


MIRRORED = """
import sys
from srtools.training import strategies
from srtools.errors import SRError
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
make = tf.distribute.MirroredStrategy
tf.distribute.MirroredStrategy = lambda: make(["CPU:0", "CPU:1"])
try:
    strategies.choose("mirrored", 3)
except SRError as error:
    print(error)
import sr_train
sys.exit(sr_train.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("strategies") / "patches")


def arguments(patches, model, strategy):
    folders = ["--patches", str(patches), "--model_dir", str(model)]
    return [*folders, *TINY, "--nb_epochs", "2", "--strategy", strategy]


def read_losses(model):
    """Read the losses of training and validation after each of two epochs."""
    lines = (model.with_name("model_logs") / "training.csv").read_text().split()[1:]
    losses = [float(value) for line in lines for value in line.split(",")[1:3]]
    assert len(losses) == 4
    return losses


@pytest.fixture(scope="module")
def losses_without_strategy(patches, tmp_path_factory):
    model = tmp_path_factory.mktemp("one") / "model"
    assert sr_train.main(arguments(patches, model, "none")) == 0
    return read_losses(model)


def test_a_mirrored_device_learns_like_one(
    patches, losses_without_strategy, tmp_path, monkeypatch
):
    """One device: TensorFlow must be told of a second one before it computes."""
    mirrored = tf.distribute.MirroredStrategy(["CPU:0"])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: mirrored)
    assert sr_train.main(arguments(patches, tmp_path / "model", "mirrored")) == 0
    losses = read_losses(tmp_path / "model")
    assert losses == pytest.approx(losses_without_strategy, rel=1e-4)


@pytest.mark.slow
def test_two_mirrored_devices_learn_like_one(
    patches, losses_without_strategy, tmp_path
):
    """The same loss curve with the same global batch, within 1e-4."""
    finished = subprocess.run(
        [
            *(sys.executable, "-c", MIRRORED),
            *arguments(patches, tmp_path / "model", "mirrored"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    refused = "a batch of 3 patches cannot be shared out evenly to 2"
    assert refused in finished.stdout
    losses = read_losses(tmp_path / "model")
    assert losses == pytest.approx(losses_without_strategy, rel=1e-4)
