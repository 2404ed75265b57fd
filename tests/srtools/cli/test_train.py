"""The command line of exercise 3."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from srtools.cli import train

ROOT = Path(__file__).parents[3]
FOLDERS = ["--patches", "patches", "--model_dir", "model"]


@pytest.mark.parametrize(
    "options",
    [
        ["--batch_size", "0"],
        ["--batch_size", "99999999999999999999"],
        ["--seed", "-1"],
        ["--seed", "4294967296"],
        ["--nb_epochs", "0"],
        ["--patience", "0"],
        ["--filters", "0"],
        ["--learning_rate", "0"],
        ["--blocks", "-1"],
        ["--loss", "l3"],
        ["--kernel", "3"],
        ["--precision", "magic"],
    ],
)
def test_misuse_exits_with_2_and_names_the_option(options, capsys):
    with pytest.raises(SystemExit) as exit_:
        train.parse([*FOLDERS, *options])
    assert exit_.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_settings_are_the_options_that_the_weights_depend_on():
    settings = train.parse([*FOLDERS, "--no_augment", "--overwrite"]).settings
    assert settings["augment"] is False and settings["filters"] == 64
    assert not set(settings) & set(train.FREE)
    changed = ["--patches", "p", "--model_dir", "m", "--no_augment", "--streaming"]
    assert train.parse(changed).settings == settings


@pytest.mark.parametrize(
    ("script", "misuse"),
    [("sr_model.py", ["--filters", "0"]), ("sr_train.py", ["--nb_epochs", "0"])],
)
def test_help_and_misuse_do_not_wait_for_tensorflow(tmp_path, script, misuse):
    """Here TensorFlow cannot be imported at all."""
    (tmp_path / "tensorflow.py").write_text("raise ImportError('too early')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for options, code in ((["--help"], 0), (misuse, 2)):
        done = subprocess.run(
            [sys.executable, script, *options],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
