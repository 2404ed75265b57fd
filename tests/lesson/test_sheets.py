"""A sheet is a script that runs, has every head of the solution, and no solution."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from lesson import sheets

ROOT = Path(__file__).parents[2]


def functions(source: str) -> dict[str, ast.FunctionDef]:
    return {f.name: f for f in sheets._functions(ast.parse(source))}


@pytest.mark.parametrize("name", sheets.SCRIPTS)
def test_heads_stay_and_bodies_go(name):
    source = (ROOT / f"{name}.py").read_text()
    sheet = sheets.make_sheet(source)
    ours, theirs = functions(source), functions(sheet)
    assert list(ours) == list(theirs) and len(ours) >= 3
    for key, function in theirs.items():
        original = ours[key]
        assert ast.unparse(function.args) == ast.unparse(original.args)
        assert ast.get_docstring(function) == ast.get_docstring(original)
        if key not in sheets.KEPT:
            assert isinstance(function.body[-1], ast.Raise)
            assert len(function.body) <= 2
    assert ast.get_docstring(ast.parse(sheet)) == ast.get_docstring(ast.parse(source))
    assert len(sheet) < len(source)


def test_a_head_of_several_lines():
    source = "def f(\n    a: int,\n    b: str = 'x',\n) -> int:\n    return 3\n"
    assert "return" not in sheets.make_sheet(source)
    ast.parse(sheets.make_sheet(source))


def test_a_sheet_runs_and_says_what_is_missing(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert sheets.main([str(folder)]) == 0
    done = subprocess.run(
        [sys.executable, str(folder / "sr_model.py")],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "is yours to write" in done.stderr
    assert sheets.main([str(folder)]) == 1
    assert "would be lost" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert sheets.main([str(tmp_path / "file")]) == 1
    assert "cannot be written to (it is a file); choose" in capsys.readouterr().err
