"""Options written as a command, and read again."""

import dataclasses
import shlex

import pytest

from srtools.cli import dataset, evaluation, inference, train
from srtools.cli.options import command_line

COMMANDS = (
    (dataset, "--out_dir o --pan p.tif --xs 'my xs.tif'"),
    (
        dataset,
        "--out_dir o --pan p --xs x --spot_date 2022-07-16 --proportions 0 0 1",
    ),
    (
        dataset,
        "--out_dir o --pan p --xs x --item a b --stac_url http://h/s",
    ),
    (
        dataset,
        "--out_dir o --pan p --xs x --s2_images a b c d --offset 1000 --coregister",
    ),
    (
        train,
        "--patches a b --model_dir m --no_augment --no-streaming --loss l2 --seed 7",
    ),
    (train, "--patches a --model_dir m --learning_rate 0.0003 --streaming"),
    (evaluation, "--patches a b --model_dir m --out_dir o --self_ensemble"),
    (inference, "--bbox -2.5 -48.84 2.38 48.88 --model_dir m --out sr.tif --crop 64"),
)


@pytest.mark.parametrize(("cli", "text"), COMMANDS)
def test_round_trip(cli, text):
    options = cli.parse([*shlex.split(text), "--overwrite"])
    script, *words = shlex.split(command_line("x.py", options))
    assert script == "x.py" and "--overwrite" not in words
    assert cli.parse(words) == dataclasses.replace(options, overwrite=False)


def test_no_secrets():
    links = [f"https://host/{band}.tif?sig=secret" for band in "abcd"]
    given = [
        "--out_dir",
        "o",
        "--pan",
        "p",
        "--xs",
        "x",
        "--offset",
        "0",
        "--s2_images",
        *links,
    ]
    command = command_line("sr_dataset.py", dataset.parse(given))
    assert "secret" not in command and "https://host/a.tif" in command
