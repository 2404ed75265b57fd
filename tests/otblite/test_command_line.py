"""The programs `otbcli_*`, and the package that installs them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import otblite
import pytest
from otblite import command_line
from otblite.applications import APPLICATIONS

from tests.processes import ROOT, run_python

LAUNCHER = shutil.which("otbApplicationLauncherCommandLine")


@pytest.fixture
def run(tmp_path, xs):
    """Run an application with words, IN and OUT being files; return the exit code.

    If Debian's OTB is installed, its program runs as well and must end alike.
    """

    def run(name: str, words: str, alike: bool = True) -> int:
        def arguments(out):
            named = words.replace("IN", xs).replace("OUT", f"{tmp_path}/{out}")
            return named.split()

        code = command_line.run(name, arguments("out.tif"))
        if LAUNCHER and alike:
            clean = {k: v for k, v in os.environ.items() if k != "OTB_APPLICATION_PATH"}
            program = Path(LAUNCHER).with_name(f"otbcli_{name}")
            command = [program, *arguments("debian.tif")]
            assert subprocess.run(command, env=clean).returncode == code
        return code

    return run


@pytest.mark.parametrize(
    ("name", "words", "dtype", "shape"),
    [
        ("ExtractROI", "-in IN -out OUT uint16 -startx 3 -sizex 2", "uint16", (6, 2)),
        ("ExtractROI", "-in IN -out OUT -mode fit -mode.fit.im IN", "float32", (6, 8)),
        ("ExtractROI", "-in IN -out OUT?&box=0:0:3:2 int16", "int16", (2, 3)),
        ("ConcatenateImages", "-progress false -il IN IN -out OUT", "float32", (6, 8)),
        ("Superimpose", "-inr IN -inm IN -fv -5 -out OUT double", "float64", (6, 8)),
    ],
)
def test_images_are_written(name, words, dtype, shape, run, tmp_path, pixels):
    assert run(name, words) == 0
    written = pixels(tmp_path / "out.tif")
    assert written.dtype == dtype and written.shape[:2] == shape
    if LAUNCHER:
        np.testing.assert_array_equal(pixels(tmp_path / "debian.tif"), written)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "ERROR: Waiting for at least one parameter.*MISSING -in"),
        ("-in IN", "ERROR: Missing mandatory parameter -out.*MISSING -out"),
        ("-in -out OUT", "ERROR: No value associated to parameter -in"),
        ("-in IN -nope 3", "ERROR: Parameter -nope does not exist"),
        ("IN -in IN", "comes before any parameter"),
        ("-in IN -out OUT uint99", "ERROR: Invalid output type .*uint99"),
        ("-in no.tif -out OUT", "ExtractROI: no.tif: no such file"),
        ("-in IN -out OUT -ram x", "a number is expected, got 'x'"),  # 0 in OTB
    ],
)
def test_misuse_ends_with_1(words, message, run, tmp_path, capsys, caplog):
    assert run("ExtractROI", words, "ram" not in words) == 1
    assert re.search(message, capsys.readouterr().err + caplog.text, re.DOTALL)
    assert not (tmp_path / "out.tif").exists()


def test_help_values_and_parameters_in_a_file(run, tmp_path, capsys):
    assert run("Nope", "", alike=False) == 1
    xml = tmp_path / "a.xml"
    assert run("PixelValue", f"-in IN -coordx 2 -coordy 1 -outxml {xml}", False) == 0
    value = capsys.readouterr().out
    assert re.search(r"^value: \[\d+, \d+, \d+, \d+\]$", value, re.MULTILINE)
    assert run("PixelValue", f"-inxml {xml}", False) == 0
    assert capsys.readouterr().out == value
    for words, count in ("-help", 14), ("-help fv", 2), ("-version", 1):
        assert run("Superimpose", words, alike=False) == 0
        assert len(capsys.readouterr().out.strip().splitlines()) == count


def test_the_program_of_a_real_otb_is_run_instead(tmp_path, monkeypatch):
    real = tmp_path / "otbcli_Mosaic"
    real.touch(0o755)
    monkeypatch.setattr(sys, "argv", ["/venv/bin/otbcli_Mosaic", "-help"])
    monkeypatch.setattr(os, "execv", lambda *command: pytest.fail(str(command)))
    for path, choice in (("/nowhere", ""), (str(tmp_path), "1")):
        monkeypatch.setenv("PATH", path)
        monkeypatch.setenv("OTBLITE", choice)
        assert command_line.main() == 0
    monkeypatch.setenv("OTBLITE", "")
    with pytest.raises(pytest.fail.Exception, match=str(real)):
        command_line.main()


@pytest.mark.slow
def test_the_package_is_built_and_installed(tmp_path, monkeypatch, xs):
    """The wheel from the source distribution, as a package index gets them."""
    hatchling = pytest.importorskip("hatchling.build")
    monkeypatch.chdir(ROOT / "otblite")
    source, lib = tmp_path / hatchling.build_sdist(str(tmp_path)), tmp_path / "lib"
    options = ("--no-build-isolation", "--no-deps", "--no-index")
    for command in (
        ("wheel", "-w", tmp_path / "direct", ROOT / "otblite"),
        ("wheel", "-w", tmp_path, source),
        ("install", "--target", lib, "--find-links", tmp_path, "otblite"),
    ):
        done = run_python("-m", "pip", *command, *options)
        assert done.returncode == 0, done.stderr
    (metadata,) = lib.glob("*.dist-info")
    assert (metadata / "licenses/LICENSE").exists()
    text = (metadata / "METADATA").read_text()
    assert f"\nVersion: {otblite.__version__}\n" in text
    assert "\nRequires-Dist: affine<4,>=3.0\n" in text
    programs = {path.name for path in (lib / "bin").iterdir()}
    assert programs == {"otbcli", *(f"otbcli_{name}" for name in APPLICATIONS)}
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(lib), "OTBLITE": "1"}
    code = f"import site; site.addsitedir({str(lib)!r}); "
    code += "import otbApplication as o; print(o.__file__)"
    done = run_python("-c", code, env=clean, cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(lib), done.stderr
    command = [lib / "bin" / "otbcli_ExtractROI", "-in", xs, "-out", tmp_path / "a.tif"]
    assert subprocess.run(command, env=clean).returncode == 0
    assert (tmp_path / "a.tif").exists()
