"""A terminal for the commands on the pages, and one run of `make demo` for all."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes import ROOT

# A process for each command, without the time to load the libraries.
SERVER = """
import os, runpy, sys, traceback
import lesson.check, sr_dataset, sr_eval, sr_infer, sr_train
for name in [name for name in sys.modules if name.startswith("sr_")]:
    del sys.modules[name]  # those beside the script count
while True:
    with open("asked") as asked:
        sys.argv = asked.read().split("\\0")[:-1]
    if not os.fork():
        code = 0
        try:
            if sys.argv[0] == "-m":
                sys.argv.pop(0)
                runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
            else:
                sys.path.insert(0, os.path.dirname(os.path.realpath(sys.argv[0])))
                runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            code = traceback.print_exc() or 1
        sys.stdout.flush()
        os._exit(code)  # to unload the libraries takes longer than most commands
    with open("answered", "w") as answered:
        print(os.waitstatus_to_exitcode(os.wait()[1]), file=answered)
"""
# Scenes are small, trainings short, ports free; the demo's archive replaces others.
PYTHON = f"""
case "$*" in
    *demo.scene*) set -- "$@" --size 768 ;;
    *demo.run*) set -- "$@" --size 768 --nb_epochs 10 ;;
    *demo.server*)
        mkfifo $$.fifo
        "{sys.executable}" "$@" --port 0 > $$.fifo &
        read -r _ _ url _ < $$.fifo
        echo "$url" > stac_url
        exit ;;
    *--help | *--s2_images*) ;;
    sr_train.py*) set -- "$@" --nb_epochs 2 --filters 8 --blocks 1 ;;
    sr_dataset.py* | sr_infer.py*) set -- "$@" --stac_url "$(cat stac_url)" ;;
esac
printf '%s\\0' "$@" > asked
read -r code < answered
exit "$code"
"""
PROGRAMS = {
    "python": PYTHON,
    "server.py": SERVER,
    "make": f'exec /usr/bin/make -sf {ROOT}/Makefile VENV=. -o ./installed "$@"',
    "tensorboard": 'exec python -m tensorboard.main --inspect "$@"',
}


def bash(folder: Path, commands: str) -> tuple[str, list[str]]:
    """Type commands in a folder; return what they print, and those that fail."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, text in PROGRAMS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (folder / "bin" / name).chmod(0o755)
    for script in ROOT.glob("sr_*.py"):
        if not (folder / script.name).exists():
            (folder / script.name).symlink_to(script)
    path = f"{folder}/bin:{Path(sys.executable).parent}:/usr/bin:/bin"
    start = f"mkfifo asked answered; '{sys.executable}' bin/server.py || kill 0 &\n"
    start += "trap 'trap : TERM; kill 0' EXIT\n"  # servers end with the terminal
    start += "trap 'echo \"\nFAILED: $BASH_COMMAND\"' ERR\n"
    with open(folder / "printed", "w") as printed:
        process = subprocess.Popen(
            ["bash", "-Euc", start + commands],
            cwd=folder,
            env={"PATH": path, "PYTHONPATH": f"{ROOT}:{ROOT}/otblite", "HOME": folder},
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            assert process.wait(timeout=1800) >= 0
        finally:
            with suppress(ProcessLookupError):  # the terminal has ended its servers
                os.killpg(process.pid, signal.SIGKILL)
    text = (folder / "printed").read_text()
    return text, re.findall(r"^FAILED: (.*)", text, re.M)


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """Return a function that fills a folder once for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent

    def fill_once(name: str, fill) -> Path:
        folder = base / name
        folder.mkdir(exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "filled").exists():
                fill(folder)
                (folder / "filled").touch()
        return folder

    return fill_once


@pytest.fixture(scope="session")
def demo(once) -> Path:
    """Folder in which `make demo` ran, on a small scene."""

    def make(folder: Path) -> None:
        printed, failed = bash(folder, "make demo")
        assert not failed and "super-resolution is +" in printed, printed

    return once("demo", make)
