"""The whole course at once: a made-up scene, its servers, and the five scripts.

    python -m demo.run

Everything that a student would type is printed before it is run.  The exit code is 0
only if super-resolution beats bicubic on the test patches.
"""

from srtools.errors import SRError, one_line_errors, start

if __name__ == "__main__":
    start()  # answers Ctrl-C while the rest loads

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import rasterio
from skimage.transform import resize

from demo.pair_faults import LEVELS
from demo.scene import SPOT_DATE, add_pair, make_scene
from demo.server import Server
from srtools.images import figures
from srtools.options.parser import number

ROOT = Path(__file__).parent.parent
# Sentinel-2 is out of place by 3 m, as it often is; exercise 1 finds and corrects it.
SHIFT = (2.4, -1.8)  # metres east and north


def run(*arguments: str) -> None:
    """Print a command as a student would type it, and run it.

    Raises:
        SRError: if it fails; its own message is above.
        SystemExit: if it was interrupted.
    """
    print(f"\n$ python {shlex.join(arguments)}", flush=True)
    start = time.monotonic()
    # Ctrl-C reaches the script as well, which saves its state before it ends.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.run([sys.executable, *arguments], cwd=ROOT).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if code == 128 + signal.SIGINT:
        raise SystemExit(code)
    if code:
        raise SRError(f"{arguments[0]} ended with exit code {code}; see above")
    print(f"({time.monotonic() - start:.0f} s)", flush=True)


def prepare(folder: Path, size: int, seed: int, pair: str) -> dict:
    """Make the demo's scene; see `demo.scene.make_scene` for the result."""
    print(f"making a scene of {size} x {size} PAN pixels in {folder}", flush=True)
    return make_scene(folder, size=size, seed=seed, shift=SHIFT, pair=LEVELS[pair])


def demo(*, folder: str, size: int, seed: int, nb_epochs: int, pair: str) -> dict:
    """Make the scene and run the five exercises on it.

    Arguments:
        folder: for all products; existing ones are replaced.
        size: side of the PAN image in pixels of 1.5 m.
        seed: of the scene and of the training.
        nb_epochs: at most so many epochs of training.
        pair: level of the faults of the pair.

    Returns:
        The metrics of exercise 4.
    """
    base = Path(folder).resolve()
    scene = prepare(base / "scene", size, seed, pair)
    pan, xs = str(scene["pan"]), str(scene["xs"])
    patches, model, scores = (str(base / name) for name in ("patches", "model", "eval"))
    sr, preview = str(base / "sr.tif"), str(base / "sr.png")

    with Server(base / "scene") as server:
        run(
            "sr_dataset.py",
            "--pan",
            pan,
            "--xs",
            xs,
            "--stac_url",
            server.stac_url,
            "--spot_date",
            SPOT_DATE,
            "--coregister",
            "--out_dir",
            patches,
            "--overwrite",
        )
    run("sr_model.py")
    run(
        "sr_train.py",
        "--patches",
        patches,
        "--model_dir",
        model,
        "--batch_size",
        "2",
        "--nb_epochs",
        str(nb_epochs),
        "--seed",
        str(seed),
        "--overwrite",
    )
    run(
        "sr_eval.py",
        "--patches",
        patches,
        "--model_dir",
        model,
        "--out_dir",
        scores,
        "--overwrite",
    )
    run(
        "sr_infer.py",
        "--s2_images",
        *(str(path) for path in scene["s2"]),
        "--offset",
        "1000",
        "--like",
        pan,
        "--model_dir",
        model,
        "--out",
        sr,
        "--preview",
        preview,
        "--overwrite",
    )
    metrics = json.loads((Path(scores) / "metrics.json").read_text())
    comparison = save_comparison(
        base / "comparison.png", scene["s2"], sr, scene["truth"], offset=1000
    )
    print("\nPictures:")
    pictures = [Path(patches) / name for name in ("pair.png", "split.png")]
    pictures += [Path(scores) / name for name in ("patches.png", "report.html")]
    for path in (*pictures, comparison, preview):
        print(f"  {path}")
    print(f"TensorBoard: tensorboard --logdir {model}_logs")
    return metrics


def save_comparison(
    path: str | Path, s2_paths: list[str], sr_path: str, truth_path: str, offset: int
) -> Path:
    """Save Sentinel-2, bicubic, super-resolution and truth, in true and false colour.

    The area is the middle of the image, 512 m across.
    """
    with rasterio.open(sr_path) as sr:
        crs, area = sr.crs, figures.middle(tuple(sr.bounds), 512.0)
    s2 = figures.read_area(s2_paths, crs, area, 4096) - offset
    truth = figures.read_area([truth_path], crs, area, 4096)
    colours = {
        "Sentinel-2, 10 m": s2,
        "bicubic": resize(s2, truth.shape, order=3),
        "super-resolution, 1.5 m": figures.read_area([sr_path], crs, area, 4096),
        "truth (Spot-7)": truth,
    }
    false = {name: image[..., [3, 0, 1]] for name, image in colours.items()}
    rows = {
        "true colour:\nred, green, blue": colours,
        "false colour:\nnear infrared, red, green": false,
    }
    figures.save_rows(path, rows, [area[2] - area[0]] * len(rows))
    return Path(path)


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Run the whole course on a demo scene."
    )
    parser.add_argument("--folder", default="demo_run", help="default: %(default)s")
    parser.add_argument(
        "--size",
        type=int,
        default=1536,
        metavar="PIXELS",
        help="side of the PAN image, a multiple of 4 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=number(0), default=1, help="default: %(default)s"
    )
    parser.add_argument(
        "--nb_epochs",
        type=number(1),
        default=70,
        help="of training (default: %(default)s)",
    )
    parser.add_argument(
        "--scene_only",
        action="store_true",
        help="make the scene and end, to type the exercises by hand",
    )
    add_pair(parser)
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    params = get_parser().parse_args(argv)
    options = vars(params)
    if options.pop("scene_only"):
        folder = Path(params.folder).resolve() / "scene"
        prepare(folder, params.size, params.seed, params.pair)
        return 0
    start = time.monotonic()
    metrics = demo(**options)
    gain = metrics["inner"]["gain_db"]
    print(
        f"\nsuper-resolution is {gain:+.2f} dB against bicubic on "
        f"{metrics['patches']} test patches; all took {time.monotonic() - start:.0f} s"
    )
    if gain <= 0:
        raise SRError("super-resolution does not beat bicubic; train for longer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
