"""otblite's answers to random cases are those that OTB 8.1.1 gave.

`python tests/real_otb/test_differential.py record` writes the file.
"""

import json
import lzma
import pickle
from pathlib import Path

import pytest

from tests.real_otb import cases, differential

RECORD = Path(__file__).parent / "recorded.xz"
ANSWERS = pickle.loads(lzma.decompress(RECORD.read_bytes()))


@pytest.mark.parametrize("application", cases.MAKERS)
def test_recorded(application):
    mine = [answer for answer in ANSWERS if answer[0]["application"] == application]
    found = [
        (differential.difference(case, theirs, differential.answer(case)), case)
        for case, theirs in mine
    ]
    wrong = [f"{what}: {json.dumps(case)}" for what, case in found if what]
    assert len(mine) >= 10 and not wrong, "\n".join(wrong)
