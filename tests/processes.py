"""Programs of the tests, each in a process of its own."""

import select
import subprocess
import sys
from pathlib import Path

from srtools import signals

ROOT = Path(__file__).parents[1]


def run_python(*arguments: object, **options) -> subprocess.CompletedProcess:
    """Run Python with arguments; return its exit code and its output as text."""
    options = {"capture_output": True, "text": True} | options
    return subprocess.run([sys.executable, *map(str, arguments)], **options)


def expect_notice(process: subprocess.Popen) -> None:
    """Wait for the answer to a first signal, on stderr."""
    assert select.select([process.stderr], [], [], 60)[0], "the signal is not answered"
    assert process.stderr.readline() == signals.NOTICE.decode()
