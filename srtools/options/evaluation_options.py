"""The command line of exercise 4, `sr_eval.py`."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from srtools.options import parser
from srtools.options.parser import MisuseError, number, option

SCENES = "scenes.json"  # summary of several scenes, beside their folders of results


@dataclass(frozen=True, kw_only=True)
class Options:
    """Score the saved model and simple zooms on all test patches."""

    patches: tuple[str, ...] | None = option(
        None,
        "folder of patches that sr_dataset.py wrote; several folders have a folder of "
        "results each (default: none, with --compare)",
        nargs="+",
        kind=str,
    )
    model_dir: str | None = option(
        None, "SavedModel that sr_train.py wrote (default: none, with --compare)"
    )
    compare: tuple[str, str] | None = option(
        None,
        "two folders of results on the same patches, to compare their models (default: "
        "none, with --model_dir)",
        nargs=2,
        metavar=("A", "B"),
    )
    out_dir: str = option(help="folder for the results")
    batch_size: int = option(16, "patches at a time", kind=number(1))
    overwrite: bool = option(False, "replace existing files (default: keep them)")

    def __post_init__(self):
        if self.compare and (self.model_dir or self.patches):
            raise MisuseError(
                "--compare takes two folders of results and neither --model_dir nor "
                "--patches; evaluate each model with these first"
            )
        if not self.compare and not (self.model_dir and self.patches):
            raise MisuseError("--model_dir and --patches are required, or --compare")
        names = [Path(folder).absolute().name for folder in self.patches or ()]
        if twice := {name for name in names if [SCENES, *names].count(name) > 1}:
            raise MisuseError(
                f"{twice.pop()}, the name of a folder of --patches, is that of other "
                "results in --out_dir, too; rename the folder"
            )

    def scenes(self) -> dict[str, "Options"]:
        """Return {name of a folder of patches: options to evaluate this scene}."""
        return {
            (name := Path(folder).absolute().name): replace(
                self, patches=(folder,), out_dir=str(Path(self.out_dir) / name)
            )
            for folder in self.patches
        }


parse = partial(parser.parse, Options)
