"""Time and memory of a command, measured in a separate process.

Run as a script it is the small process that starts the command: on Linux a new
process begins with the peak memory of the one that started it.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """Resources that a command used, child processes included."""

    seconds: float
    """By the clock on the wall."""
    cpu_seconds: float
    """Processor time of all threads, user and system mode."""
    peak_bytes: int
    """Largest resident memory of the command, or of one that it waited for."""


class CommandError(RuntimeError):
    """A command that failed."""


def run(command: list[str], folder: str | Path | None = None, **variables) -> Usage:
    """Run a command to its end and measure it; its output is not shown.

    Arguments:
        command: program and arguments.
        folder: where it runs.
        variables: of the environment, on top of the present ones.

    Raises:
        CommandError: with the last lines it printed, if it fails.
    """
    announce(" ".join(Path(str(word)).name for word in command[1:8]).split("\n")[0])
    launcher = [sys.executable, "-I", "-S", __file__, *map(str, command)]
    done = subprocess.run(
        launcher,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    *printed, report = done.stdout.rstrip().splitlines() or [""]
    if done.returncode:
        last = " | ".join([*printed, report][-3:])
        raise CommandError(f"{' '.join(map(str, command[:3]))} failed: {last}")
    return Usage(**json.loads(report))


def announce(text: str) -> None:
    """Print on stderr what is measured from now on."""
    print(f"  ... {text}"[:100], file=sys.stderr, flush=True)


def first_line(script: str, folder: str | Path) -> float:
    """Return the seconds until a script writes to a terminal, and end it."""
    reading, terminal = os.openpty()
    start, names = time.monotonic(), {"stdout": terminal, "stderr": terminal}
    with subprocess.Popen(
        [sys.executable, *script.split()], cwd=folder, **names
    ) as run:
        os.read(reading, 1)
        seconds = time.monotonic() - start
        run.kill()
    os.close(reading)
    os.close(terminal)
    return seconds


def _measure(command: list[str]) -> int:
    """Run a command and print its resources as the last line."""
    start = time.monotonic()
    child = subprocess.Popen(command)
    _, status, used = os.wait4(child.pid, 0)
    usage = {
        "seconds": time.monotonic() - start,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        # Linux counts in units of 1024 bytes, macOS in bytes.
        "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode == 0:
        print(f"\n{json.dumps(usage)}", flush=True)
    return abs(child.returncode)


if __name__ == "__main__":
    sys.exit(_measure(sys.argv[1:]))
