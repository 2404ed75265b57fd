"""One image on a Dask cluster: each worker makes a share of the pieces."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from srtools.errors import SRError

log = logging.getLogger(__name__)


def run_shares(address: str, script: str, arguments: list[str]) -> None:
    """Run a script once on each worker of a Dask cluster, with `--part`.

    Python and all files must have the same paths on all machines.  `arguments` are
    those of the script, with `--dask`, which the workers do not get.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SRError("--dask needs a package: pip install distributed") from None
    own = "--dask", address, f"--dask={address}"
    arguments = [text for text in arguments if text not in own]
    command = [sys.executable, str(Path(script).resolve()), *arguments, "--part"]
    # `subprocess.run`, because the workers cannot import functions of the scripts.
    how = {"cwd": os.getcwd(), "capture_output": True, "text": True, "pure": False}
    try:
        with Client(address, timeout=20) as client:
            parts = len(client.scheduler_info(n_workers=-1)["workers"])
            log.info("%d workers share the pieces", parts)
            commands = [[*command, f"{part}/{parts}"] for part in range(1, parts + 1)]
            shares = [client.submit(subprocess.run, each, **how) for each in commands]
            results = client.gather(shares)
    except Exception as error:  # Dask raises many kinds
        raise SRError(
            f"the Dask cluster {address} failed ({type(error).__name__}: {error}); "
            "start `dask scheduler` and `dask worker`; the same command, run again, "
            "keeps the pieces that are complete"
        ) from None
    for result in results:
        if result.returncode:
            lines = result.stderr.strip().splitlines() or ["no message"]
            raise SRError(
                f"a worker ended with exit code {result.returncode}: {lines[-1]}; the "
                "same command, run again, keeps the pieces that are complete"
            )
