"""Options written as a command, and read again; help; and what follows from options."""

import dataclasses
import shlex
from datetime import date

import pytest

from srtools.options import dataset_options as dataset
from srtools.options import evaluation_options as evaluation
from srtools.options import inference_options as inference
from srtools.options import model_options as model
from srtools.options import training_options as training
from srtools.options.parser import command_line, parse
from srtools.options.search_options import SearchOptions

SPOT = "--pan p --xs x --out_dir o"


@pytest.mark.parametrize(
    ("cli", "text"),
    [
        (dataset, "--out_dir o --pan p.tif --xs 'my xs.tif'"),
        (dataset, f"{SPOT} --spot_date 2022-07-16 --proportions 0 0 1"),
        (dataset, f"{SPOT} --item a b --stac_url http://h/s --margin 0"),
        (dataset, f"{SPOT} --s2_images a b c d --offset 1000 --coregister --overwrite"),
        (training, "--patches a b --model_dir m --no_augment --seed 7"),
        (training, "--patches a --model_dir m --learning_rate 0.0003"),
        (evaluation, "--patches a b --model_dir m --out_dir o --batch_size 2"),
        (inference, "--bbox -2.5 -48.8 2.3 48.8 --model_dir m --out sr.tif --crop 64"),
    ],
)
def test_round_trip(cli, text):
    options = cli.parse(shlex.split(text))
    script, *words = shlex.split(command_line("x.py", options))
    assert script == "x.py" and "--overwrite" not in words
    without = dataclasses.replace(options, overwrite=False)
    assert cli.parse(words) == without
    assert cli.parse([*words, "--overwrite", "--overwrite"]).overwrite


def test_no_secrets():
    links = [f"https://host/{band}.tif?sig=secret" for band in "abcd"]
    options = dataset.parse([*SPOT.split(), "--s2_images", *links])
    command = command_line("sr_dataset.py", options)
    assert "secret" not in command and "https://host/a.tif" in command


@pytest.mark.parametrize("cli", [dataset, inference])
def test_help_tells_every_default(cli, capsys):
    with pytest.raises(SystemExit):
        cli.parse(["--help"])
    entries = " ".join(capsys.readouterr().out.split()).split(" --")
    described = [entry for entry in entries if "default:" in entry]
    fields = dataclasses.fields(cli.Options)
    assert len(described) == sum(f.default is not dataclasses.MISSING for f in fields)


def test_the_network_of_the_course():
    assert model.parse([]).network_size == {"filters": 64, "blocks": 4, "kernel": 4}


def test_a_search_without_options():
    options = parse(SearchOptions, [])
    assert options == SearchOptions()
    assert options.archive == "planetary" and options.stac_url is None
    assert options.period == (date(2022, 6, 15), date(2022, 8, 15))


def test_the_period_follows_spot():
    """Unless one is given: then what is not given is that of the exercise."""
    spot = [*SPOT.split(), "--spot_date", "2021-05-20"]
    assert dataset.parse(spot).period == (date(2021, 4, 20), date(2021, 6, 19))
    options = dataset.parse([*spot, "--start_date", "2021-05-01"])
    assert options.period == (date(2021, 5, 1), date(2022, 8, 15))


def test_the_options_that_the_weights_depend_on():
    common = "--patches p --model_dir m --no_augment".split()
    settings = training.parse([*common, "--overwrite"]).settings
    assert settings["augment"] is False and settings["filters"] == 64
    assert not set(settings) & set(training.FREE)
