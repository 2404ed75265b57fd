"""`reproduce.sh`: an evaluation repeated from its cards, and compared with itself.

python -m srtools.evaluation.reproducing eval/metrics.json again/eval/metrics.json
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from srtools import cards
from srtools.errors import SRError, one_line_errors

FILE = "reproduce.sh"
TOLERANCES = {"L1": 0.03, "L2": 0.05, "PSNR": 0.005}
"""Relative.  Training adds up in another order on another processor: the same commands
gave the demo gains of 1.37 to 1.41 dB."""

STAC = "--stac_url"

HEAD = """\
#!/bin/sh
# Repeats this evaluation, and compares the scores:
#
#     sh {file} [FOLDER]
#
# Run it beside the scripts, where the commands below were run first: their paths are as
# they were given.  FOLDER (default: reproduced) must be new.  PYTHON names a Python,
# STAC_URL another address of the archive.  The whole training is repeated.
#
# It was made with {versions}.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${{1:-reproduced}}
python=${{PYTHON:-python3}}
mkdir "$out"
"""


def script(command: str, dataset: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Write the shell script.

    Arguments:
        command: of the evaluation.
        dataset: content of dataset.json of the test patches.
        card: of the model.
    """
    versions = ", ".join(
        f"{name} {number}" for name, number in cards.versions().items()
    )
    made: dict[str, str] = {}  # folder of the patches that a command makes
    lines = []

    def patches(of: Mapping[str, Any]) -> str:
        known = of.get("command")
        if known not in made:
            made[known] = f"patches{len(made) + 1}"
            lines.append(_step(known, "dataset.json", out_dir=[made[known]]))
        return made[known]

    scenes = card.get("scenes") or [{"dataset": {}}]
    trained = [patches(scene.get("dataset", {})) for scene in scenes]
    tested = patches(dataset)
    folder = {"model_dir": ["model"]}
    logs = {"logs": ["model_logs"]}
    lines.append(
        _step(
            card.get("command"), "the model's card", patches=trained, **folder, **logs
        )
    )
    evaluated = {"patches": [tested], **folder, "out_dir": ["eval"]}
    lines.append(_step(command, "metrics.json", **evaluated))
    lines.append(
        '"$python" -m srtools.evaluation.reproducing "$here/metrics.json" '
        '"$out/eval/metrics.json"'
    )
    return HEAD.format(file=FILE, versions=versions) + "\n".join(lines) + "\n"


def _step(command: str | None, card: str, **folders: Sequence[str]) -> str:
    """Write one command, with its folders below `$out`."""
    if not command:
        return f'echo "error: {card} does not tell its command" >&2; exit 1'
    name, *words = shlex.split(command)
    kept, option = [], None
    for word in words:
        # A negative number is no option.
        if word.startswith("--"):
            option = word.removeprefix("--")
        if option not in folders:
            kept.append(word)
    line = ['"$python"', shlex.quote(name)]
    for before, word in zip(["", *kept], kept, strict=False):
        quoted = shlex.quote(word)
        # That of the demo lives as long as it is served.
        line.append(f'"${{STAC_URL:-{quoted}}}"' if before == STAC else quoted)
    for option, values in folders.items():
        line += [f"--{option}", *(f'"$out/{value}"' for value in values)]
    return " ".join(line)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """Compare two evaluations: whether they agree, and a line, for each number.

    Arguments:
        old, new: contents of metrics.json.
    """
    sets = old["test_set"], new["test_set"]
    same = sets[0] == sets[1]
    told = sets[0] if same else f"{sets[0]}, now {sets[1]}: other pixels"
    found = [(same, f"test patches {told}")]
    for name, key in (("L1", "l1_dn"), ("L2", "l2_dn"), ("PSNR", "psnr_db")):
        for method in ("bicubic", "model"):
            one, other = (m["inner"][method][key]["all"] for m in (old, new))
            fits = abs(other - one) <= TOLERANCES[name] * abs(one)
            found.append((fits, f"{name} of {method} {one:.6g}, now {other:.6g}"))
    return found


@one_line_errors
def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    paths = sys.argv[1:] if arguments is None else arguments
    if len(paths) != 2:
        raise SRError(f"two files metrics.json are expected, not {len(paths)}")
    lines = compare(*(cards.read_card(path) for path in paths))
    for fits, text in lines:
        print("same   " if fits else "DIFFERS", text)
    return 0 if all(fits for fits, _ in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
