"""Trouble on otblite and on the real OTB: the same behaviour."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.processes import expect_notice, run_python
from tests.real_otb import engines, trouble


@pytest.fixture(
    params=[
        "otblite",
        pytest.param("OTB", marks=[pytest.mark.real_otb, engines.needs("OTB")]),
    ]
)
def engine(request) -> str:
    return request.param


def run(engine: str, block: str, *arguments: object, **variables: str):
    """Run a block in a process on an engine, for ten minutes at most."""
    environment = engines.environment(engine, **variables)
    arguments = trouble.__file__, block, *arguments
    done = run_python(*arguments, env=environment, timeout=600)
    assert ("otblite" in done.stdout) == (engine == "otblite")
    return done


def test_a_token_is_not_printed(engine, tmp_path):
    """GDAL quotes links in its warnings, of each attempt."""
    quick = {"GDAL_HTTP_MAX_RETRY": "2", "GDAL_HTTP_RETRY_DELAY": "0.01"}
    done = run(engine, "signed_link", tmp_path, 403, 500, **quick, CPL_DEBUG="ON")
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and all("stacking failed: " in line for line in lines)
    assert "secret7" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a small disk")
def test_a_piece_on_a_full_disk(engine, tmp_path):
    """The engine returns, and the file is refused."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted")
    try:
        done = run(engine, "no_room", tmp_path, 0, 4096, 8192, 400_000)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
    refused = re.findall(
        "^error: .*(not written completely|writing failed)", done.stderr, re.M
    )
    assert len(refused) == 4, done.stderr


def test_a_second_signal_while_the_engine_computes(engine, tmp_path):
    """The first one is reported at once, the second one ends the process."""
    process = subprocess.Popen(
        [sys.executable, trouble.__file__, "busy", tmp_path, "60"],
        env=engines.environment(engine),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGTERM)
        expect_notice(process)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (
        128 + signal.SIGTERM,
        "error: interrupted\n",
    )
    assert "done" not in output
