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
        (["--patches", "a/x", "b/x", *MODEL[2:]], "of --patches have the name x"),
        ([*MODEL, "--compare", "a", "b"], "--compare takes two folders of results"),
        (["--out_dir", "eval"], "--model_dir and --patches are required, or"),
        (MODEL[2:], "--model_dir and --patches are required, or --compare"),
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
    with pytest.raises(MisuseError, match="--patches are required"):
        Options(model_dir="model", out_dir="eval")


def test_scenes():
    two = Options(patches=("p/nice", "p/lille"), model_dir="m", out_dir="eval")
    scenes = {name: (run.patches, run.out_dir) for name, run in two.scenes().items()}
    assert scenes == {
        "nice": (("p/nice",), "eval/nice"),
        "lille": (("p/lille",), "eval/lille"),
    }
