"""Look at what a student's own scripts made, and answer in lines of pass and fail.

    python -m lesson.check 1 --patches patches

The scripts may be written in any way: only what they wrote is looked at.  The exit code
is 0 if all lines pass, 1 if one fails.
"""

import argparse
import sys
from pathlib import Path

from lesson.patches import check_patches
from srtools.errors import one_line_errors


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(description="Check one's own work.")
    exercises = parser.add_subparsers(dest="exercise", required=True, metavar="N")
    first = exercises.add_parser("1", help="patches: images of three groups")
    first.add_argument("--patches", required=True, type=Path, metavar="DIR")
    first.set_defaults(check=lambda params: check_patches(params.patches))
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    params = get_parser().parse_args(argv)
    report = params.check(params)
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
