"""The season of the image, and those that the model knows."""

from datetime import date

import pytest

from srtools.inference import season


def card(*days):
    return {"scenes": [{"dataset": {"s2_day": day} if day else {}} for day in days]}


@pytest.mark.parametrize(
    ("known", "day", "warned"),
    [
        (card("2022-07-14"), date(2024, 8, 30), False),
        (card("2022-07-14"), date(2022, 12, 20), True),
        (card("2022-07-14", "2021-12-01"), date(2022, 12, 20), False),
        (card("2022-12-20"), date(2023, 1, 10), False),
        (card("2022-07-14"), None, False),
        (card(None), date(2022, 12, 20), False),
        ({}, date(2022, 12, 20), False),
    ],
)
def test_another_season_is_told(caplog, known, day, warned):
    season.warn(known, day)
    assert ("another season" in caplog.text) is warned
    if warned:
        assert "20 December" in caplog.text and "14 July" in caplog.text


def test_years_do_not_count():
    assert season.days_of_year_apart(date(2020, 12, 31), date(2021, 1, 1)) <= 1
    assert season.days_of_year_apart(date(2020, 3, 1), date(2021, 9, 1)) > 175
