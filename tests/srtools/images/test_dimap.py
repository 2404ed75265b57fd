"""The date of a Spot product."""

from datetime import date

import pytest

from srtools.images.dimap import imaging_date


def metadata(day: str) -> str:
    return f"<MISSION>SPOT</MISSION><IMAGING_DATE>{day}</IMAGING_DATE>"


@pytest.mark.parametrize("name", ["DIM_SPOT7_P_x.XML", "IMG_SPOT7_P_x_R1C1.TIF"])
def test_the_day_is_that_of_the_product(tmp_path, name):
    """It is read in the file itself, or in the one beside the image."""
    (tmp_path / "DIM_SPOT7_P_x.XML").write_text(metadata("2021-05-20"))
    (tmp_path / "other.xml").write_text(metadata("1999-01-01"))
    assert imaging_date(str(tmp_path / name)) == date(2021, 5, 20)


@pytest.mark.parametrize("days", [[], ["2021-05-20", "2021-06-01"], ["2021-99-99"]])
def test_a_day_that_is_missing_ambiguous_or_impossible(tmp_path, days):
    for number, day in enumerate(days):
        (tmp_path / f"DIM_{number}.XML").write_text(metadata(day))
    assert imaging_date(str(tmp_path / "pan.tif")) is None


@pytest.mark.parametrize("path", ["https://host/pan.tif", "/nowhere/pan.tif"])
def test_places_without_metadata(path):
    assert imaging_date(path) is None
