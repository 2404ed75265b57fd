"""Fingerprints: values that differ when files, or the settings of a run, differ."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from srtools import cards
from srtools.urls import redact


def of_files(paths: Iterable[str | Path]) -> list[list]:
    """Return name, size and time of the last change of each file, without reading it.

    A remote image, which has no such state, has its path alone, without the token,
    which changes.
    """
    states = []
    for path in paths:
        if Path(path).exists():
            state = Path(path).stat()
            states.append([Path(path).name, state.st_size, state.st_mtime_ns])
        else:
            states.append([redact(str(path))])
    return states


def of_contents(paths: Iterable[str | Path]) -> str:
    """Return one SHA-256 of the contents of files, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings that differ, as JSON holds them."""
    one, other = (cards.plain(each) for each in (one, other))
    return [key for key in sorted({**one, **other}) if one.get(key) != other.get(key)]
