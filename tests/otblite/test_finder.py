"""The import hook must never hide a real OTB, and must cost nothing."""

import os
import subprocess
import sys

import pytest

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
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fake(folder, package=False):
    """Put something called `otbApplication` and `otbtf` into a folder."""
    for name in MODULES:
        path = folder / name / "__init__.py" if package else folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return folder


def test_stand_in_where_there_is_nothing_else():
    for origin, name in zip(run(WHERE).split(), MODULES, strict=True):
        assert os.path.join("otblite", "bindings", name) in origin


@pytest.mark.parametrize("package", [False, True])
def test_a_real_one_on_pythonpath_wins(tmp_path, package):
    fake(tmp_path, package)
    for origin in run(WHERE, PYTHONPATH=tmp_path).split():
        assert origin.startswith(str(tmp_path))


@pytest.mark.parametrize("place", ["sys.path.insert(0, {!r})", "sys.path.append({!r})"])
def test_a_real_one_anywhere_on_the_path_wins(tmp_path, place):
    """Even at the very end, added after the hook was installed."""
    fake(tmp_path)
    code = "import sys; " + place.format(str(tmp_path)) + WHERE
    for origin in run(code).split():
        assert origin.startswith(str(tmp_path))


def test_a_broken_real_one_is_not_replaced(tmp_path):
    """Whoever has an OTB that cannot be loaded must see why."""
    (tmp_path / "otbApplication.py").write_text("raise ImportError('libOTB.so')")
    code = """
try:
    import otbApplication
except ImportError as error:
    print(error)
"""
    assert run(code, PYTHONPATH=tmp_path) == "libOTB.so"


@pytest.mark.parametrize("value", ["1", "0", ""])
def test_who_asks_for_it_has_it(tmp_path, value):
    """Beside one on the path, and one in OTB_ROOT."""
    fake(tmp_path)
    fake(tmp_path / "lib/python")
    places = {"PYTHONPATH": tmp_path, "OTB_ROOT": tmp_path}
    for origin in run(WHERE, OTBLITE=value, **places).split():
        assert (os.path.join("otblite", "bindings") in origin) is (value == "1")


def test_the_report_names_the_engine(tmp_path):
    """`python -m otblite`, on otblite, beside another OTB, and a broken one."""
    code = "import runpy; runpy.run_module('otblite', run_name='__main__')"
    code = f"try:\n    {code}\nexcept SystemExit as end:\n    assert end.code == 0"
    told = run(code)
    for word in ("engine       otblite", "otbtf        of otblite", "pyotb", "GDAL"):
        assert word in told
    (tmp_path / "otbApplication.py").write_text(
        "class Registry:\n    GetAvailableApplications = lambda: ('Mosaic',)\n"
    )
    real = run(code, PYTHONPATH=tmp_path)
    assert f"Orfeo ToolBox at {tmp_path}, 1 applications, without those" in real
    assert "engine       otblite" in run(code, PYTHONPATH=tmp_path, OTBLITE="1")
    (tmp_path / "otbApplication.py").write_text("raise ImportError('libOTB.so')")
    assert "that cannot be loaded (libOTB.so)" in run(code, PYTHONPATH=tmp_path)


@pytest.mark.parametrize("folder", ["lib/python", "lib/otb/python"])
def test_stands_aside_for_otb_root(tmp_path, folder):
    """Pyotb puts these folders on the path itself, after a first failed import."""
    fake(tmp_path / folder)
    assert run(WHERE, OTB_ROOT=tmp_path).split() == ["None", "None"]


def test_stands_aside_for_an_otb_in_the_home_folder(tmp_path):
    fake(tmp_path / "Applications/OTB-9.1/lib/python")
    assert run(WHERE, HOME=tmp_path).split() == ["None", "None"]


def test_otb_root_without_bindings_is_no_otb(tmp_path):
    (tmp_path / "lib").mkdir()
    assert "None" not in run(WHERE, OTB_ROOT=tmp_path)


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


def test_installed_once_and_last():
    code = """
import sys
import otblite.finder
for _ in range(3):
    otblite.finder.install()
print(sys.meta_path.count(otblite.finder.LastResort))
print(sys.meta_path[-1] is otblite.finder.LastResort)
"""
    assert run(code).split() == ["1", "True"]


def test_nothing_heavy_is_imported_at_start_up():
    code = """
import sys
import otblite
heavy = ("numpy", "rasterio", "scipy", "tensorflow", "affine", "tqdm", "pathlib")
print([name for name in heavy if name in sys.modules])
"""
    assert run(code) == "[]"


def test_other_names_are_left_alone():
    code = """
import importlib.util
print(importlib.util.find_spec("otbApplications"), importlib.util.find_spec("otb"))
"""
    assert run(code) == "None None"
