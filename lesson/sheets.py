"""Make the sheets: the five scripts without their solutions, to be filled in.

    python -m lesson.sheets my_scripts

A sheet has the script's docstring, imports, constants, function heads and docstrings,
and the comments of the solution as hints.  It is made from the script itself, so that
the two cannot drift apart.
"""

from srtools.errors import SRError, one_line_errors, start

if __name__ == "__main__":
    start()  # answers Ctrl-C while the rest loads

import argparse
import ast
import sys
from pathlib import Path

from srtools.files import make_folder

ROOT = Path(__file__).parents[1]
SCRIPTS = ("sr_dataset", "sr_model", "sr_train", "sr_eval", "sr_infer")
# Functions that stay: they read options and print errors, which is no exercise.
KEPT = ("main",)


def make_sheet(source: str) -> str:
    """Take the bodies out of a script's functions, and leave their heads.

    >>> print(make_sheet('def f(x):\\n    # Twice.\\n    return 2 * x\\n'))
    def f(x):
        # Twice.
        raise NotImplementedError("f is yours to write")
    <BLANKLINE>
    """
    lines = source.splitlines()
    # From below, so that the numbers of the lines above stay right.
    for function in sorted(_functions(ast.parse(source)), key=lambda f: -f.lineno):
        if function.name in KEPT:
            continue
        body = function.body
        documented = ast.get_docstring(function) is not None
        first = body[0].end_lineno if documented else body[0].lineno - 1
        hints = _comments(lines[first : function.end_lineno])
        indent = " " * (function.col_offset + 4)
        todo = f'raise NotImplementedError("{function.name} is yours to write")'
        lines[first : function.end_lineno] = [
            *(indent + hint for hint in hints),
            indent + todo,
        ]
    return "\n".join(lines) + "\n"


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Return functions and methods, but none that lie inside of functions."""
    functions = []
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        functions += [child for child in inner if isinstance(child, ast.FunctionDef)]
    return functions


def _comments(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip().startswith("# ")]


def write_sheets(folder: Path) -> list[Path]:
    """Write the five sheets.

    Raises:
        SRError: if one of them exists already: it may be a student's work.
    """
    paths = [folder / f"{name}.py" for name in SCRIPTS]
    existing = [str(path) for path in paths if path.exists()]
    if existing:
        raise SRError(f"{', '.join(existing)} would be lost; name another folder")
    make_folder(folder)
    for path in paths:
        path.write_text(make_sheet((ROOT / path.name).read_text()))
    return paths


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Write the sheets of the exercises.")
    parser.add_argument("folder", type=Path)
    for path in write_sheets(parser.parse_args(argv).folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
