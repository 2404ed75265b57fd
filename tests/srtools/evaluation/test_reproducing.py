"""reproduce.sh: the commands of the cards in a new folder, and the comparison."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sr_dataset
import sr_eval
import sr_train
from demo.scene import make_scene
from srtools.conventions import BANDS
from srtools.evaluation import reproducing

ROOT = Path(__file__).parents[3]
DATASET = {"command": "sr_dataset.py --pan 'a b/pan.tif' --offset 0 --out_dir patches"}
CARD = {
    "command": "sr_train.py --patches p q --model_dir m --logs l --nb_epochs 3",
    "scenes": [
        {"dataset": DATASET},
        {"dataset": {"command": "sr_dataset.py --stac_url http://h/s"}},
    ],
}
EVALUATION = "sr_eval.py --patches p --model_dir m --out_dir eval --border 4"


def steps(text: str) -> list[str]:
    return [line for line in text.splitlines() if "$python" in line and "=" not in line]


def test_each_command_once_and_in_the_new_folder():
    assert steps(reproducing.script(EVALUATION, DATASET, CARD)) == [
        "\"$python\" sr_dataset.py --pan 'a b/pan.tif' --offset 0 "
        '--out_dir "$out/patches1"',
        '"$python" sr_dataset.py --stac_url "${STAC_URL:-http://h/s}" '
        '--out_dir "$out/patches2"',
        '"$python" sr_train.py --nb_epochs 3 --patches "$out/patches1" '
        '"$out/patches2" --model_dir "$out/model" --logs "$out/model_logs"',
        '"$python" sr_eval.py --border 4 --patches "$out/patches1" --model_dir '
        '"$out/model" --out_dir "$out/eval"',
        '"$python" -m srtools.evaluation.reproducing "$here/metrics.json" '
        '"$out/eval/metrics.json"',
    ]


def test_a_card_without_a_command_ends_it(tmp_path):
    for dataset, card in (({}, CARD), (DATASET, {})):
        script = tmp_path / "reproduce.sh"
        script.write_text(reproducing.script(EVALUATION, dataset, card))
        run = subprocess.run(
            ["sh", str(script), str(tmp_path / "new")],
            env={"PYTHON": "true", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 1 and "does not tell its command" in run.stderr
        shutil.rmtree(tmp_path / "new")


def metrics(test_set="0a", **model) -> dict:
    scores = {"l1_dn": {"all": 240.0}, "l2_dn": {"all": 9e4}, "psnr_db": {"all": 27.0}}
    changed = {key: {"all": value} for key, value in model.items()}
    return {
        "test_set": test_set,
        "inner": {"bicubic": scores, "model": {**scores, **changed}},
    }


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (metrics(), 0),
        (metrics(psnr_db=27.05), 0),
        (metrics(psnr_db=27.5), 1),
        (metrics(l1_dn=260.0), 1),
        (metrics(test_set="0b"), 1),
    ],
)
def test_numbers_are_compared(tmp_path, capsys, new, code):
    paths = [str(tmp_path / name) for name in ("old.json", "new.json")]
    for path, content in zip(paths, (metrics(), new), strict=True):
        with open(path, "w") as file:
            json.dump(content, file)
    assert reproducing.main(paths) == code
    assert ("DIFFERS" in capsys.readouterr().out) is bool(code)


@pytest.mark.slow
def test_an_evaluation_is_repeated(tmp_path):
    """All of it, by the script alone; and a wrong original is found out."""
    paths = make_scene(tmp_path / "scene", size=640, seed=3, wedge=8)
    clear = sorted((tmp_path / "scene" / "s2" / "2022-07-14").glob("*_10m.tif"))
    bands = [str(next(p for p in clear if f"_{b}_" in p.name)) for b in BANDS]
    out, model, done = (str(tmp_path / n) for n in ("patches", "model", "eval"))
    spot = ["--pan", str(paths["pan"]), "--xs", str(paths["xs"])]
    given = ["--s2_images", *bands, "--offset", "1000", "--coregister", "--margin", "0"]
    small = ["--patch_size", "16", "--out_dir", out]
    assert sr_dataset.main([*spot, *given, *small]) == 0
    size = ["--filters", "4", "--blocks", "1", "--nb_epochs", "1"]
    assert sr_train.main(["--patches", out, "--model_dir", model, *size]) == 0
    arguments = ["--patches", out, "--model_dir", model, "--out_dir", done]
    assert sr_eval.main(arguments) == 0

    def repeat(folder: str) -> subprocess.CompletedProcess:
        script = tmp_path / "eval" / "reproduce.sh"
        return subprocess.run(
            ["sh", str(script), str(tmp_path / folder)],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
            capture_output=True,
            text=True,
        )

    first = repeat("again")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count("same ") == 7
    original = tmp_path / "eval" / "metrics.json"
    wrong = copy.deepcopy(json.loads(original.read_text()))
    wrong["inner"]["model"]["psnr_db"]["all"] += 1
    original.write_text(json.dumps(wrong))
    assert repeat("once_more").returncode == 1
