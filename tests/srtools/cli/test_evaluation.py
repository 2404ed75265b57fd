"""The options of exercise 4."""

import pytest

from srtools.cli import evaluation
from srtools.cli.evaluation import Options
from srtools.cli.options import MisuseError

MODEL = ["--patches", "patches", "--model_dir", "model", "--out_dir", "eval"]


def test_defaults():
    assert evaluation.parse(MODEL) == Options(
        patches=("patches",),
        model_dir="model",
        compare=None,
        out_dir="eval",
        batch_size=16,
        border=8,
        sample=100,
        ignore_offset=False,
        overwrite=False,
    )


def test_two_folders():
    options = evaluation.parse(["--compare", "a", "b", "--out_dir", "both"])
    assert options.compare == ("a", "b") and options.patches is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*MODEL, "--batch_size", "0"], "'0' is not a whole number of at least 1"),
        ([*MODEL, "--border", "-1"], "'-1' is not a whole number of at least 0"),
        ([*MODEL, "--sample", "-1"], "'-1' is not a whole number of at least 0"),
        ([*MODEL, "--sample", "many"], "'many' is not a whole number"),
        ([*MODEL, "--compare", "a", "b"], "--model_dir and --compare exclude"),
        (["--out_dir", "eval"], "one of --model_dir and --compare is required"),
        (MODEL[2:], "--patches is required with --model_dir"),
        (MODEL[:4], "required: --out_dir"),
    ],
)
def test_misuse(arguments, words, capsys):
    """One line that names the option, and exit code 2."""
    with pytest.raises(SystemExit) as end:
        evaluation.parse(arguments)
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_misuse_from_python():
    with pytest.raises(MisuseError, match="--patches is required"):
        Options(model_dir="model", out_dir="eval")
