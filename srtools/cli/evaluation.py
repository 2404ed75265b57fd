"""The command line of exercise 4, `sr_eval.py`."""

from dataclasses import dataclass
from functools import partial

from srtools.cli import options
from srtools.cli.options import MisuseError, number, option


@dataclass(frozen=True, kw_only=True)
class Options:
    """Score the saved model, and simple zooms beside it, on all test patches."""

    patches: tuple[str, ...] | None = option(
        None,
        "folder of sr_dataset.py, or several: a folder of results for each (default: "
        "none; two folders of results, compared, need none)",
        nargs="+",
        kind=str,
    )
    model_dir: str | None = option(
        None, "SavedModel of sr_train.py (default: none, with --compare)"
    )
    compare: tuple[str, str] | None = option(
        None,
        "two SavedModels (with --patches), or two folders of results (default: none, "
        "with --model_dir)",
        nargs=2,
        metavar=("A", "B"),
    )
    out_dir: str = option(help="folder for the results")
    batch_size: int = option(16, "patches at a time", kind=number(1))
    overwrite: bool = option(False, "replace existing files (default: keep them)")
    border: int = option(
        8,
        "hr pixels left out on each side of a patch, where no method knows the ground "
        "beyond; the scores with them are given as well",
        kind=number(0),
        metavar="PIXELS",
        group="advanced",
    )
    sample: int = option(
        100,
        "patches, evenly spread, on which consistency and spectra are measured; 0: all",
        kind=number(0),
        metavar="PATCHES",
        group="advanced",
    )
    self_ensemble: bool = option(
        False,
        "score the mean over the 8 flips and turns, as sr_infer.py --self_ensemble "
        "serves it (default: one view)",
        group="advanced",
    )
    ignore_offset: bool = option(
        False,
        "accept a model made from Sentinel-2 products with another offset (default: "
        "refuse it)",
        group="advanced",
    )

    accept_ground: bool = option(
        False,
        "score test patches whose ground the model was trained on, too (default: "
        "refuse them)",
        group="advanced",
    )

    def __post_init__(self):
        if self.model_dir and self.compare:
            raise MisuseError("--model_dir and --compare exclude each other; give one")
        if not self.model_dir and not self.compare:
            raise MisuseError("one of --model_dir and --compare is required")
        if self.model_dir and self.patches is None:
            raise MisuseError("--patches is required with --model_dir")


parse = partial(options.parse, Options)
