"""Check the products of a student's own scripts: a line of pass or fail per check.

    python -m lesson.check 1 --patches patches

The scripts may be written in any way: only their output counts.  The exit code is
0 if all lines pass, 1 if one fails.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start()  # answers Ctrl-C while the rest loads

import argparse
import importlib
import sys
from pathlib import Path

from lesson.patch_checks import check_patches

# TensorFlow takes seconds to import: only the checks that need it are loaded.
CHECKS = {
    "2": ("lesson.network_checks", "check_network"),
    "3": ("lesson.training_checks", "check_training"),
    "4": ("lesson.score_checks", "check_scores"),
    "5": ("lesson.image_checks", "check_image"),
}


def get_parser() -> argparse.ArgumentParser:
    """Define the command line; options are named like the arguments of the checks."""
    parser = argparse.ArgumentParser(description="Check the products of a script.")
    exercises = parser.add_subparsers(dest="exercise", required=True, metavar="N")

    def add(number: str, text: str, *folders: str) -> argparse.ArgumentParser:
        exercise = exercises.add_parser(number, help=text)
        for name in folders:
            exercise.add_argument(name, required=True, type=Path, metavar="DIR")
        return exercise

    add("1", "patches: images of three groups", "--patches")
    add("2", "the network of sr_model.py", "--scripts")
    logs = "--model_dir", "--logs", "--patches"
    add("3", "training: a SavedModel, and logs", *logs)
    folders = "--model_dir", "--patches"
    fourth = add("4", "evaluation: L1 and L2 of the test set", *folders)
    fourth.add_argument("--metrics", type=Path, metavar="FILE", help="JSON")
    fourth.add_argument("--l1", type=float, help="in DN or reflectance")
    fourth.add_argument("--l2", type=float, help="their squares")
    fifth = add("5", "an image of 1.5 m", "--model_dir")
    file = {"required": True, "type": Path, "metavar": "FILE"}
    fifth.add_argument("--image", **file)
    text = "B04 B03 B02 B08 of the Sentinel-2 image below it, or a stack"
    fifth.add_argument("--s2_images", nargs="+", help=text, **file)
    text = "in these, DN: 0 or 1000"
    fifth.add_argument("--offset", type=float, required=True, help=text)
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = vars(get_parser().parse_args(argv))
    check, exercise = check_patches, options.pop("exercise")
    if exercise in CHECKS:
        module, name = CHECKS[exercise]
        check = getattr(importlib.import_module(module), name)
    report = check(**options)
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
