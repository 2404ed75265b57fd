"""A training that is killed and resumed, with real processes and signals.

tests/test_sr_train.py interrupts a training in its own process, which is faster.
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
from tests.training_patches import TINY, read_epochs, write_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
EPOCHS = 5
KILLED = -signal.SIGKILL

# The process kills itself when the n-th file of a name is complete, but not in place.
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


def arguments(patches, model, *options):
    folders = ["--patches", str(patches), "--model_dir", str(model)]
    return [*folders, *TINY, "--nb_epochs", str(EPOCHS), "--batch_size", "2", *options]


def start(arguments, script=("sr_train.py",)):
    return subprocess.Popen(
        [sys.executable, *script, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    """Return exit code and the rest of the output."""
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def read_weights(model):
    with np.load(model / FILE) as archive:
        return dict(archive)


CASES = {
    # Options; line of output after which the process is killed: before epoch 1, or
    # before the checkpoint of epoch 3; name and number of the file that is complete but
    # not in place when the process kills itself: the second checkpoint, or the model.
    "improving": (["--streaming"], "11 patches", "interrupted.npz", 2),
    # The learning rate is too large: the start remains the best, epoch 4 is the last.
    "stalled": (["--learning_rate", "2e-2", "--patience", "4"], "epoch 3", "/model", 1),
}


@pytest.mark.parametrize("name", CASES)
def test_a_training_killed_twice_ends_with_the_same_weights(name, patches, tmp_path):
    """Epochs and weights are the same to the bit."""
    options, line, file, nth = CASES[name]
    model, whole = tmp_path / "model", tmp_path / "whole"
    command = arguments(patches, model, *options)
    process = start(command)
    assert any(text.startswith(line) for text in process.stdout)
    process.kill()
    assert finish(process)[0] == KILLED and not model.exists()
    script = ["-c", KILLED_WITHIN.format(name=file, nth=nth)]
    code, output = finish(start(command, script))
    assert code == KILLED and not model.exists(), output
    code, output = finish(start(command))
    assert code == 0 and "resuming an interrupted training after epoch " in output, (
        output
    )

    assert sr_train.main(arguments(patches, whole, *options)) == 0
    for key, expected in read_weights(whole).items():
        np.testing.assert_array_equal(read_weights(model)[key], expected, key)
    logs = tmp_path / "model_logs"
    assert read_epochs(logs) == read_epochs(tmp_path / "whole_logs")
    assert len(read_epochs(logs)) == (EPOCHS if name == "improving" else 4)
    same = ("best_epoch", "epochs", "valid_loss", "train_loss")
    one, other = (read_card(folder / CARD)["training"] for folder in (model, whole))
    assert {key: one[key] for key in same} == {key: other[key] for key in same}
    assert (one["best_epoch"] == 0) is (name == "stalled")
    # No partial files of the killed processes are left.
    assert not list(tmp_path.glob(".partial*")) and not list(logs.glob(".partial*"))
    assert not (logs / "interrupted.npz").exists()
