"""The start of a program: an error while libraries are loaded is one line, too."""

import os
import re
import runpy
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, run_python

MODEL = ["sr_model.py", "--filters", "4", "--blocks", "0"]
PROGRAMS = {
    "dataset": "sr_dataset.py --pan a.tif --xs b.tif --out_dir c".split(),
    "model": MODEL,
    "train": "sr_train.py --patches a --model_dir b".split(),
    "eval": "sr_eval.py --patches a --model_dir b --out_dir c".split(),
    "infer": "sr_infer.py --s2_images a.tif --model_dir b --out c.tif".split(),
    "check": "-m lesson.check 1 --patches a".split(),
    "demo": "-m demo.run --folder a".split(),
    "scene": "-m demo.scene a".split(),
}
CHECK_2 = "-m lesson.check 2 --scripts a".split()
# The library receives Ctrl-C while it is imported, and ignores the exception.
INTERRUPTED = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
except BaseException:
    pass
"""


@pytest.fixture
def start(tmp_path):
    """Start a program with other environment variables and libraries."""

    def run(words, libraries=None, streams=lambda: None, **variables):
        for name, code in (libraries or {}).items():
            (tmp_path / f"{name}.py").write_text(code)
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        return run_python(
            *(ROOT / word if word.startswith("sr_") else word for word in words),
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": "", "PYTHONPATH": path, **variables},
            errors="surrogateescape",
            preexec_fn=streams,
        )

    return run


def error(done) -> str:
    """Return the one line of a program that failed."""
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    return done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_ctrl_c_while_libraries_are_loaded(start, name):
    done = start(PROGRAMS[name], {"numpy": INTERRUPTED, "affine": INTERRUPTED})
    # TensorFlow imports NumPy while standard error is silent.
    assert done.returncode == 130 and done.stderr == "error: interrupted\n"


def test_a_terminal_shows_that_libraries_are_loaded(start):
    """They take seconds.  Files and pipes have results and errors only."""
    terminal, other_end = os.openpty()
    done = start(
        PROGRAMS["infer"],
        {"numpy": "print('loaded'); raise ImportError('enough')"},
        streams=lambda: os.dup2(other_end, 2),
    )
    assert done.stdout == "loaded\n" and done.returncode == 1
    lines = os.read(terminal, 10000).decode().splitlines()
    assert lines[0] == "loading the libraries" and "enough" in lines[1]


def test_ctrl_c_ends_a_program_although_nobody_reads_its_errors(start):
    done = start(MODEL, {"tensorflow": INTERRUPTED}, streams=lambda: unread(2))
    assert done.returncode == 130


def test_an_ignored_ctrl_c_stays_ignored(start):
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    libraries = {"sitecustomize": ignored, "affine": INTERRUPTED + "print('goes on')"}
    done = start(PROGRAMS["infer"], libraries)
    assert done.stdout == "goes on\n" and done.returncode == 1


BROKEN = {
    "libtf.so: failed to map segment": (
        "ImportError('Traceback (most recent call last):\\n  File x\\nImportError: "
        "libtf.so: failed to map segment\\n\\n\\nFailed to load the native runtime.')"
    ),
    "no attribute 'object'": "AttributeError(\"no attribute 'object'\")",
}


@pytest.mark.parametrize("words", [MODEL, CHECK_2], ids=["model", "check 2"])
@pytest.mark.parametrize(("reason", "exception"), BROKEN.items())
def test_a_tensorflow_that_does_not_load_is_one_line(start, words, reason, exception):
    line = error(start(words, {"tensorflow": f"raise {exception}"}))
    assert line.startswith(f"error: tensorflow cannot be loaded ({reason}); ")


def test_a_processor_without_avx_is_one_line(monkeypatch):
    """TensorFlow would abort the process, without a word."""
    monkeypatch.setattr(Path, "read_text", lambda path: "flags\t\t: fpu sse4_2\n")
    with pytest.raises(ImportError, match="the processor has no AVX"):
        runpy.run_path(str(ROOT / "srtools" / "tf.py"))
    for others in ("flags\t: sse avx\n", "Features\t: fp asimd\n"):
        monkeypatch.setattr(Path, "read_text", lambda path, text=others: text)
        assert runpy.run_path(str(ROOT / "srtools" / "tf.py"))["tf"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_library_that_is_not_installed_is_one_line(start, name):
    missing = "raise ModuleNotFoundError(\"No module named 'numpy'\", name='numpy')"
    line = error(start(PROGRAMS[name], {"numpy": missing, "affine": "import numpy"}))
    reason = f"numpy is not installed for {sys.executable}"
    assert line.startswith(f"error: {reason}; activate the environment")


def test_a_mistake_in_the_programs_keeps_its_traceback(start):
    for code in ("from srtools.files import nothing", "1 / 0"):
        done = start(PROGRAMS["infer"], {"numpy": code})
        assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_wrong_otb_root_is_one_line(start, tmp_path):
    root = str(tmp_path / "gone")
    line = error(start(PROGRAMS["infer"], OTB_ROOT=root))
    assert line.startswith("error: the Orfeo ToolBox cannot be loaded (")
    assert f"OTB_ROOT is {root}" in line


def test_the_backend_of_a_notebook_is_not_used(start):
    backend = "module://matplotlib_inline.backend_inline"
    done = start(PROGRAMS["dataset"], MPLBACKEND=backend)
    assert "Traceback" not in done.stderr


def test_windows_is_refused_with_advice(start):
    line = error(start(MODEL, {"fcntl": "raise ModuleNotFoundError('fcntl')"}))
    assert "WSL" in line and "Docker" in line


SCRIPT = """
import sys
from srtools.errors import one_line_errors, start
start()

@one_line_errors
def main(argv):
    if sys.argv[1:]:
        raise MemoryError("9 GiB")
    print("\\u2192", file=sys.stderr)
    print("20 \\xb5m \\u00b1 1", "\\udcff")
    return 0

sys.exit(main())
"""
PRINTS, FAILS = ["-c", SCRIPT], ["-c", SCRIPT, "fail"]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_letters_that_a_terminal_does_not_have_are_replaced(start, encoding):
    """Among them half a letter, of a file name in another encoding."""
    done = start(PRINTS, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert re.fullmatch(".*20 .*m .* 1 \\?\n", done.stdout, re.DOTALL)


def unread(number):
    """Make a stream a pipe that nobody reads any more, as in `| head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, number)


def full_disk():
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


NO_SPACE = "a file, or a folder such as /tmp (TMPDIR), cannot be used (No space left "
NO_SPACE += "on device); make room, or choose another folder"
STREAMS = {
    "help unread": (["sr_model.py", "--help"], lambda: unread(1), 141, ""),
    "result unread": (PRINTS, lambda: unread(1), 141, "?\n"),
    "error unread": (FAILS, lambda: unread(2), 1, ""),
    "full disk": (PRINTS, full_disk, 1, f"?\nerror: {NO_SPACE}\n"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_output_that_cannot_be_written(start, name):
    words, streams, code, errors = STREAMS[name]
    done = start(words, streams=streams, PYTHONIOENCODING="ascii", TMPDIR="/tmp")
    assert (done.returncode, done.stderr, done.stdout) == (code, errors, "")


def test_help_and_misuse_are_answered_before_anything_is_loaded(start):
    for name in ("dataset", "model", "train", "eval", "infer"):
        for option, code in (("--help", 0), ("--nonsense", 2)):
            done = start([*PROGRAMS[name], option], {"numpy": "1 / 0"})
            assert done.returncode == code and option in done.stdout + done.stderr


NOTEBOOK = """
import os, signal, sys
sys.ps1, sys.stdout = "In: ", None  # as IPython has it: a stream of its own
before = signal.getsignal(signal.SIGINT), sys.excepthook
from srtools.errors import start
start()
assert (signal.getsignal(signal.SIGINT), sys.excepthook) == before
assert sys.stdout is None and os.environ["MPLBACKEND"] == "inline"
"""


def test_a_notebook_that_runs_a_script_stays_as_it_is(start):
    done = start(["-c", NOTEBOOK], MPLBACKEND="inline")
    assert done.returncode == 0, done.stderr
