"""The command line of exercise 4, `sr_eval.py`."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from srtools.cli import options
from srtools.cli.options import MisuseError, number, option
from srtools.errors import SRError


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
        "two folders of results, or SavedModels (with --patches), which are evaluated "
        "first (default: none, with --model_dir)",
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
        names = self.names()
        if twice := {name for name in names if names.count(name) > 1}:
            raise MisuseError(
                f"two --patches are called {twice.pop()}, as their results would be; "
                "rename one of the folders"
            )

    @property
    def views(self) -> int:
        """Views of the image over which the network is averaged."""
        return 8 if self.self_ensemble else 1

    @property
    def summary(self) -> str | None:
        """Kind of summary of several results: "scenes", "comparison" or none."""
        several = "scenes" if len(self.patches or ()) > 1 else None
        return "comparison" if self.compare else several

    def names(self) -> list[str]:
        """Names of the scenes: those of the folders of patches."""
        return [Path(folder).absolute().name for folder in self.patches or ()]

    def results(self) -> list[str]:
        """Folders of results to compare; those of models are made in `out_dir`."""
        return [
            str(Path(self.out_dir) / f"{letter}_{Path(folder).resolve().name}")
            if (Path(folder) / "saved_model.pb").exists()
            else folder
            for letter, folder in zip("ab", self.compare, strict=True)
        ]

    def runs(self) -> list["Options"]:
        """Options of one evaluation for each model and scene; none for results.

        Raises:
            SRError: if models are compared without patches, or results with them.
        """
        models = {self.out_dir: self.model_dir}
        if self.compare:
            both = zip(self.results(), self.compare, strict=True)
            models = {out: model for out, model in both if out != model}
        if models and not self.patches:
            model = next(iter(models.values()))
            raise SRError(f"{model} is a model: give --patches to evaluate it on")
        if self.patches and not models:
            raise SRError(
                f"{' and '.join(self.compare)} are no SavedModels, which --patches "
                "would serve to evaluate; compare results without --patches"
            )
        scenes = list(zip(self.patches or (), self.names(), strict=True))
        return [
            replace(
                self,
                patches=(folder,),
                model_dir=model,
                compare=None,
                out_dir=str(Path(out) / name) if len(scenes) > 1 else out,
            )
            for out, model in models.items()
            for folder, name in scenes
        ]


parse = partial(options.parse, Options)
