"""SAFE folders: bands, scene classification and offset of a Level-2A product."""

from pathlib import Path

import pytest

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2 import safe


@pytest.fixture
def product(tmp_path):
    """Write the skeleton of a SAFE folder."""

    def write(name="S2A_MSIL2A_20220714T105631_N0400_R051_T31UDQ_x.SAFE", xml=""):
        folder = tmp_path / name
        bands = folder / "GRANULE" / "L2A_T31UDQ" / "IMG_DATA" / "R10m"
        bands.mkdir(parents=True)
        for band in (*BANDS, "TCI"):
            (bands / f"T31UDQ_20220714T105631_{band}_10m.jp2").touch()
        (bands.parent / "R20m").mkdir()
        (bands.parent / "R20m" / "T31UDQ_20220714T105631_SCL_20m.jp2").touch()
        if xml:
            (folder / "MTD_MSIL2A.xml").write_text(xml)
        return folder

    return write


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
        ("a_N9933_b.SAFE", "", None),
        ("a_N0400_b.SAFE", "<BOA_ADD_OFFSET>-1000<BOA_ADD_OFFSET>0", None),
    ],
)
def test_safe(product, name, xml, offset):
    folder = product(name, xml)
    assert safe.is_safe(folder)
    found = safe.read_safe(folder)
    assert [path[-11:-8] for path in found.bands] == list(BANDS)
    assert [path[-11:-8] for path in found.scl] == ["SCL"]
    assert found.offset == offset
    if offset is None:
        with pytest.raises(SRError, match="give --offset 0, or --offset 1000 if"):
            found.known_offset()
    else:
        assert found.known_offset() == offset


def test_safe_of_the_wrong_level(tmp_path):
    bands = tmp_path / "GRANULE" / "L1C" / "IMG_DATA"
    bands.mkdir(parents=True)
    (bands / "T31UDQ_20220714T105631_B04.jp2").touch()
    with pytest.raises(SRError, match="Level-1C product: take Level-2A"):
        safe.read_safe(tmp_path)
    with pytest.raises(SRError, match="0 files of band B04"):
        safe.read_safe(tmp_path / "GRANULE")


@pytest.mark.parametrize(
    "name", ["{}.ovr", "._{}", "{}.aux.xml", "{}.msk", ".{}.swp", "{}.tmp", "{}~"]
)
def test_what_other_programs_leave_beside_the_images(product, name):
    folder = product()
    expected = safe.read_safe(folder)
    for path in (*expected.bands, *expected.scl):
        path = Path(path)
        path.with_name(name.format(path.name)).write_bytes(b"x")
    assert safe.read_safe(folder) == expected
