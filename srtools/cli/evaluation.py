"""The command line of exercise 4, `sr_eval.py`."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from srtools.cli import options
from srtools.cli.options import MisuseError, number, option


@dataclass(frozen=True, kw_only=True)
class Options:
    """Score the saved model, and simple zooms beside it, on all test patches."""

    patches: tuple[str, ...] | None = option(
        None,
        "folder of sr_dataset.py, or several: a folder of results for each (default: "
        "none, with --compare)",
        nargs="+",
        kind=str,
    )
    model_dir: str | None = option(
        None, "SavedModel of sr_train.py (default: none, with --compare)"
    )
    compare: tuple[str, str] | None = option(
        None,
        "two folders of results, of models evaluated on the same patches (default: "
        "none, with --model_dir)",
        nargs=2,
        metavar=("A", "B"),
    )
    out_dir: str = option(help="folder for the results")
    batch_size: int = option(16, "patches at a time", kind=number(1))
    overwrite: bool = option(False, "replace existing files (default: keep them)")
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
        if self.compare and (self.model_dir or self.patches):
            raise MisuseError(
                "--compare takes folders of results, without --model_dir and "
                "--patches; evaluate each model with these first"
            )
        if not self.compare and not (self.model_dir and self.patches):
            raise MisuseError("--model_dir and --patches are required, or --compare")
        names = [Path(folder).absolute().name for folder in self.patches or ()]
        if twice := {name for name in names if names.count(name) > 1}:
            raise MisuseError(
                f"two --patches are called {twice.pop()}, as their results would be; "
                "rename one of the folders"
            )

    @property
    def views(self) -> int:
        """Views of the image over which the network is averaged."""
        return 8 if self.self_ensemble else 1

    def scenes(self) -> dict[str, "Options"]:
        """Options of the evaluation of each scene, by the name of its folder."""
        return {
            (name := Path(folder).absolute().name): replace(
                self, patches=(folder,), out_dir=str(Path(self.out_dir) / name)
            )
            for folder in self.patches
        }


parse = partial(options.parse, Options)
