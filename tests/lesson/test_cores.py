"""The cores on the pages pass the checks as they stand, and a wrong line fails them."""

import fcntl
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.run import SHIFT
from demo.scene import make_scene

ROOT = Path(__file__).parents[2]
PAGES = {int(page.name[0]): page for page in sorted(ROOT.glob("docs/[1-5]-*.md"))}
# A core names its file; the next block has the commands that run and check it.
CORE = re.compile(
    r"^```python\n# (mine/\w+\.py)\n(.*?)^```\n.*?^```sh\n(.*?)^```", re.M | re.S
)
ALLOWED = {
    *("shutil", "glob", "json"),
    *("numpy", "otbtf", "pyotb", "rasterio", "tensorflow", "sr_model"),
}


def core(exercise: int) -> tuple[str, str, list[str]]:
    """Return the file of a core, its code, and the commands below it."""
    ((name, code, commands),) = CORE.findall(PAGES[exercise].read_text())
    return name, code, commands.splitlines()


def play(folder: Path, exercise: int, code: str) -> str:
    """Do what the page says, with this code; return the output of the check."""
    name, _, commands = core(exercise)
    (folder / "mine").mkdir(exist_ok=True)
    (folder / name).write_text(code)
    *before, check = commands
    assert f"lesson.check {exercise} " in check
    assert before or exercise == 2
    for command in before:
        done = bash(folder, command)
        assert done.returncode == 0, done.stdout + done.stderr
    return bash(folder, check).stdout


def bash(folder: Path, command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'otblite'}",
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=1800,
    )


@pytest.mark.parametrize("exercise", PAGES)
def test_cores_are_short_and_use_no_other_library(exercise):
    _, code, _ = core(exercise)
    lines = [line for line in code.splitlines() if line.strip()]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert {re.split(r"[ .]", line)[1] for line in imports} <= ALLOWED
    assert 10 <= len(lines) - len(imports) <= 30
    assert max(map(len, lines)) <= 88


@pytest.fixture(scope="module")
def student(tmp_path_factory, worker_id) -> Path:
    """Folder in which the five cores ran as they stand, once for all processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "student"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "printed.json").exists():
            make_scene(folder / "demo_run" / "scene", seed=1, shift=SHIFT)
            printed = {n: play(folder, n, core(n)[1]) for n in PAGES}
            (folder / "printed.json").write_text(json.dumps(printed))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("exercise", PAGES)
def test_each_core_passes_its_check(student, exercise):
    printed = json.loads((student / "printed.json").read_text())[str(exercise)]
    assert re.search(r"^(\d+) of \1 passed$", printed, re.M), printed


# Exercise, a part of its core, its replacement, and words of the lines that fail then.
WRONG = {
    "Spot is not moved": (1, "left + 2.4, top - 1.8", "left, top", r"2.4 m east, -1.8"),
    "a kernel of 3": (2, "Transpose(32, 4", "Transpose(32, 3", "kernels are"),
    "one epoch": (3, "epochs=60", "epochs=1", r"no longer fell \(1 epochs\)"),
    "training patches": (4, "mine/test_", "mine/train_", "training patches"),
    "a crop below the receptive field": (5, "crop = 64", "crop = 16", "a seam"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_line_is_caught(student, mistake, tmp_path):
    exercise, right, wrong, words = WRONG[mistake]
    _, code, _ = core(exercise)
    assert right in code
    code = code.replace(right, wrong)
    shutil.copytree(
        student / "mine", tmp_path / "mine", ignore=shutil.ignore_patterns("logs")
    )
    (tmp_path / "demo_run").symlink_to(student / "demo_run")
    printed = play(tmp_path, exercise, code)
    failed = "".join(re.findall(r"^FAIL .*\n(?: .*\n)*", printed, re.M))
    assert re.search(words, failed), printed
