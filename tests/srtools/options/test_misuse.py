"""Misuse of a command line: exit code 2, and a line that names the option."""

import shlex

import pytest

from srtools.options import dataset_options as dataset
from srtools.options import evaluation_options as evaluation
from srtools.options import inference_options as inference
from srtools.options import model_options as model
from srtools.options import training_options as training
from srtools.options.parser import MisuseError

DATASET = "--pan p --xs x --out_dir o"
EVALUATION = "--patches p --model_dir m --out_dir o"
INFERENCE = "--model_dir m --out sr.tif"
TRAIN = "--patches p --model_dir m"

MISUSE = [
    (dataset, "--out_dir o --xs x", "required: --pan"),
    (dataset, f"{DATASET} --scl s.tif", "--scl is for --s2_images"),
    (dataset, f"{DATASET} --pan a", "--pan: it is given twice, p and a; give one"),
    (dataset, f"{DATASET} --offset 0 --offset 1000", "it is given twice, 0 and 1000"),
    (dataset, f"{DATASET} P_R1C2.TIF", "several tiles (R1C1, R1C2) is opened by its D"),
    (dataset, f"{DATASET} --colour", "unrecognized arguments: --colour\n"),
    (dataset, f"{DATASET} --patch_size 7", "'7' is not a multiple of 2 of at least 2"),
    (dataset, f"{DATASET} --scl ''", "--scl: it is empty; is a variable of"),
    (dataset, f"{DATASET} --s2_images a ''", "--s2_images: it is empty; is a variable"),
    (dataset, f"{DATASET} --s2_images a b", "2 Sentinel-2 files were given; one with"),
    (dataset, f"{DATASET} --s2_images a --dry_run", "--dry_run is for a search"),
    (dataset, f"{DATASET} --s2_images a --item S2A_x", "--item is for a search"),
    (dataset, f"{DATASET} --archive cdse --stac_url u", "--archive and --stac_url are"),
    (dataset, f"{DATASET} --start_date tomorrow", "'tomorrow' is not a day; YYYY-MM"),
    (dataset, f"{DATASET} --end_date 2022-13-01", "'2022-13-01' is not a day"),
    (dataset, f"{DATASET} --max_bad_share -1", "is not a number of at least 0 up to 1"),
    (dataset, f"{DATASET} --offset 5", "choose from"),
    (dataset, f"{DATASET} --spot_date 14/07/2022", "'14/07/2022' is not a day"),
    *(
        (dataset, f"{DATASET} {words}", words.split()[0])
        for words in (
            *("--proportions 0 0 0", "--proportions 0 1 1", "--proportions nan 1 1"),
            *("--proportions 1 0 1 --split interleaved", "--margin -1", "--seed -1"),
        )
    ),
    (evaluation, f"{EVALUATION} --batch_size 0", "is not a whole number of at least 1"),
    (evaluation, f"{EVALUATION} --compare a b", "--compare takes two folders of r"),
    (evaluation, "--out_dir o", "--model_dir and --patches are required, or --compare"),
    (evaluation, "--model_dir m --out_dir o --patches a/x b/x", "x, the name of a"),
    (
        evaluation,
        "--model_dir m --out_dir o --patches a scenes.json",
        "scenes.json, the",
    ),
    (inference, "--s2_images a --out sr.tif", "required: --model_dir"),
    (inference, INFERENCE, "--s2_images, or an area to search, is needed"),
    (inference, f"{INFERENCE} --like l --bbox 2 48 3 49", "--like and --bbox are"),
    (
        inference,
        f"{INFERENCE} --s2_images a --par 1/2",
        "arguments: --par",
    ),
    (inference, f"{INFERENCE} --s2_images a --s2_images b", "twice, ['a'] and ['b']"),
    (inference, f"{INFERENCE} --part 0/3", "'0/3' is not a share; I/N is exp"),
    (inference, f"{INFERENCE} --part 4/3", "'4/3' is not a share"),
    (inference, f"{INFERENCE} --part a", "'a' is not a share"),
    (inference, f"{INFERENCE} --tile_size 0", "at least 1"),
    (
        inference,
        f"{INFERENCE} --s2_images a --uncertainty --consistent",
        "--uncertainty is calibrated for the output of the network",
    ),
    *(
        (training, f"{TRAIN} {words}", words.split()[0])
        for words in (
            *("--batch_size 0", "--batch_size 99999999999999999999", "--seed -1"),
            *("--seed 4294967296", "--nb_epochs 0", "--patience 0", "--loss l3"),
            *("--learning_rate 0", "--precision magic"),
        )
    ),
    *(
        (model, words, words.split()[0])
        for words in (
            *("--filters 0", "--filters 99999999999999999999", "--blocks -1"),
            *("--blocks 99999999999999999999", "--kernel 3"),
        )
    ),
]


@pytest.mark.parametrize(("cli", "text", "words"), MISUSE)
def test_misuse(cli, text, words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.parse(shlex.split(text))
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_misuse_from_python():
    with pytest.raises(MisuseError, match="--patches are required"):
        evaluation.Options(model_dir="model", out_dir="eval")
