"""Programs of the tests, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_python(*arguments: object, **options) -> subprocess.CompletedProcess:
    """Run Python with arguments; return its exit code and its output as text."""
    options = {"capture_output": True, "text": True} | options
    return subprocess.run([sys.executable, *map(str, arguments)], **options)
