"""Make the sheets: the five scripts without their solutions, to be filled in.

    python -m lesson.sheets my_scripts

A sheet is made from the script itself.  Only functions marked with `# exercise` lose
their bodies.  A blank function keeps its docstring, and gets two hints: the names that
the solution calls, and its first comment.  If the solution returns something, so must
the student's: `@result(page)` refuses None, which would end deep inside srtools.
"""

from srtools.errors import SRError, one_line_errors, start

if __name__ == "__main__":
    start()  # answers Ctrl-C while the rest loads

import argparse
import ast
import builtins
import functools
import re
import shlex
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from srtools.files import make_folder

ROOT = Path(__file__).parents[1]
PAGES = {
    "sr_dataset": "docs/1-dataset.md",
    "sr_model": "docs/2-model.md",
    "sr_train": "docs/3-training.md",
    "sr_eval": "docs/4-evaluation.md",
    "sr_infer": "docs/5-inference.md",
}
MARK = "# exercise"
ERRORS = "from srtools.errors import "
IMPORT = "from lesson.sheets import result\n"


def result(page: str) -> Callable[[Callable], Callable]:
    """Decorate a function of a sheet: neither it nor a part of it may be None."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*args: Any, **options: Any) -> Any:
            value = function(*args, **options)
            parts = value.values() if isinstance(value, dict) else [value]
            parts = value if isinstance(value, tuple) else parts
            if any(part is None for part in parts):
                text = f"{function.__name__} returned None; return what its docstring"
                raise SRError(f"{text} says: {page}")
            return value

        return wrapper

    return decorate


def make_sheet(source: str, page: str) -> str:
    r"""Take the bodies out of the marked functions of a script.

    >>> sheet = make_sheet("def f(x):  # exercise\n    return np.exp(x)\n", "page.md")
    >>> print(sheet, end="")
    @result("page.md")
    def f(x):  # exercise
        # Calls of the solution: np.exp.
        raise SRError("f is yours to write: page.md")
    """
    lines = source.splitlines()
    # From below, so that the numbers of the lines above stay right.
    for function in reversed(exercises(source)):
        first, last = body_of(function)
        indent = " " * (function.col_offset + 4)
        blank = f'raise SRError("{function.name} is yours to write: {page}")'
        hints = _calls(function) + _first_comment(lines[first:last])
        lines[first:last] = [indent + line for line in (*hints, blank)]
        if any(isinstance(n, (ast.Yield, ast.Return)) for n in ast.walk(function)):
            guard = f'{indent[4:]}@result("{page}")'
            lines.insert(function.lineno - 1, guard)
    sheet = "\n".join(lines).replace(ERRORS, f"{ERRORS}SRError, ", 1)
    return sheet.replace("\nimport sys\n", f"\n{IMPORT}import sys\n", 1) + "\n"


def exercises(source: str) -> list[ast.FunctionDef]:
    """Return the marked functions and methods of a script, in order."""
    lines = source.splitlines()
    functions = [n for n in ast.walk(ast.parse(source)) if type(n) is ast.FunctionDef]
    return sorted(
        (f for f in functions if lines[f.body[0].lineno - 2].endswith(MARK)),
        key=lambda function: function.lineno,
    )


def body_of(function: ast.FunctionDef) -> tuple[int, int]:
    """Return the range of the lines of a body, without the docstring, from 0."""
    documented = ast.get_docstring(function) is not None
    first = function.body[0].end_lineno if documented else function.body[0].lineno - 1
    return first, function.end_lineno


def _calls(function: ast.FunctionDef) -> list[str]:
    """Return a comment with the names that a body calls, but for builtins."""
    body = ast.Module(function.body, [])
    calls = [node.func for node in ast.walk(body) if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    names = dict.fromkeys(map(ast.unparse, calls))
    names = [n for n in names if re.fullmatch(r"[\w.]+", n) and n not in dir(builtins)]
    text = f"Calls of the solution: {', '.join(names)}."
    width = 88 - function.col_offset - len("    # ")
    return [f"# {line}" for line in textwrap.wrap(text, width)] if names else []


def _first_comment(body: list[str]) -> list[str]:
    comment = re.search(r"(?:^ *# .*\n)+", "\n".join(body), re.M)
    return [line.strip() for line in comment[0].splitlines()] if comment else []


def write_sheets(folder: Path) -> dict[Path, list[str]]:
    """Write the five sheets; return the names of the blank functions of each.

    Sheets that exist already are refused: they may be a student's work.
    """
    sheets = {folder / f"{name}.py": page for name, page in PAGES.items()}
    if existing := [str(path) for path in sheets if path.exists()]:
        raise SRError(f"{', '.join(existing)} would be lost; name another folder")
    make_folder(folder)
    blanks = {}
    for path, page in sheets.items():
        source = (ROOT / path.name).read_text()
        path.write_text(make_sheet(source, page))
        blanks[path] = [function.name for function in exercises(source)]
    return blanks


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Write the sheets of the exercises.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(argv).folder
    for path, names in write_sheets(folder).items():
        print(f"{path}: {', '.join(names)}")
    first = shlex.quote(f"{folder}/sr_model.py")
    print(f"run one from this folder: PYTHONPATH=. python {first}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
