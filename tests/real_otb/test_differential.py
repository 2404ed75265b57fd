"""Random cases on a real OTB and on otblite: equal, or a row of the table of quirks.

    make test-real-otb
    python tests/real_otb/test_differential.py APPLICATION FIRST_SEED COUNT
    python tests/real_otb/test_differential.py record

The second command tries other seeds, or one again; the third one writes OTB's answers
to the file that `tests/otblite/test_recorded.py` compares with where there is no OTB.
"""

import json
import lzma
import pickle
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.real_otb import cases, differential, engines, quirks  # noqa: E402

RECORD = ROOT / "tests" / "otblite" / "recorded.xz"
SEEDS = 40
# Recorded cases; those of expressions are small, and there are many functions.
RECORDED = dict.fromkeys(cases.MAKERS, 20) | {"BandMath": 100, "BandMathX": 100}
RECORDED["BundleToPerfectSensor"] = 40
pytestmark = [pytest.mark.real_otb, engines.needs("OTB")]


@pytest.fixture(scope="module")
def otb():
    engine = start()
    yield engine
    engine.close()


def start() -> differential.Engine:
    environment = engines.environment("OTB", OTB_LOGGER_LEVEL="CRITICAL")
    return differential.Engine(environment)


def compare(otb, case: dict) -> tuple[str, str]:
    """Say how the engines differ, and the row of the table that explains it."""
    theirs, ours = otb.answer(case), differential.answer(case)
    what = differential.difference(case, theirs, ours)
    again = partial(compare, otb)
    return what, what and quirks.quirk_of(case, theirs, ours, again)


def unexplained(otb, case: dict) -> bool:
    what, row = compare(otb, case)
    return bool(what) and not row


def seeds_of(application: str, count: int) -> range:
    return range(-len(cases.KNOWN.get(application, ())), count)


def try_seeds(otb, application: str, seeds: range) -> tuple[Counter, list[str]]:
    """Count the cases that are equal, and those of each quirk; describe the others."""
    counts, wrong = Counter(), []
    for seed in seeds:
        case = cases.make(application, seed)
        what, row = compare(otb, case)
        counts[row or "different" if what else "equal"] += 1
        if what and not row:
            case = differential.shrink(case, lambda smaller: unexplained(otb, smaller))
            again = f"python {Path(__file__).relative_to(ROOT)} {application} {seed} 1"
            wrong.append(f"{what}\n  smallest: {json.dumps(case)}\n  again: {again}")
    return counts, wrong


@pytest.mark.parametrize("application", cases.MAKERS)
def test_same_on_both_engines(application, otb):
    counts, wrong = try_seeds(otb, application, seeds_of(application, SEEDS))
    print(application, dict(counts))
    assert not wrong, f"{len(wrong)} of {SEEDS} cases differ\n" + "\n".join(wrong)


@pytest.mark.parametrize("row", quirks.QUIRKS, ids=lambda row: row.reason)
def test_each_quirk_is_there(row, otb):
    """A row that OTB no longer needs, or that otblite now follows, is to be removed."""
    what, name = compare(otb, cases.make(*row.example))
    assert what and name == row.reason


def record(otb) -> None:
    """Write the cases of the first seeds that are no quirks, and OTB's answers."""
    answers = []
    for application in cases.MAKERS:
        for seed in seeds_of(application, RECORDED[application]):
            case = cases.make(application, seed)
            if not compare(otb, case)[1]:
                answers.append((case, otb.answer(case)))
    RECORD.write_bytes(lzma.compress(pickle.dumps(answers, protocol=4)))


if __name__ == "__main__":
    engine = start()
    if sys.argv[1] == "record":
        record(engine)
    else:
        first, count = map(int, sys.argv[2:])
        counts, wrong = try_seeds(engine, sys.argv[1], range(first, first + count))
        print(dict(counts), *wrong, sep="\n")
    engine.close()
