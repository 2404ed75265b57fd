"""Cards: the JSON file beside every product that says how it was made."""

import importlib.metadata
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError

PACKAGES = ("otblite", "pyotb", "otbtf", "tensorflow", "keras", "rasterio", "numpy")


def versions() -> dict[str, str]:
    """Give the version of Python and of each of `PACKAGES` that is installed."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        for name in (package, f"{package}-cpu"):
            try:
                found[package] = importlib.metadata.version(name)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path whose file becomes `path` if all goes well."""
    with whole_files([Path(path)]) as folder:
        yield folder / Path(path).name


@contextmanager
def whole_files(paths: list[Path]) -> Iterator[Path]:
    """Give a temporary folder whose files become `paths`, all of them or none.

    The files are written there under the same names; `paths` share one folder.
    """
    folder = make_folder(paths[0].parent)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        yield Path(partial)
        for path in paths:
            os.replace(Path(partial) / path.name, path)


def make_folder(folder: str | Path) -> Path:
    """Create `folder` with its parents.

    Raises:
        SRError: if it cannot be created or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SRError(
            f"folder {folder} cannot be written to ({error.strerror}); "
            "choose another one or change its permissions"
        ) from None
    return folder


def refuse_existing(
    paths: Sequence[str | Path], overwrite: bool, read: Sequence[str | Path] = ()
) -> None:
    """Check that no file is lost that the user wants to keep.

    Arguments:
        paths: to be written.
        overwrite: whether existing files may be replaced.
        read: files that are needed, which may not.

    Raises:
        SRError: if one of `paths` is one of `read`, or exists already.
    """
    existing = [path for path in paths if Path(path).exists()]
    needed = [path for path in read if Path(path).exists()]
    for path in existing:
        if any(os.path.samefile(path, other) for other in needed):
            raise SRError(f"{path} is read by this very run; give another output")
        if not overwrite:
            raise SRError(
                f"{path} exists already; give --overwrite to replace it, "
                "or another output"
            )


def write_card(path: str | Path, card: dict[str, Any]) -> Path:
    """Write `card` as JSON, completely or not at all."""
    text = json.dumps(card, indent=2, default=str)
    # A pair of numbers is easier to read on one line.
    text = re.sub(r"\[\s+(-?[\d.]+),\s+(-?[\d.]+)\s+\]", r"[\1, \2]", text)
    with whole_file(path) as partial:
        partial.write_text(text + "\n")
    return Path(path)


def read_card(path: str | Path) -> dict[str, Any]:
    """Read a card.

    Raises:
        SRError: if the file is missing or is no JSON object.
    """
    try:
        card = json.loads(Path(path).read_text())
        if not isinstance(card, dict):
            raise ValueError(f"a {type(card).__name__} instead of an object")
        return card
    except FileNotFoundError:
        raise SRError(
            f"{path} is missing; it is written by the script before this one"
        ) from None
    except (OSError, ValueError) as error:
        raise SRError(f"{path} is not a readable JSON file ({error})") from None


def check_conventions(card: dict, whose: str, advice: str) -> None:
    """Check what a card says of bands, factor and scale; what it leaves out is right.

    Arguments:
        card: of a model or of a data set.
        whose: what the user calls it, for messages.
        advice: what to do.

    Raises:
        SRError: naming the first thing that is not as all scripts agree.
    """
    for key, expected in (("bands", list(BANDS)), ("factor", FACTOR), ("scale", SCALE)):
        found = card.get(key, expected)
        if found != expected:
            raise SRError(
                f"{whose} says {key} {found}, {expected} is expected; {advice}"
            )
