"""The whole course at once, and a script of it that ends early."""

import signal

import pytest

from demo import run
from srtools.errors import SRError

SCRIPT = """
import os, signal, time
from pathlib import Path

try:
    os.kill(os.getppid(), signal.SIGINT)  # Ctrl-C reaches both
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)  # longer than Popen would wait
    Path("saved").touch()
    raise SystemExit(130)
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "ROOT", tmp_path)

    def write(code):
        (tmp_path / "script.py").write_text(code)
        return "script.py"

    return write


def test_an_interrupted_script_saves_what_it_has(script, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit, match="130"):
        run.run(script(SCRIPT))
    assert (tmp_path / "saved").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_script_that_fails_ends_the_demo(script):
    with pytest.raises(SRError, match="script.py ended with exit code 3; see above"):
        run.run(script("raise SystemExit(3)"))
    run.run(script("import sys; assert sys.argv[1:] == []"))
