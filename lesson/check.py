"""Check the products of a student's own scripts: a line of pass or fail per check.

    python -m lesson.check 1 --patches patches

The scripts may be written in any way: only their output counts.  The exit code is
0 if all lines pass, 1 if one fails.
"""

from srtools.errors import SRError, one_line_errors, start

if __name__ == "__main__":
    start()  # answers Ctrl-C while the rest loads

import argparse
import sys
from pathlib import Path

from lesson.patch_checks import check_patches
from lesson.report import Report


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(description="Check the products of a script.")
    exercises = parser.add_subparsers(dest="exercise", required=True, metavar="N")
    first = exercises.add_parser("1", help="patches: images of three groups")
    first.add_argument("--patches", required=True, type=Path, metavar="DIR")
    first.set_defaults(check=lambda params: check_patches(params.patches))
    second = exercises.add_parser("2", help="the network of sr_model.py")
    _add_folders(second, "--scripts")
    second.set_defaults(check=_second)
    third = exercises.add_parser("3", help="training: a SavedModel, and logs")
    _add_folders(third, "--model_dir", "--logs", "--patches")
    third.set_defaults(check=_third)
    fourth = exercises.add_parser("4", help="evaluation: L1 and L2 of the test set")
    _add_folders(fourth, "--model_dir", "--patches")
    fourth.add_argument("--metrics", type=Path, metavar="FILE", help="JSON")
    fourth.add_argument("--l1", type=float, help="in DN or reflectance")
    fourth.add_argument("--l2", type=float, help="their squares")
    fourth.set_defaults(check=_fourth)
    fifth = exercises.add_parser("5", help="an image of 1.5 m")
    fifth.add_argument("--image", required=True, type=Path, metavar="FILE")
    fifth.add_argument(
        "--s2_images",
        required=True,
        type=Path,
        nargs="+",
        metavar="FILE",
        help="B04 B03 B02 B08 of the Sentinel-2 image below it, or a stack",
    )
    fifth.add_argument(
        "--offset", type=float, required=True, help="in these, DN: 0 or 1000"
    )
    _add_folders(fifth, "--model_dir")
    fifth.set_defaults(check=_fifth)
    return parser


def _add_folders(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(name, required=True, type=Path, metavar="DIR")


# TensorFlow takes seconds to import: only the checks that need it do.


def _second(params: argparse.Namespace) -> Report:
    from lesson.network_checks import check_network

    return check_network(params.scripts)


def _third(params: argparse.Namespace) -> Report:
    from lesson.training_checks import check_training

    return check_training(params.model_dir, params.logs, params.patches)


def _fourth(params: argparse.Namespace) -> Report:
    from lesson.score_checks import check_scores

    if params.metrics is None and None in (params.l1, params.l2):
        raise SRError("--metrics FILE, or both --l1 and --l2 are expected")
    return check_scores(
        params.patches, params.model_dir, params.metrics, params.l1, params.l2
    )


def _fifth(params: argparse.Namespace) -> Report:
    from lesson.image_checks import check_image

    return check_image(params.image, params.s2_images, params.offset, params.model_dir)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    params = get_parser().parse_args(argv)
    report = params.check(params)
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
