"""All commands on the pages run as they stand, one after the other."""

import re
from pathlib import Path

import pytest

from srtools.conventions import BANDS
from tests.lesson.conftest import bash
from tests.processes import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
CLEAR_DAY = "scene/s2/2022-07-14"


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
    assert len(pictures) == 13
    for picture in pictures:
        assert f"](theory/{picture.name})" in pages, picture
        assert picture.stat().st_size <= 150_000, picture


# Words of commands that do not run in the tests, and the reason.
ELSEWHERE = {
    "docker run": "needs Docker",
    "pip install": "needs a package index; make installs the same",
    "activate": "is the environment of the tests",
    "make demo": "ran before, for all pages",
    "make test": "runs these tests",
    "mine": "is run by test_cores.py",
}
# Checks that may fail, on purpose or after a short training, and what they find.
FAILS = {
    "check 1 --patches demo_run/mixed": "no test patch touches",
    "check 3 --model_dir demo_run/model": "training ended when",
    "check 5 --image demo_run/seams.tif": "no ",  # ... is a seam
}
# What a reader has, by its name on the pages, and where it is in the demo.
GIVEN = {
    **dict.fromkeys(("PAN.tif", "data/PAN/IMG_1_P_1.TIF"), "scene/spot/pan.tif"),
    **dict.fromkeys(("XS.tif", "data/MS/IMG_1_MS_1.TIF"), "scene/spot/xs.tif"),
    **{f"{band}.tif": f"{CLEAR_DAY}/*_{band}_*.tif" for band in (*BANDS, "SCL")},
    "sentinel2_gers.tif": "scene/spot/truth.tif",
    **{"patches": "patches", "model": "model", "model_a": "model", "model_b": "model"},
}


def commands(page: Path) -> str:
    """Return the shell blocks of a page without what does not run in the tests."""
    lines = "".join(BLOCK.findall(page.read_text())).replace("\\\n", " ").splitlines()
    elsewhere = re.compile(rf"\b({'|'.join(ELSEWHERE)})\b")
    typed = "\n".join(line for line in lines if not elsewhere.search(line))
    typed = re.sub(" --(nb_epochs|stac_url) [^ \n]+", "", typed)  # `bash` adds its own
    return typed.replace(" /data/", " data/")  # the folder of the container


def test_the_lists_above_are_up_to_date():
    text = "".join(page.read_text() for page in PAGES)
    assert [word for word in (*ELSEWHERE, *FAILS) if word not in text] == []
    assert sum(commands(page).count("python ") for page in PAGES) >= 50


def prepare(folder: Path, demo: Path, typed: str) -> None:
    """Link the results of the demo, and what is given unless the page makes it."""
    made = re.findall(r"(?:--out_dir|sr_train\.py.*--model_dir) (\w+)", typed)
    links = {f"demo_run/{path.name}": path for path in demo.iterdir()}
    links |= {n: next(demo.glob(p)) for n, p in GIVEN.items() if n not in made}
    for product in re.findall(r"\w+\.SAFE", typed):
        for image in (demo / CLEAR_DAY).iterdir():
            part = f"GRANULE/L2A/IMG_DATA/R{image.stem[-3:]}/{image.name}"
            links[f"{product}/{part}"] = image
    for name, path in links.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(path)


@pytest.mark.slow
@pytest.mark.parametrize("page", [*filter(commands, PAGES)], ids=lambda p: p.name)
def test_all_commands_of_a_page_run_one_after_the_other(page, demo, tmp_path):
    typed = commands(page)
    prepare(tmp_path, demo / "demo_run", typed)
    printed, failed = bash(tmp_path, f"python -m demo.server demo_run/scene\n{typed}")
    for command in failed:
        words = [FAILS[start] for start in FAILS if start in command]
        assert words and f"FAIL  {words[0]}" in printed, printed
