"""The commands on the pages work: options exist, and the demo runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from demo.run import SHIFT
from demo.scene import make_scene
from demo.server import Server
from lesson import check
from srtools.conventions import BANDS
from srtools.options import dataset_options as dataset
from srtools.options import evaluation_options as evaluation
from srtools.options import inference_options as inference
from srtools.options import model_options as model
from srtools.options import training_options as training
from tests.processes import ROOT, run_python

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PARSE = {
    "sr_dataset.py": dataset.parse,
    "sr_model.py": model.parse,
    "sr_train.py": training.parse,
    "sr_eval.py": evaluation.parse,
    "sr_infer.py": inference.parse,
    "lesson.check": lambda words: check.get_parser().parse_args(words),
}
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
# `...` stands for options that a page has named before.
ELLIPSIS = " --s2_images in.tif --model_dir model --out sr.tif"


def commands(text: str) -> list[list[str]]:
    """Return the commands of the shell blocks that run a script or a check."""
    commands_of_page = []
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\$\(.*?\)", "2022-07-16", line)
            line = re.sub(r" \.\.\.(?= |$)", ELLIPSIS, line)
            words = shlex.split(line, comments=True)
            # test_cores.py runs the cores, mine/*.py.
            if words[:1] == ["python"] and not words[1].startswith(("-m", "mine/")):
                commands_of_page.append(words[1:])
            if words[:3] == ["python", "-m", "lesson.check"]:
                commands_of_page.append(words[2:])
    return commands_of_page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_are_known(page):
    for script, *words in commands(page.read_text()):
        if words != ["--help"]:
            PARSE[script](words)


def test_commands_are_found_and_an_unknown_option_is_seen(capsys):
    counts = {page.stem: len(commands(page.read_text())) for page in PAGES}
    assert counts["README"] >= 7 and sum(counts.values()) >= 30, counts
    ((script, *words),) = commands("```sh\npython sr_model.py --depth 3\n```\n")
    with pytest.raises(SystemExit):
        PARSE[script](words)
    assert "--depth" in capsys.readouterr().err


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    links = LINK.findall(text)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_page_is_in_the_site_and_draws_without_a_network():
    listed = (ROOT / "mkdocs.yml").read_text()
    for text in (listed, *(page.read_text() for page in PAGES)):
        assert not re.search(r"mermaid|!\[.*?\]\(http", text)
    assert [page.name for page in PAGES[1:] if page.name not in listed] == []


def test_pictures_of_theory_are_shown_and_small():
    pages = "".join(page.read_text() for page in PAGES)
    pictures = list((ROOT / "docs" / "theory").glob("*.png"))
    assert len(pictures) == 11
    for picture in pictures:
        assert f"](theory/{picture.name})" in pages, picture
        assert picture.stat().st_size <= 150_000, picture


@pytest.mark.slow
def test_the_exercises_by_hand(tmp_path):
    """The README's five commands, for six epochs, and checks of their results."""
    make_scene(tmp_path / "demo_run" / "scene", size=1536, seed=1, shift=SHIFT)
    typed = commands((ROOT / "README.md").read_text())[:5]
    with Server(tmp_path / "demo_run" / "scene") as server:
        for script, *words in typed:
            words = [
                server.stac_url if word.startswith("http://127.0.0.1") else word
                for word in words
            ]
            if script == "sr_train.py":
                words[words.index("--nb_epochs") + 1] = "6"
            run(tmp_path, str(ROOT / script), *words)
    printed = run(tmp_path, "-m", "lesson.check", "1", "--patches", "my_run/patches")
    assert "28 of 28 passed" in printed
    folders = ["--patches", "my_run/patches", "--model_dir", "my_run/model"]
    metrics = ["--metrics", "my_run/eval/metrics.json"]
    assert "2 of 2" in run(tmp_path, "-m", "lesson.check", "4", *folders, *metrics)
    images = sorted((tmp_path / "demo_run/scene/s2/2022-07-14").glob("*_10m.tif"))
    order = [str(next(i for i in images if band in i.name)) for band in BANDS]
    options = ["--image", "my_run/sr.tif", "--model_dir", "my_run/model"]
    options += ["--offset", "1000", "--s2_images", *order]
    assert "12 of 12 passed" in run(tmp_path, "-m", "lesson.check", "5", *options)


PYTHON_OF_THE_PAGE = f"""#!/bin/sh
case "$*" in
    *demo.scene*) set -- "$@" --size 768 ;;
    sr_train.py*) set -- "$@" --nb_epochs 2 --filters 8 --blocks 1 ;;
esac
exec {sys.executable} "$@"
"""


@pytest.mark.slow
def test_practice_is_played_from_the_first_to_the_last_command(tmp_path):
    """All blocks of the sections 1 to 4, as they stand there, on small scenes."""
    for script in ROOT.glob("sr_*.py"):
        (tmp_path / script.name).symlink_to(script)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(PYTHON_OF_THE_PAGE)
    (tmp_path / "bin" / "python").chmod(0o755)
    env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    text, _ = (ROOT / "docs" / "practice.md").read_text().split("## 5. ")
    made, serve, *blocks = BLOCK.findall(text)
    assert "demo.scene" in made and "demo.server scenes" in serve and len(blocks) == 5

    def play(block: str) -> None:
        typed = ["bash", "-euc", block]
        done = subprocess.run(
            typed, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, block + done.stdout + done.stderr

    play(made)
    with Server(tmp_path / "scenes") as server:
        for block in blocks:
            play(block.replace("http://127.0.0.1:8000/stac", server.stac_url))
    scenes = "paris", "lyon", "gers", "nice", "lille"
    for name in (
        *(f"patches/{scene}/dataset.json" for scene in scenes),
        *(f"eval/{scene}/metrics.json" for scene in scenes[3:]),
        *(f"eval_{scene}/metrics.json" for scene in scenes[:3]),
        *(f"images/{scene}.tif" for scene in scenes[3:]),
    ):
        assert (tmp_path / name).exists(), name


def run(folder: Path, *arguments: str) -> str:
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = run_python(*arguments, cwd=folder, env=env, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
