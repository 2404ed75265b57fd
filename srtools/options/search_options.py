"""Options of exercises 1 and 5 that choose the Sentinel-2 image."""

from dataclasses import dataclass
from datetime import date, timedelta

from srtools.conventions import BANDS, OFFSET_DN
from srtools.options.parser import MisuseError, day, number, option

SEARCH = "search for Sentinel-2"

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
ARCHIVES = {
    "planetary": PLANETARY_COMPUTER,  # links are signed with a token
    "earth-search": "https://earth-search.aws.element84.com/v1",  # links are open
    "cdse": "https://stac.dataspace.copernicus.eu/v1",  # s3:// links that need keys
}
"""Roots of the STAC APIs of public archives of Sentinel-2 Level-2A."""

START_DATE, END_DATE = date(2022, 6, 15), date(2022, 8, 15)
AROUND_SPOT = timedelta(days=30)
"""Length of the default period before, and after, the acquisition of Spot."""
MAX_BAD_SHARE = 0.005  # a loose limit: bright roofs look like cloud


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Local Sentinel-2 images, or parameters of a search."""

    s2_images: tuple[str, ...] | None = option(
        None,
        "B04 B03 B02 B08, one file with these four bands, or an unzipped .SAFE folder "
        "(default: search for the image)",
        nargs="+",
        metavar="FILE",
    )
    offset: int | None = option(
        None,
        f"subtract this from the DN of Sentinel-2: {OFFSET_DN} for ESA products of "
        "baseline 04.00 or later (default: as the product states; 0 for image files)",
        choices=(0, OFFSET_DN),
    )
    start_date: date | None = option(
        None,
        f"first day (default: {START_DATE}; in exercise 1 with --spot_date "
        f"{AROUND_SPOT.days} days before it)",
        kind=day,
        metavar="DAY",
        group=SEARCH,
    )
    end_date: date | None = option(
        None,
        f"last day (default: {END_DATE}; in exercise 1 with --spot_date "
        f"{AROUND_SPOT.days} days after it)",
        kind=day,
        metavar="DAY",
        group=SEARCH,
    )
    archive: str = option(
        next(iter(ARCHIVES)),
        "archive to search: the Planetary Computer, Earth Search (no key or token), or "
        "ESA's Copernicus Data Space (keys for its s3:// links)",
        choices=tuple(ARCHIVES),
        group=SEARCH,
    )
    dry_run: bool = option(
        False,
        "print the ranking of images and stop (default: continue with the best)",
        group=SEARCH,
    )
    item: tuple[str, ...] | None = option(
        None,
        "use these items (default: the best of the ranking)",
        nargs="+",
        metavar="ID",
        group=SEARCH,
    )
    max_bad_share: float = option(
        MAX_BAD_SHARE,
        "share of the area under cloud, shadow or cirrus, or broken in a band, 0 to 1",
        kind=number(0, 1, kind=float),
        metavar="SHARE",
        group="advanced",
    )
    stac_url: str | None = option(
        None,
        "another STAC API to search (default: that of --archive)",
        metavar="URL",
        group="advanced",
    )

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.stac_url and self.archive != next(iter(ARCHIVES)):
            raise MisuseError("--archive and --stac_url are two archives; give one")
        if not self.s2_images:
            return
        if len(self.s2_images) not in (1, len(BANDS)):
            raise MisuseError(
                f"{len(self.s2_images)} Sentinel-2 files were given; one with "
                f"the bands {', '.join(BANDS)} or four with one each are expected"
            )
        for name in ("dry_run", "item"):
            if getattr(self, name):
                raise MisuseError(
                    f"--{name} is for a search, which --s2_images replaces; give one"
                )

    @property
    def period(self) -> tuple[date, date]:
        """First and last day to search, both included."""
        spot = getattr(self, "spot_date", None)
        if spot and not (self.start_date or self.end_date):
            return spot - AROUND_SPOT, spot + AROUND_SPOT
        return self.start_date or START_DATE, self.end_date or END_DATE
