"""Cards: the JSON file beside each product that says how it was made."""

import importlib.metadata
import json
import math
import re
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePath
from typing import Any

from srtools import files
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError

PACKAGES = ("otblite", "pyotb", "otbtf", "tensorflow", "keras", "rasterio", "numpy")
SECTIONS = frozenset(
    "ground groups hr lr network pair receptive_field split training xs".split()
)
"""Entries that are objects themselves."""

TYPES = {
    **dict.fromkeys({*SECTIONS, "coregistered", "dataset", "sentinel2"}, dict),
    "sentinel2_own_grid": dict,
    "command": str,
    "items": list,
    "made_of": dict,
    "scenes": list,
}
"""Types of entries, in a card and in the cards that it holds; null is allowed."""

TOLERANCE = 0.01  # relative, of numbers: 6 m are not 6.1 m


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


def write_card(path: str | Path, card: dict[str, Any]) -> Path:
    """Write `card` as JSON, completely or not at all; nan and infinity are null."""
    text = json.dumps(plain(card), indent=2, allow_nan=False)
    # A pair of numbers is easier to read on one line.
    text = re.sub(r"\[\s+(-?[\d.]+),\s+(-?[\d.]+)\s+\]", r"[\1, \2]", text)
    with files.whole_file(path) as partial:
        partial.write_text(text + "\n")
    return Path(path)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: NumPy's numbers and arrays, paths and dates."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, (PurePath, date)) else value


def read_card(path: str | Path) -> dict[str, Any]:
    """Read a card; of `SECTIONS`, those that are null are left out.

    Raises:
        SRError: if the file is missing or is no JSON object.
    """
    try:
        card = json.loads(Path(path).read_text())
        if not isinstance(card, dict):
            raise ValueError(f"a {type(card).__name__} instead of an object")
        _check_types(card)
        return {k: v for k, v in card.items() if v is not None or k not in SECTIONS}
    except FileNotFoundError:
        raise SRError(
            f"{path} is missing; it is written by the script before this one"
        ) from None
    except (OSError, ValueError) as error:
        raise SRError(f"{path} is not a readable JSON file ({error})") from None


def _check_types(card: Mapping[str, Any]) -> None:
    """Check the entries of `TYPES` at any depth; raise ValueError for the first."""
    names = {dict: "an object", list: "a list", str: "text"}
    for key, value in card.items():
        kind = TYPES.get(key)
        if kind and value is not None and not isinstance(value, kind):
            raise ValueError(f"{key} is {value!r} instead of {names[kind]}")
        inner = value if key == "scenes" and value else [value]
        for entry in inner:
            if isinstance(entry, dict):
                _check_types(entry)
            elif key == "scenes" and value:
                raise ValueError(f"{key} holds {entry!r} instead of an object")


def agree(one: Any, other: Any) -> bool:
    """Tell whether two entries of cards say the same; numbers may differ by 1 %.

    >>> agree(6.0, 6.005), agree(6.0, 6.1), agree(["B04"], ["B03"])
    (True, False, False)
    """
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    return one == other


def check_conventions(card: dict, whose: str, advice: str) -> None:
    """Check the bands, factor and scale of a card; an entry that is missing is right.

    Arguments:
        card: card of a model or of a data set.
        whose: the user's name for it, for messages.
        advice: way out, for messages.

    Raises:
        SRError: naming the first entry that differs from `conventions`.
    """
    for key, expected in (("bands", list(BANDS)), ("factor", FACTOR), ("scale", SCALE)):
        found = card.get(key)
        if found is not None and not agree(found, expected):
            raise SRError(
                f"{whose} says {key} {found}, {expected} is expected; {advice}"
            )
