"""SAFE folders: bands, scene classification and offset of a Level-2A product."""

import pytest

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2 import safe

SIDE_FILES = ("{}.ovr", "._{}", "{}.aux.xml", "{}.msk", ".{}.swp", "{}.tmp", "{}~")


@pytest.fixture
def product(tmp_path):
    """Write the skeleton of a SAFE folder, with side files of other programs."""

    def write(name="S2A_MSIL2A_20220714T105631_N0400_R051_T31UDQ_x.SAFE", xml=""):
        folder = tmp_path / name
        images = folder / "GRANULE" / "L2A_T31UDQ" / "IMG_DATA"
        for resolution, bands in (("10m", (*BANDS, "TCI")), ("20m", ("SCL",))):
            (images / f"R{resolution}").mkdir(parents=True)
            for band in bands:
                file = f"T31UDQ_20220714T105631_{band}_{resolution}.jp2"
                for name in ("{}", *SIDE_FILES):
                    (images / f"R{resolution}" / name.format(file)).touch()
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
