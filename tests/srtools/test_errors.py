"""Errors: how a script ends when it does not end by itself."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from srtools import errors

SCRIPT = """
import sys
from pathlib import Path
from srtools import files, cards; from srtools import errors

@errors.one_line_errors
def main(argv):
    with files.whole_files([Path(argv[0]) / "a.tif"]) as partial:
        (partial / "a.tif").write_text("half")
        print("busy", flush=True)
        sys.stdin.read()  # until the signal comes
    return 0

sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_is_one_line(capsys):
    @errors.one_line_errors
    def main(argv):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/pair.png")

    assert main([]) == 1
    assert capsys.readouterr().err == (
        "error: out/pair.png cannot be written (No space left on device); make room, "
        "or choose another folder\n"
    )


def test_other_errors_of_the_system_keep_their_traceback():
    @errors.one_line_errors
    def main(argv):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    with pytest.raises(OSError, match="Bad file descriptor"):
        main([])


def test_a_terminated_script_leaves_nothing_half_written(tmp_path):
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path],
        cwd=root,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == "busy\n"
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
        assert process.stderr.read() == "error: terminated\n"
    assert not list(tmp_path.iterdir())
