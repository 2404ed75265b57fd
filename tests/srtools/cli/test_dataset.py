"""The command line of exercise 1."""

import subprocess
import sys
from pathlib import Path

import pytest

from srtools.cli import dataset
from srtools.cli.options import MisuseError
from srtools.conventions import SPLITS

ROOT = Path(__file__).parents[3]
LEAST = {"pan": "pan.tif", "xs": "xs.tif", "out_dir": "patches"}


def test_defaults():
    options = dataset.parse([f"--{key}={value}" for key, value in LEAST.items()])
    assert options == dataset.Options(**LEAST)
    assert (options.split, options.patch_size, options.margin) == (SPLITS[0], 32, 21)
    assert options.inputs == ["pan.tif", "xs.tif"]


def test_all_files_that_are_read_are_inputs():
    options = dataset.Options(**LEAST, s2_images=("s2.tif",), scl="scl.tif")
    assert options.inputs == ["pan.tif", "xs.tif", "s2.tif", "scl.tif"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"split": "interleaved", "per_patch": True}, "--per_patch is for --split bl"),
        ({"scl": "scl.tif"}, "--scl is for --s2_images"),
        ({"s2_images": ("a",), "download": True}, "--download is for a search"),
        ({"s2_images": ("a", "b")}, "2 Sentinel-2 files were given"),
    ],
)
def test_contradictions(changed, words):
    with pytest.raises(MisuseError, match=words):
        dataset.Options(**(LEAST | changed))


def test_help_loads_no_engine_and_tells_every_default():
    code = (
        "import sys; from srtools.cli import dataset\n"
        "try: dataset.parse(['--help'])\n"
        "finally: print({'numpy', 'rasterio', 'pyotb'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "set()"
    entries = " ".join(done.stdout.split()).split(" --")
    described = [entry for entry in entries if "default:" in entry]
    assert len(described) == len(dataset.Options.__dataclass_fields__) - len(LEAST)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--pan", "a.tif"], "it is given twice, pan.tif and a.tif; give one"),
        (["--offset", "0", "--offset", "1000"], "it is given twice, 0 and 1000"),
        (["IMG_P_R1C2.TIF"], "several tiles (R1C1, R1C2) is opened by its DIM_*.XML"),
        (["--patch_size", "7"], "'7' is not a multiple of 2 of at least 2"),
        (["--scl", ""], "--scl: it is empty; is a variable of the shell not set?\n"),
        (["--s2_images", "a.tif", ""], "--s2_images: it is empty; is a variable"),
        (["--colour"], "unrecognized arguments: --colour\n"),
    ],
)
def test_misuse_is_told(capsys, words, told):
    least = [f"--{key}={value}" for key, value in LEAST.items()]
    with pytest.raises(SystemExit) as end:
        dataset.parse([*least, *words])
    assert end.value.code == 2
    assert told in capsys.readouterr().err
    assert dataset.parse([*least, "--overwrite", "--overwrite"]).overwrite
