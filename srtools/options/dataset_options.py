"""The command line of exercise 1, sr_dataset.py."""

from dataclasses import dataclass
from datetime import date
from functools import partial

from srtools.conventions import FIELD_LR_PIXELS, GROUPS, SPLITS, leak_margin
from srtools.options import parser
from srtools.options.parser import MisuseError, day, number, option
from srtools.options.search_options import SearchOptions


@dataclass(frozen=True, kw_only=True)
class Options(SearchOptions):
    """Make training, validation and test patches.

    They are made of Spot-7 (hr, 1.5 m) and Sentinel-2 (lr, resampled to 6 m).
    """

    pan: str = option(help="Spot-7 panchromatic image, 1.5 m", metavar="FILE")
    xs: str = option(help="Spot-7 XS image, 4 bands, 6 m", metavar="FILE")
    out_dir: str = option(help="folder for the patches", metavar="FOLDER")
    coregister: bool = option(
        False, "correct the shift between the images (default: only measure it)"
    )
    harmonize: bool = option(
        False,
        "map Spot, in any linear coding (raw counts, 8 bits), to the radiometry of "
        "Sentinel-2 (default: only compare it)",
    )
    accept_pair: bool = option(
        False, "make patches of a pair that fails (default: refuse to)"
    )
    patch_size: int = option(
        32,
        "side of the lr patches, pixels; hr patches have 4 times as many",
        kind=number(2, multiple=2),
        metavar="PIXELS",
    )
    split: str = option(
        SPLITS[0],
        "groups in blocks without leakage, or interleaved as in the course",
        choices=SPLITS,
    )
    overwrite: bool = option(False, "replace existing files (default: refuse to)")
    spot_date: date | None = option(
        None,
        "acquisition of Spot, to search near it and to count the days between "
        "(default: that in the DIM_*.XML of PAN, or the middle of the period)",
        kind=day,
        metavar="DAY",
    )
    scl: str | None = option(
        None,
        "scene classification of --s2_images, to leave clouds out (default: that of a "
        "SAFE folder; none for image files)",
        metavar="FILE",
        group="advanced",
    )
    margin: int = option(
        leak_margin(FIELD_LR_PIXELS),
        "smallest gap between groups in blocks, lr pixels",
        kind=number(0),
        metavar="PIXELS",
        group="advanced",
    )
    proportions: tuple[float, float, float] = option(
        (0.8, 0.1, 0.1),
        "shares of the groups; 0 0 1 makes a scene for testing only",
        kind=number(0, kind=float),
        nargs=3,
        metavar=("TRAIN", "VALID", "TEST"),
        group="advanced",
    )
    seed: int = option(
        0, "seed of the blocks", kind=number(0), metavar="NUMBER", group="advanced"
    )

    def __post_init__(self) -> None:
        """Raise if options contradict each other."""
        super().__post_init__()
        if not any(self.proportions):
            raise MisuseError("--proportions are all 0, so no group has a patch")
        if len(self.groups) > 1 and not self.proportions[0]:
            raise MisuseError(
                "--proportions without training patches make one group, such as 0 0 1"
            )
        if len(self.groups) < len(GROUPS) and self.split == "interleaved":
            raise MisuseError(
                "--split interleaved needs three groups; with a proportion of 0 take "
                "--split blocks"
            )
        if self.scl and not self.s2_images:
            raise MisuseError("--scl is for --s2_images; a search finds its own")

    @property
    def command(self) -> str:
        """Command line that writes the same patches."""
        return parser.command_line("sr_dataset.py", self)

    @property
    def groups(self) -> list[str]:
        """Names of the groups with a proportion above 0."""
        shares = zip(GROUPS, self.proportions, strict=True)
        return [group for group, share in shares if share]

    @property
    def inputs(self) -> list[str]:
        """Input files, which no output may replace."""
        paths = (self.pan, self.xs, *(self.s2_images or ()), self.scl)
        return [path for path in paths if path]


parse = partial(parser.parse, Options)
