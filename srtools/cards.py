"""Cards: a JSON file beside each product, with its inputs, settings and versions."""

import importlib.metadata
import json
import math
import platform
import re
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path, PurePath
from typing import Any

from srtools import __version__, files
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError

PACKAGES = "otblite pyotb otbtf tensorflow-cpu tensorflow keras rasterio numpy".split()
TOLERANCE = 0.01  # relative, of numbers: 6 m are not 6.1 m


def versions() -> dict[str, str]:
    """Return {name: version} of srtools, Python, OTB and the installed `PACKAGES`."""
    installed = {
        name.removesuffix("-cpu"): found.version
        for name in PACKAGES
        for found in importlib.metadata.distributions(name=name)
    }
    if engine := sys.modules.get("otbApplication"):
        # An application knows the version of OTB, but only files of parameters tell it.
        app = engine.Registry.CreateApplicationWithoutLogger("ExtractROI")
        with suppress(OSError), tempfile.NamedTemporaryFile("r", suffix=".xml") as file:
            app.SaveParametersToXML(file.name)
            if version := re.search("<version>(.*)</version>", file.read()):
                installed |= {"otb": version[1], "otblite": ""}  # else it is otblite
    own = {"srtools": __version__, "python": platform.python_version()}
    return own | {name: version for name, version in installed.items() if version}


def write_card(path: str | Path, card: dict[str, Any]) -> None:
    """Write `card` as JSON, completely or not at all; nan and infinity are null."""
    text = json.dumps(plain(card), indent=2, allow_nan=False)
    # A pair of numbers is easier to read on one line.
    text = re.sub(r"\[\s+(-?[\d.]+),\s+(-?[\d.]+)\s+\]", r"[\1, \2]", text)
    with files.whole_file(path) as partial:
        partial.write_text(text + "\n")


def plain(value: Any) -> Any:
    """Convert NumPy, paths, dates and nan to types of JSON, in lists and dicts, too."""
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
    """Read a card; raise SRError if it is missing or no JSON object."""
    try:
        card = json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise SRError(
            f"{path} is missing; it is written by the script before this one"
        ) from None
    except (OSError, ValueError) as error:
        raise SRError(f"{path} is not a readable JSON file ({error})") from None
    if not isinstance(card, dict):
        raise SRError(f"{path} is not a readable JSON file (no object); make it again")
    return card


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the sorted keys of the entries that differ between two cards."""
    one, other = (plain(each) for each in (one, other))
    return [key for key in sorted({**one, **other}) if one.get(key) != other.get(key)]


def agree(one: Any, other: Any) -> bool:
    """Check whether two entries of cards are equal; numbers may differ by 1 %.

    >>> agree(6.0, 6.005), agree(6.0, 6.1), agree(["B04"], ["B03"])
    (True, False, False)
    """
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    return one == other


def check_conventions(card: dict, name: str, advice: str) -> None:
    """Raise if the bands, factor or scale of a card differ from `conventions`.

    A missing entry passes.  `name` (of the card) and `advice` are parts of the message.
    """
    for key, expected in (("bands", list(BANDS)), ("factor", FACTOR), ("scale", SCALE)):
        value = card.get(key)
        if value is not None and not agree(value, expected):
            raise SRError(
                f"{name} says {key} {value}, {expected} is expected; {advice}"
            )
