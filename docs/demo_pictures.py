"""Make the pictures of the demo on the pages, docs/*.png, from one run of it.

    make demo-pictures
    python -m docs.demo_pictures demo_run wald

They are those of the run in demo_run, with at most 256 colours.  interval.png takes one
more run of exercise 5, and report.png a browser, Chromium.  The second command makes
gers.png, too, from the folder of "On real imagery" in docs/practice.md.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from demo.run import ROOT, run
from srtools.conventions import BANDS
from srtools.files import whole_file
from srtools.images import figures, raster

FOLDER = ROOT / "docs"
WIDTH = 1200  # pixels, at most
PICTURES = {  # of the demo, by name on the pages
    "comparison": "comparison.png",
    "pair": "patches/pair.png",
    "split": "patches/split.png",
    "training": "model_logs/training.png",
    "preview": "sr.png",
}
REPORT = 1000, 1640  # pixels of the upper part that is shown
BROWSERS = "chromium", "chromium-browser", "google-chrome"


def main() -> None:
    """Make all pictures from the folder of a run."""
    demo = Path(sys.argv[1] if sys.argv[1:] else ROOT / "demo_run").resolve()
    for name, source in PICTURES.items():
        save(Image.open(demo / source), name)
    if sys.argv[2:]:
        save(Image.open(Path(sys.argv[2]) / "sr.png"), "gers")
    interval(demo)
    report(demo / "eval" / "report.html")


def save(image: Image.Image, name: str) -> None:
    """Save a picture with at most `WIDTH` pixels a row and 256 colours."""
    image = image.convert("RGB")
    if image.width > WIDTH:
        size = WIDTH, round(image.height * WIDTH / image.width)
        image = image.resize(size, Image.Resampling.LANCZOS)
    path = FOLDER / f"{name}.png"
    with whole_file(path) as partial:
        image.quantize(256, dither=Image.Dither.NONE).save(partial, optimize=True)
    print(path)


def interval(demo: Path) -> None:
    """Draw the middle of the image beside the half-width of its intervals."""
    bands = [
        str(next((demo / "scene/s2/2022-07-14").glob(f"*_{band}_10m.tif")))
        for band in BANDS
    ]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sr.tif"
        options = ["--s2_images", *bands, "--offset", "1000", "--uncertainty"]
        options += ["--like", str(demo / "scene/spot/pan.tif")]
        options += ["--model_dir", str(demo / "model"), "--out", str(out)]
        run("sr_infer.py", *options)
        image = raster.describe(out, "the image")
        area = figures.middle(image.bounds, 768.0)
        sr, widths = (
            figures.read_area([str(path)], image.crs, area, 900)
            for path in (out, out.with_name("sr_interval.tif"))
        )
    figure = Figure(figsize=(11, 5.2), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(figures.to_display(sr[..., :3], figures.stretch(sr[..., :3])))
    left.set_title("super-resolution, 768 m")
    mean = widths.mean(axis=-1)
    drawn = right.imshow(mean, cmap="magma", vmin=0, vmax=np.percentile(mean, 99))
    right.set_title("half-width of the interval of 90 %, mean of the bands")
    figure.colorbar(drawn, ax=right, label="DN")
    for axis in (left, right):
        axis.set_axis_off()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    save(Image.open(picture), "interval")


def report(page: Path) -> None:
    """Take a picture of the upper part of the report, in a browser without a window."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        raise SystemExit(f"error: none of {', '.join(BROWSERS)} is installed")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "report.png"
        options = [f"--screenshot={shot}", f"--window-size={REPORT[0]},{REPORT[1]}"]
        options += ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([browser, *options, page.as_uri()], check=True, **silent)
        save(Image.open(shot), "report")


if __name__ == "__main__":
    main()
