"""A training that is killed and started again, with real processes and real signals.

tests/test_sr_train.py interrupts one within its own process, which is quick.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sr_train
from srtools.cards import read_card
from srtools.network.saved_model import CARD
from srtools.network.weights import FILE
from tests.training_patches import TINY, write_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
EPOCHS = 5
TIMINGS = ("patches_per_second", "seconds")

# Kills itself when a file of this name is complete, but not yet in place, for the n-th
# time.
KILLED_WITHIN = """
import os, signal, sys
import sr_train
replace, calls = os.replace, []
def replace_or_die(source, target):
    if str(target).endswith("{name}"):
        calls.append(None)
        if len(calls) == {nth}:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = replace_or_die
sys.exit(sr_train.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("resuming") / "patches")


def arguments(patches, model, *options, nb_epochs=EPOCHS):
    folders = ["--patches", str(patches), "--model_dir", str(model)]
    size = ["--nb_epochs", str(nb_epochs), "--batch_size", "2"]
    return [*folders, *TINY, *size, *options]


def start(arguments, script=("sr_train.py",)):
    return subprocess.Popen(
        [sys.executable, *script, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def signal_after(process, words, number):
    """Wait for a line that begins so, send a signal, and give the exit code."""
    for line in process.stdout:
        if line.startswith(words):
            process.send_signal(number)
            break
    rest, _ = process.communicate(timeout=120)
    return process.returncode, rest


def finish(process):
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def read_weights(model):
    with np.load(model / FILE) as archive:
        return dict(archive)


def read_table(model):
    """Read training.csv without the columns that no two runs share."""
    lines = (model.with_name(f"{model.name}_logs") / "training.csv").read_text().split()
    header, *rows = (line.split(",") for line in lines)
    kept = [i for i, name in enumerate(header) if name not in TIMINGS]
    return [[row[i] for i in kept] for row in rows]


@pytest.fixture(scope="module", params=["improving", "stalled"])
def uninterrupted(request, patches, tmp_path_factory):
    model = tmp_path_factory.mktemp("whole") / "model"
    options = {
        "improving": ["--streaming"],
        # So fast that it stalls: the start remains the best.
        "stalled": ["--patience", "7", "--learning_rate", "2e-2"],
    }[request.param]
    assert sr_train.main(arguments(patches, model, *options)) == 0
    return request.param, options, model


def test_a_run_killed_again_and_again_ends_like_one_that_was_not(
    uninterrupted, patches, tmp_path
):
    """The same epochs and the same weights, to the bit."""
    name, options, whole = uninterrupted
    model, kill = tmp_path / "model", signal.SIGKILL
    command = arguments(patches, model, *options)
    # Before the first epoch; after an epoch, when its backup is about to be written.
    words = {"improving": "11 patches", "stalled": "epoch 3/"}[name]
    code, rest = signal_after(start(command), words, kill)
    assert code == -kill, rest
    assert not model.exists()
    # With a backup that is written but not in place (the second: an epoch more is
    # finished), or with a model that is not in place.
    place = {"improving": ("interrupted.npz", 2), "stalled": ("/model", 1)}[name]
    script = ["-c", KILLED_WITHIN.format(name=place[0], nth=place[1])]
    code, output = finish(start(command, script))
    assert code == -kill, output
    assert not model.exists()
    code, output = finish(start(command))
    assert code == 0, output
    assert "going on after epoch " in output

    for key, expected in read_weights(whole).items():
        np.testing.assert_array_equal(read_weights(model)[key], expected, key)
    assert read_table(model) == read_table(whole)
    assert len(read_table(model)) == EPOCHS
    same = ("best_epoch", "epochs", "valid_loss", "train_loss")
    one, other = (read_card(folder / CARD)["training"] for folder in (model, whole))
    assert {key: one[key] for key in same} == {key: other[key] for key in same}
    assert (one["best_epoch"] == 0) is (name == "stalled")
    # Nothing is left of what the killed processes were writing.
    logs = tmp_path / "model_logs"
    assert not list(tmp_path.glob(".partial*")) and not list(logs.glob(".partial*"))
    assert not (logs / "interrupted.npz").exists()


def test_ctrl_c_saves_the_best_model_so_far_and_the_run_can_go_on(patches, tmp_path):
    model, number = tmp_path / "model", signal.SIGINT
    command = arguments(patches, model)
    code, output = signal_after(start(command), "epoch 2/", number)
    assert code == 128 + number, output
    assert "the training was interrupted" in output
    training = read_card(model / CARD)["training"]
    assert training["interrupted"] == number
    assert 2 <= training["epochs"] < EPOCHS
    assert (tmp_path / "model_logs" / "training.png").exists()
    code, output = finish(start(command))
    assert code == 0, output
    assert f"going on after epoch {training['epochs']} " in output
    finished = read_card(model / CARD)["training"]
    assert finished["interrupted"] is None and finished["epochs"] == EPOCHS


def test_two_trainings_do_not_write_to_one_folder(patches, tmp_path):
    command = arguments(patches, tmp_path / "model", nb_epochs=1000)
    first = start(command)
    for line in first.stdout:
        if line.startswith("epoch 1/"):
            break
    code, output = finish(start(command))
    assert code == 1
    assert "error: another training is writing to" in output
    first.kill()
    first.communicate()
