"""Signals while the engine works: they wait, and then the script ends as usual."""

import signal
import subprocess
import sys
import threading

import pytest

from srtools import signals
from tests.processes import ROOT, expect_notice

# The engine is a mutex: no handler of Python runs until a thread unlocks it.
SCRIPT = """
import ctypes, sys, threading
from pathlib import Path
from srtools import engine, errors, files

mutex, library = ctypes.create_string_buffer(256), ctypes.CDLL(None)
library.pthread_mutex_lock(mutex)

def unlock():
    sys.stdin.readline()
    library.pthread_mutex_unlock(mutex)

@errors.one_line_errors
def main(argv):
    with files.whole_files([Path(argv[0]) / "a.tif"]) as partial:
        with engine.engine_errors("working"):
            print("busy", flush=True)
            threading.Thread(target=unlock, daemon=True).start()
            library.pthread_mutex_lock(mutex)  # the signal comes, and then the line
            print("done", flush=True)
        print("gone on", flush=True)
        sys.stdin.readline()  # the signal comes
    return 0

sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def script(tmp_path):
    """Start a script; its engine works until a line is sent."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == "busy\n"
        assert list(tmp_path.iterdir())
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_a_signal_waits_until_the_engine_returns(script, tmp_path, number, word):
    script.send_signal(number)
    expect_notice(script)
    assert script.poll() is None
    output, errors = script.communicate("\n", timeout=60)
    assert script.returncode == 128 + number
    assert output == "done\n" and errors == f"error: {word}\n"
    assert not list(tmp_path.iterdir())


def test_a_terminated_script_leaves_nothing_half_written(script, tmp_path):
    script.stdin.write("\n")
    script.stdin.flush()
    assert [script.stdout.readline() for _ in range(2)] == ["done\n", "gone on\n"]
    script.send_signal(signal.SIGTERM)
    assert script.wait(timeout=60) == 128 + signal.SIGTERM
    assert script.stderr.read() == "error: terminated\n"
    assert not list(tmp_path.iterdir())


def test_a_second_signal_does_not_wait(script):
    script.send_signal(signal.SIGTERM)
    expect_notice(script)
    script.send_signal(signal.SIGTERM)
    assert script.wait(timeout=60) == 128 + signal.SIGTERM
    assert script.stderr.read() == "error: interrupted\n"


def test_a_signal_sent_twice_at_once_counts_as_one(script, tmp_path):
    """The command `timeout` does that."""
    script.send_signal(signal.SIGSTOP)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        script.send_signal(number)
    expect_notice(script)
    script.communicate("\n", timeout=60)
    assert script.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert not list(tmp_path.iterdir())


def test_blocks_inside_each_other_end_with_the_outer_one():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        with signals.deferred():
            with signals.deferred():
                signal.raise_signal(signal.SIGINT)
            inner_left = True
    assert inner_left and signals.take() is None
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.deferred():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_threads_leave_the_handlers_alone():
    handlers = []

    def work():
        with signals.deferred():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
