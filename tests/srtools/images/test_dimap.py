"""The day and the images of a Spot product."""

from datetime import date

import pytest

from srtools.errors import SRError
from srtools.images.dimap import find_pair, imaging_date

DAY = date(2021, 5, 20)


def metadata(day):
    """Give the part of a DIMAP file that tells the day."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Dimap_Document><Dataset_Sources>'
        "<Source_Identification><Strip_Source><MISSION>SPOT</MISSION>"
        f"<MISSION_INDEX>7</MISSION_INDEX><IMAGING_DATE>{day}</IMAGING_DATE>"
        "<IMAGING_TIME>10:32:43.8</IMAGING_TIME></Strip_Source>"
        "</Source_Identification></Dataset_Sources></Dimap_Document>"
    )


@pytest.mark.parametrize("name", ["DIM_SPOT7_P_x.XML", "IMG_SPOT7_P_x_R1C1.TIF"])
def test_the_day_is_that_of_the_product(tmp_path, name):
    """From the file itself, or from the one beside the image."""
    (tmp_path / "DIM_SPOT7_P_x.XML").write_text(metadata("2021-05-20"))
    (tmp_path / "other.xml").write_text(metadata("1999-01-01"))
    assert imaging_date(str(tmp_path / name)) == DAY


@pytest.mark.parametrize("days", [[], ["2021-05-20", "2021-06-01"], ["2021-99-99"]])
def test_nothing_or_two_things_tell_nothing(tmp_path, days):
    for number, day in enumerate(days):
        (tmp_path / f"DIM_{number}.XML").write_text(metadata(day))
    assert imaging_date(str(tmp_path / "pan.tif")) is None


def test_places_that_cannot_be_looked_at():
    assert imaging_date("https://host/pan.tif") is None
    assert imaging_date("/nowhere/pan.tif") is None


def product(folder, *kinds):
    """Make the metadata files of a delivery."""
    for number, kind in enumerate(kinds):
        there = folder / f"PROD_SPOT7_001/IMG_SPOT7_{kind}_00{number}_A"
        there.mkdir(parents=True)
        file = there / f"DIM_SPOT7_{kind}_2021052010.XML"
        file.write_text(f"<SPECTRAL_PROCESSING>{kind}</SPECTRAL_PROCESSING>")
        (there / f"IMG_SPOT7_{kind}_R1C1.TIF").touch()
    return str(folder)


@pytest.mark.parametrize("ms", ["MS", "MS-N"])
def test_the_pair_of_a_delivery(tmp_path, ms):
    pan, xs = find_pair(product(tmp_path, "P", ms, "PMS"))
    assert "/IMG_SPOT7_P_000_A/DIM_SPOT7_P_" in pan and f"_{ms}_001_A/DIM_" in xs


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ([], "holds 0 PAN images with a DIM_.*XML, one is expected; name the images"),
        (["P"], "holds 0 XS images"),
        (["P", "MS", "P"], r"holds 2 PAN images .*P_000_A/DIM.*P_002_A/DIM"),
    ],
)
def test_a_delivery_without_a_pair(tmp_path, kinds, words):
    with pytest.raises(SRError, match=words):
        find_pair(product(tmp_path, *kinds))


def test_a_delivery_that_is_no_folder(tmp_path):
    with pytest.raises(SRError, match="is not a folder; that of a Spot product"):
        find_pair(str(tmp_path / "absent"))
