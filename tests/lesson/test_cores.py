"""The cores on the pages pass the checks as they stand, and a wrong line fails them."""

import re
import shutil
from pathlib import Path

import pytest

from demo.run import SHIFT
from demo.scene import make_scene
from tests.lesson.conftest import bash
from tests.processes import ROOT

PAGES = {int(page.name[0]): page for page in sorted(ROOT.glob("docs/[1-5]-*.md"))}
# A core names its file; the next block has the commands that run and check it.
CORE = re.compile(
    r"^```python\n# (mine/\w+\.py)\n(.*?)^```\n.*?^```sh\n(.*?)^```", re.M | re.S
)
ALLOWED = set("shutil glob json numpy otbtf pyotb rasterio tensorflow sr_model".split())


def core(exercise: int) -> tuple[str, str, list[str]]:
    """Return the file of a core, its code, and the commands below it."""
    ((name, code, commands),) = CORE.findall(PAGES[exercise].read_text())
    return name, code, commands.splitlines()


def play(folder: Path, exercise: int, code: str) -> str:
    """Do what the page says, with this code; return the output of the check."""
    name, _, commands = core(exercise)
    (folder / "mine").mkdir(exist_ok=True)
    (folder / name).write_text(code)
    assert f"lesson.check {exercise} " in commands[-1]
    printed, failed = bash(folder, "\n".join(commands))
    assert set(failed) <= {commands[-1]}, printed
    return printed


@pytest.mark.parametrize("exercise", PAGES)
def test_cores_are_short_and_use_no_other_library(exercise):
    _, code, _ = core(exercise)
    lines = [line for line in code.splitlines() if line.strip()]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert {re.split(r"[ .]", line)[1] for line in imports} <= ALLOWED
    assert 10 <= len(lines) - len(imports) <= 30
    assert max(map(len, lines)) <= 88


@pytest.fixture(scope="module")
def student(once) -> Path:
    """Folder in which the five cores ran as they stand, once for all processes."""

    def type_cores(folder: Path) -> None:
        make_scene(folder / "demo_run" / "scene", seed=1, shift=SHIFT)
        for n in PAGES:
            (folder / f"printed{n}").write_text(play(folder, n, core(n)[1]))

    return once("student", type_cores)


@pytest.mark.slow
@pytest.mark.parametrize("exercise", PAGES)
def test_each_core_passes_its_check(student, exercise):
    printed = (student / f"printed{exercise}").read_text()
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
