"""The options of exercise 4."""

import pytest

from srtools.cli import evaluation
from srtools.cli.evaluation import Options
from srtools.cli.options import MisuseError
from srtools.errors import SRError

MODEL = ["--patches", "patches", "--model_dir", "model", "--out_dir", "eval"]


def test_defaults():
    assert evaluation.parse(MODEL) == Options(
        patches=("patches",),
        model_dir="model",
        compare=None,
        out_dir="eval",
        batch_size=16,
        border=8,
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
        (["--patches", "a/x", "b/x", *MODEL[2:]], "two --patches are called x"),
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


def test_runs_and_results(tmp_path):
    """A model against a result: its results go into a folder of their own."""
    model = tmp_path / "m"
    model.mkdir()
    (model / "saved_model.pb").touch()
    options = Options(compare=("old", str(model)), patches=("p",), out_dir="both")
    assert options.results() == ["old", "both/b_m"]
    (run,) = options.runs()
    assert (run.model_dir, run.out_dir, run.compare) == (str(model), "both/b_m", None)
    two = Options(patches=("p/nice", "p/lille"), model_dir="m", out_dir="eval")
    runs = [(run.patches, run.out_dir) for run in two.runs()]
    assert runs == [(("p/nice",), "eval/nice"), (("p/lille",), "eval/lille")]
    assert Options(compare=("a", "b"), out_dir="both").runs() == []
    for compare, patches, words in (
        ((str(model), "a"), None, "m is a model: give --patches"),
        (("a", "b"), ("p",), "compare results without --patches"),
    ):
        with pytest.raises(SRError, match=words):
            Options(compare=compare, patches=patches, out_dir="both").runs()
