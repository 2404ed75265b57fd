"""A sheet is a script with blank marked functions; it runs when all are filled."""

import ast
import importlib
import importlib.util
import itertools
import re

import numpy as np
import pytest

from lesson import sheets
from srtools.conventions import BANDS
from tests import training_patches
from tests.processes import ROOT, run_python

SCENE = ROOT / "tests/otblite/conformance/a/in"
TAUGHT = {
    "sr_dataset": "stack make_pair pansharpen select_patches extract_patches",
    "sr_model": "normalize_inputs get_outputs residual_block zoom_by_2",
    "sr_train": "compiled early_stopping",
    "sr_eval": "enlarge errors_of_patches mean_over_patches",
    "sr_infer": "put_on_lr_grid serve",
}
# Their libraries keep the streams that exist when they are imported.
SCRIPTS = [importlib.import_module(name) for name in TAUGHT]


def source_of(name: str) -> str:
    return (ROOT / f"{name}.py").read_text()


def fill(sheet: str, source: str, name: str) -> str:
    """Write the solution of one function into a sheet; or these lines, if one has no
    functions."""
    texts = []
    for text in (sheet, source):
        if "def " not in text:
            texts.append((text.splitlines(), (0, None)))
            continue
        function = next(f for f in sheets.exercises(text) if f.name == name)
        texts.append((text.splitlines(), sheets.body_of(function)))
    (lines, (first, last)), (solution, (begin, end)) = texts
    lines[first:last] = solution[begin:end]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", TAUGHT)
def test_the_functions_of_the_lesson_are_blank_and_no_others(name):
    source = source_of(name)
    sheet = sheets.make_sheet(source, "page.md")
    blanks = sheets.exercises(sheet)
    assert [function.name for function in blanks] == TAUGHT[name].split()
    for function, original in zip(blanks, sheets.exercises(source), strict=True):
        assert ast.unparse(function.args) == ast.unparse(original.args)
        assert ast.get_docstring(function) == ast.get_docstring(original)
        assert ast.unparse(function.body[1:]) == (
            f"raise SRError('{function.name} is yours to write: page.md')"
        )
        sheet = fill(sheet, source, function.name)
    plain = re.sub(r' *@result\(".*"\)\n', "", sheet).replace(sheets.IMPORT, "")
    assert plain == source.replace(sheets.ERRORS, f"{sheets.ERRORS}SRError, ")


@pytest.fixture
def arguments(tmp_path, patches, write_raster, repeating_model) -> dict[str, list[str]]:
    """Options of a short run of each script."""
    counter = itertools.count()
    files = [str(SCENE / f"{band}.tif") for band in BANDS]
    lr = np.random.default_rng(0).integers(100, 5000, (2, 8, 8, 4))
    patches("test", lr, lr.repeat(4, axis=1).repeat(4, axis=2))
    pair = ["--pan", str(SCENE / "pan.tif"), "--xs", str(SCENE / "xs.tif")]
    pair += ["--split", "interleaved", "--patch_size", "8", "--s2_images", *files]
    training = training_patches.write_folder(tmp_path / "patches")
    image = write_raster("s2.tif", lr[0].astype(np.uint16), spacing=10.0)
    model = ["--model_dir", repeating_model]
    options = {
        "sr_dataset": lambda out: [*pair, "--out_dir", out],
        "sr_model": lambda out: ["--filters", "4", "--blocks", "1"],
        "sr_train": lambda out: [
            *("--patches", str(training), "--model_dir", out, "--nb_epochs", "1"),
            *training_patches.TINY,
        ],
        "sr_eval": lambda out: ["--patches", str(tmp_path), *model, "--out_dir", out],
        "sr_infer": lambda out: ["--s2_images", image, *model, "--out", f"{out}.tif"],
    }
    return lambda name: options[name](str(tmp_path / f"out{next(counter)}"))


@pytest.mark.parametrize("name", TAUGHT)
def test_a_sheet_names_blanks_until_all_are_filled(name, arguments, tmp_path, capsys):
    source, page = source_of(name), sheets.PAGES[name]
    sheet, left = sheets.make_sheet(source, page), TAUGHT[name].split()
    while True:
        code, error = run(sheet, name, arguments, tmp_path), capsys.readouterr().err
        if code == 0:
            break
        (line,) = [line for line in error.splitlines() if line.startswith("error: ")]
        blank = line.removeprefix("error: ").split()[0]
        assert line == f"error: {blank} is yours to write: {page}"
        left.remove(blank)
        sheet = fill(sheet, source, blank)
        half = "    " * (blank in ("normalize_inputs", "get_outputs")) + "    pass"
        assert run(fill(sheet, half, blank), name, arguments, tmp_path) == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("error: ")
        if f'@result("{page}")\ndef {blank}(' in re.sub(r"\n +", "\n", sheet):
            assert line == (
                f"error: {blank} returned None; return what its docstring says: {page}"
            )
    assert left == []


def run(sheet: str, name: str, arguments, folder) -> int:
    """Run a sheet with its arguments; return its exit code."""
    path = folder / f"{name}.py"
    path.write_text(sheet)
    spec = importlib.util.spec_from_file_location(f"sheet_of_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main(arguments(name))


def test_sheets_are_written_once(tmp_path, capsys):
    folder = tmp_path / "my sheets"
    assert sheets.main([str(folder)]) == 0
    printed = capsys.readouterr().out
    assert f"{folder}/sr_infer.py: put_on_lr_grid, serve\n" in printed
    assert f"PYTHONPATH=. python '{folder}/sr_model.py'\n" in printed
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = run_python(folder / "sr_model.py", env=environment)
    assert done.returncode == 1
    assert done.stderr == "error: normalize_inputs is yours to write: docs/2-model.md\n"
    assert sheets.main([str(folder)]) == 1
    assert "would be lost" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert sheets.main([str(tmp_path / "file")]) == 1
    assert "cannot be written to (it is a file); choose" in capsys.readouterr().err
