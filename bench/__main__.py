"""Measure some or all parts: python -m bench [dataset ...]."""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from bench.table import Table
from srtools.errors import one_line_errors

PARTS = ("dataset", "training", "evaluation", "inference")
SIZES = (2048, 8192)


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)"
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=SIZES,
        metavar="PIXELS",
        help="sides of the PAN image, multiples of 4 (default: 2048 8192)",
    )
    parser.add_argument(
        "--folder", help="where to work, as a fast disk (default: a temporary folder)"
    )
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    for part in params.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part}; parts are {', '.join(PARTS)}")
    if any(size % 4 or size < 512 for size in params.sizes):
        parser.error("--sizes must be multiples of 4, at least 512")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=params.folder) as folder:
        table = Table()
        for part in params.parts or PARTS:
            module = importlib.import_module(f"bench.bench_{part}")
            table.heading(part)
            for row in module.run(Path(folder), tuple(params.sizes)):
                table.add(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
