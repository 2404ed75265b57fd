"""SAFE folders: bands, scene classification and offset of a Level-2A product."""

import pytest

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2 import safe


@pytest.mark.parametrize(
    ("name", "xml", "offset"),
    [
        ("a_N0400_b.SAFE", "", 1000),
        ("a_N0214_b.SAFE", "", 0),
        ("a_N0500_b.SAFE", '<BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET>', 1000),
        ("a.SAFE", "<PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>", 1000),
        ("a.SAFE", "", None),
        ("a_N9999_b.SAFE", "<PROCESSING_BASELINE>99.99</PROCESSING_BASELINE>", None),
        ("a_N9999_b.SAFE", "<BOA_ADD_OFFSET>-1000</BOA_ADD_OFFSET>", 1000),
        ("a_N0400_b.SAFE", "<BOA_ADD_OFFSET>-1000<BOA_ADD_OFFSET>0", None),
    ],
)
def test_safe(product, name, xml, offset):
    folder = product(name, xml)
    bands, scl, published = safe.read_safe(folder)
    assert [path[-11:-4] for path in bands] == [f"{band}_10m" for band in BANDS]
    assert [path[-11:-4] for path in scl] == ["SCL_20m"]
    assert published == offset


def test_safe_of_the_wrong_level(product):
    folder = product()
    with pytest.raises(SRError, match="0 files of band B04 .* of Level-2A, not Level"):
        safe.read_safe(folder / "GRANULE")
