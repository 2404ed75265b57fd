"""The options by which Sentinel-2 is found."""

from datetime import date

import pytest

from srtools.cli import dataset
from srtools.cli.options import MisuseError, parse
from srtools.cli.search import SearchOptions


def read(*arguments: str) -> SearchOptions:
    return parse(SearchOptions, arguments)


def test_without_options_the_planetary_computer_is_searched_in_summer():
    options = read()
    assert options == SearchOptions()
    assert options.archive == "planetary" and options.stac_url is None
    assert options.period == (date(2022, 6, 15), date(2022, 8, 15))


def test_the_period_follows_spot():
    """Unless one is given: then what is not given is that of the exercise."""
    spot = ["--pan", "p", "--xs", "x", "--out_dir", "o", "--spot_date", "2021-05-20"]
    options = dataset.parse(spot)
    assert options.period == (date(2021, 4, 20), date(2021, 6, 19))
    options = dataset.parse([*spot, "--start_date", "2021-05-01"])
    assert options.period == (date(2021, 5, 1), date(2022, 8, 15))


def test_two_archives_are_a_misuse():
    assert read("--archive", "cdse").archive == "cdse"
    with pytest.raises(MisuseError, match="--archive and --stac_url are two archives"):
        SearchOptions(archive="cdse", stac_url="http://localhost")


@pytest.mark.parametrize("changed", [{"dry_run": True}, {"item": ("S2A_x",)}])
def test_a_search_and_images_at_hand_exclude_each_other(changed):
    (name,) = changed
    with pytest.raises(MisuseError, match=f"--{name} is for a search"):
        SearchOptions(s2_images=("s2.tif",), **changed)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_number_of_files_that_makes_no_image(count):
    with pytest.raises(MisuseError, match=f"{count} Sentinel-2 files were given"):
        SearchOptions(s2_images=("x.tif",) * count)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--start_date", "tomorrow"],
        ["--end_date", "2022-13-01"],
        ["--max_bad_share", "-1"],
        ["--offset", "5"],
    ],
)
def test_misuse(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        read(*arguments)
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err
