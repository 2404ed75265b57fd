"""The import hook must never hide a real OTB, and must cost nothing."""

import os
import runpy
import sys

import pytest

from tests.processes import run_python

MODULES = ("otbApplication", "otbtf")
WHERE = """
import importlib.util, sys
for name in ("otbApplication", "otbtf"):
    spec = importlib.util.find_spec(name)
    print(spec.origin if spec else None)
"""


def run(code: str, **environment) -> str:
    """Run code in a fresh interpreter that knows only this environment."""
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    clean |= {key: str(value) for key, value in environment.items()}
    done = run_python("-c", code, env=clean)
    assert done.returncode == 0 and done.stdout, done.stderr
    return done.stdout.strip()


OTBLITE = os.path.join("otblite", "bindings")


def fake(folder, package=False):
    """Write empty modules `otbApplication` and `otbtf` into a folder."""
    for name in MODULES:
        path = folder / name / "__init__.py" if package else folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return str(folder)


def origins(code="", **environment) -> list[str]:
    """Return the file of each of the two modules."""
    files = run(code + WHERE, **environment).split()
    assert len(files) == len(MODULES)
    return files


def test_stand_in_where_there_is_nothing_else(tmp_path):
    (tmp_path / "lib").mkdir()
    for environment in ({}, {"OTB_ROOT": tmp_path}):
        for origin, name in zip(origins(**environment), MODULES, strict=True):
            assert os.path.join(OTBLITE, name) in origin


@pytest.mark.parametrize("package", [False, True])
@pytest.mark.parametrize(
    "place", ["", "sys.path.insert(0, {!r})", "sys.path.append({!r})"]
)
def test_a_real_one_anywhere_on_the_path_wins(tmp_path, package, place):
    """Even at the very end, added after the hook was installed."""
    folder = fake(tmp_path, package)
    code = f"import sys; {place.format(folder)}\n"
    environment = {} if place else {"PYTHONPATH": folder}
    assert all(origin.startswith(folder) for origin in origins(code, **environment))


@pytest.mark.parametrize("value", ["1", "0", ""])
def test_the_environment_chooses_otblite(tmp_path, value):
    fake(tmp_path)
    fake(tmp_path / "lib/python")
    places = {"PYTHONPATH": tmp_path, "OTB_ROOT": tmp_path}
    for origin in origins(OTBLITE=value, **places):
        assert (OTBLITE in origin) is (value == "1")


def test_the_report_names_the_engine(monkeypatch, capsys):
    """In this process, which has loaded TensorFlow."""
    monkeypatch.setattr(sys, "argv", ["otblite"])
    monkeypatch.delitem(sys.modules, "otblite.__main__", raising=False)
    with pytest.raises(SystemExit, match="^0$"):
        runpy.run_module("otblite", run_name="__main__")
    report = capsys.readouterr().out
    for word in ("engine       otblite", "otbtf        of otblite", "pyotb", "GDAL"):
        assert word in report


@pytest.mark.parametrize(
    ("content", "value", "words"),
    [
        (
            "class Registry:\n    GetAvailableApplications = lambda: ('Mosaic',)\n",
            "",
            "Orfeo ToolBox at {}, 1 applications, without those of OTBTF",
        ),
        ("raise ImportError('libOTB.so')", "", "that cannot be loaded (libOTB.so)"),
        ("raise ImportError('libOTB.so')", "1", "otblite 0"),
    ],
)
def test_engine_beside_another_otb(content, value, words, tmp_path):
    (tmp_path / "otbApplication.py").write_text(content)
    code = "from otblite.__main__ import engine; print(engine())"
    description = run(code, PYTHONPATH=tmp_path, OTBLITE=value)
    assert words.format(tmp_path) in description


@pytest.mark.parametrize(
    ("folder", "variable"),
    [
        ("lib/python", "OTB_ROOT"),
        ("lib/otb/python", "OTB_ROOT"),
        ("Applications/OTB-9.1/lib/python", "HOME"),
    ],
)
def test_stands_aside_for_an_otb_that_pyotb_finds(tmp_path, folder, variable):
    """Pyotb puts these folders on the path itself, after a first failed import."""
    fake(tmp_path / folder)
    assert origins(**{variable: tmp_path}) == ["None", "None"]


def test_the_hook_is_last_and_imports_nothing_heavy():
    code = """
import importlib.util
import sys
import otblite.finder
for _ in range(3):
    otblite.finder.install()
assert not importlib.util.find_spec("otbApplications")
heavy = ("numpy", "rasterio", "scipy", "tensorflow", "affine", "tqdm", "pathlib")
print(sys.meta_path.count(otblite.finder.LastResort))
print(sys.meta_path[-1] is otblite.finder.LastResort)
print([name for name in heavy if name in sys.modules])
"""
    assert run(code).split() == ["1", "True", "[]"]


def test_home_may_be_unknown():
    """Some containers run under a user id that has no home."""
    code = f"""
import os, pathlib
def fail(*_):
    raise RuntimeError("no home")
pathlib.Path.home = fail
os.path.expanduser = lambda path: path
{WHERE}
"""
    assert "otblite" in run(code)
