"""One image over many machines: each makes a share of the pieces."""

import logging
import subprocess
import sys

from srtools.errors import SRError

log = logging.getLogger(__name__)


def run_share(script: str, arguments: list[str], part: int, parts: int) -> str:
    """Make one share in a process of its own; give what it said if it failed."""
    command = [sys.executable, script, *arguments, "--part", f"{part}/{parts}"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def over_dask(address: str, script: str, arguments: list[str]) -> None:
    """Have the workers of a Dask cluster make all pieces, one share each.

    They need the same paths: the scripts, the images and the output on a shared disk.

    Arguments:
        address: of the scheduler, for instance tcp://host:8786.
        script: what they run.
        arguments: of its command line.

    Raises:
        SRError: if the cluster cannot be reached, or a share fails.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SRError("--dask needs a package: pip install distributed") from None
    # What is only for the one who spreads the work.
    index = next(i for i, text in enumerate(arguments) if text.startswith("--dask"))
    width = 1 if "=" in arguments[index] else 2
    arguments = [*arguments[:index], *arguments[index + width :]]
    try:
        client = Client(address, timeout=20)
    except (OSError, ValueError) as error:
        raise SRError(
            f"no Dask scheduler answers at {address} ({error}); start one with `dask "
            "scheduler` and workers with `dask worker`"
        ) from None
    with client:
        parts = len(client.scheduler_info(n_workers=-1)["workers"])
        if not parts:
            raise SRError(f"the Dask cluster {address} has no workers; start some")
        log.info("%d workers share the pieces", parts)
        shares = [
            client.submit(run_share, script, arguments, part, parts, pure=False)
            for part in range(1, parts + 1)
        ]
        failed = [text for text in client.gather(shares) if text]
    if failed:
        raise SRError(f"a worker failed: {failed[0].splitlines()[-1]}")
