"""What faults of a pair cost, and what mends them: the table in docs/practice.md.

    python -m bench.pairs FOLDER

A model is trained on each pair of the demo with each remedy.  All are tested on another
scene, whose Sentinel-2 has the optics, haze and noise of the pair, and whose truth is
in place and of the same day.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from demo.pair_faults import LEVELS
from demo.run import SHIFT, run
from demo.scene import SPOT_DATE, make_scene
from srtools.errors import one_line_errors

REMEDIES = {  # options of sr_dataset.py, and of sr_train.py
    "none": ([], []),
    "`--coregister`": (["--coregister"], []),
    "and `--harmonize`": (["--coregister", "--harmonize"], []),
    "and `--loss l1_shift`": (["--coregister"], ["--loss", "l1_shift"]),
}
TRAINED, TESTED = 1, 7  # seeds of the scenes
TITLES = (
    "| pair | remedy | gain over bicubic | from Sentinel-2 | `--consistent` |",
    "|---|---|---|---|---|",
)


def make_patches(folder: Path, pair: dict, options: list[str]) -> str:
    """Run exercise 1 on a pair, unless its patches exist; return their folder."""
    if not (folder / "dataset.json").exists():
        images = "--s2_images", *map(str, pair["s2"]), "--offset", "1000"
        spot = "--pan", str(pair["pan"]), "--xs", str(pair["xs"])
        options = [*images, *spot, "--spot_date", SPOT_DATE, *options, "--accept_pair"]
        run("sr_dataset.py", *options, "--out_dir", str(folder))
    return str(folder)


def measure(folder: Path, patches: str, test: str, training: list[str]) -> dict:
    """Train on `patches` and evaluate on `test`; return metrics.json."""
    scores = folder / "eval" / "metrics.json"
    if not scores.exists():
        model = str(folder / "model")
        options = ["--batch_size", "2", "--nb_epochs", "70", "--seed", "1", *training]
        run("sr_train.py", "--patches", patches, "--model_dir", model, *options)
        folders = "--patches", test, "--out_dir", str(scores.parent)
        run("sr_eval.py", "--model_dir", model, *folders)
    return json.loads(scores.read_text())


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Train, evaluate, and print the table; finished runs are taken as they are."""
    parser = argparse.ArgumentParser(prog="python -m bench.pairs", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", nargs="+", default=LEVELS, choices=LEVELS)
    params = parser.parse_args(argv)
    folder = params.folder.resolve()
    rows = []
    for level in params.pairs:
        faults = LEVELS[level]
        base = folder / level
        good = replace(faults, relief=0.0, changed=0.0)
        pair = make_scene(base / "scene", seed=TRAINED, shift=SHIFT, pair=faults)
        other = make_scene(base / "test_scene", seed=TESTED, pair=good)
        whole = ["--proportions", "0", "0", "1"]
        test = make_patches(base / "test", other, whole)
        for number, (remedy, (options, training)) in enumerate(REMEDIES.items()):
            at = base / str(number)
            patches = make_patches(at / "patches", pair, options)
            metrics = measure(at, patches, test, training)
            rows.append(row(level, remedy, metrics))
            print(rows[-1], flush=True)
    print("\n".join(["", *TITLES, *rows]))
    return 0


def row(level: str, remedy: str, metrics: dict) -> str:
    """Return a row of the table, in Markdown."""
    scores, agreement = metrics["inner"], metrics["consistency"]
    low, high = metrics["intervals"]["gain_db"]
    cells = (
        *(level, remedy, f"{scores['gain_db']:+.2f} dB [{low:+.2f}, {high:+.2f}]"),
        f"{agreement['model']['l1_dn']:.0f} DN",
        f"{agreement['consistent']['gain_change_db']:+.2f} dB",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
