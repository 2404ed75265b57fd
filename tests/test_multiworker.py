"""Two workers on this machine, with real processes and real sockets."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from srtools.network.saved_model import CARD
from srtools.training.strategies import KERAS
from tests.training_patches import COUNTS, TINY, write_folder

ROOT = Path(__file__).parent.parent
EPOCHS = 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KERAS.startswith("2"), reason="needs Keras 2"),
]


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    # In batches of 4: the last batch, of 1, cannot be shared out as it is.
    assert COUNTS["valid"] == 5
    return write_folder(tmp_path_factory.mktemp("multiworker") / "patches")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(arguments, cluster=None, index=0):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("TF_CONFIG", None)
    if cluster:
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": cluster}, "task": task}
        environment["TF_CONFIG"] = json.dumps(config)
    return subprocess.Popen(
        [sys.executable, "sr_train.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_two(arguments):
    cluster = [f"localhost:{port}" for port in free_ports(2)]
    return [start(arguments, cluster, index) for index in (0, 1)]


def finish(process, timeout=300):
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


def arguments(patches, model, nb_epochs=EPOCHS):
    folders = ["--patches", str(patches), "--model_dir", str(model)]
    return [*folders, *TINY, "--nb_epochs", str(nb_epochs), "--batch_size", "4"]


def read_losses(model):
    lines = (model.with_name(f"{model.name}_logs") / "training.csv").read_text().split()
    return [float(value) for line in lines[1:] for value in line.split(",")[1:6]]


def test_two_workers_learn_like_one_and_only_the_first_writes(patches, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    code, output = finish(start(arguments(patches, one)))
    assert code == 0, output
    workers = start_two(arguments(patches, two))
    results = [finish(worker) for worker in workers]
    assert [code for code, _ in results] == [0, 0], results
    assert read_losses(two) == pytest.approx(read_losses(one), rel=1e-4)
    assert len(read_losses(two)) == 5 * EPOCHS
    (_, chief), (_, other) = results
    assert f"epoch {EPOCHS}/{EPOCHS}" in chief and "written: " in chief
    assert "epoch " not in other.replace("best epoch", "") and "written" not in other
    card = json.loads((two / CARD).read_text())
    assert card["training"]["batch_size"] == 4
    runs = list((tmp_path / "two_logs" / "train").glob("events.out.tfevents.*"))
    assert len(runs) == 1


def test_a_killed_worker_ends_the_others_and_all_can_go_on(patches, tmp_path):
    model = tmp_path / "model"
    # So many epochs that the others are still at it.
    chief, other = start_two(arguments(patches, model, nb_epochs=2000))
    for line in chief.stdout:
        if line.startswith("epoch 2/"):
            break
    other.kill()
    other.communicate()
    code, output = finish(chief, timeout=180)
    assert code == 1
    assert "error: another worker of this training was lost" in output
    assert not model.exists()
    chief, other = start_two(arguments(patches, model, nb_epochs=2000))
    for line in chief.stdout:
        if line.startswith("epoch "):
            break
    assert not line.startswith("epoch 1/")
    for worker in (chief, other):
        worker.kill()
        worker.communicate()
