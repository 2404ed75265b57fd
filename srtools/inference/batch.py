"""Several products in one command, one image each; a bad one does not stop the others.

A run that was interrupted goes on: images of the same model, products and options are
left as they are, and the pieces of the one that was begun are used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from srtools import cards
from srtools.errors import SRError, line_of
from srtools.images import raster
from srtools.inference.options import Options, made_of, read_area
from srtools.inference.outputs import Outputs
from srtools.sentinel2 import source
from srtools.urls import redact


class Products:
    """The options of each image to make: one, or that of each product."""

    def __init__(self, options: Options) -> None:
        """Name the images of `out_dir` after their products."""
        self.options, self.failed = options, 0
        self.named: dict[Path, str] = {}
        for product in options.s2_images if options.out_dir else ():
            path = Path(options.out_dir) / f"{Path(redact(product)).stem}_sr.tif"
            if path in self.named:
                raise SRError(
                    f"{self.named[path]} and {product} would both become {path}; "
                    "rename one of them, or give it by itself"
                )
            self.named[path] = product

    def __iter__(self) -> Iterator[Options]:
        if self.options.dry_run:  # prints the ranking
            source.find_scene(self.options, read_area(self.options)[0])
        elif not self.options.out_dir:
            yield self.options
        for path, product in self.named.items():
            one = {"s2_images": (product,), "out": str(path), "out_dir": None}
            options = replace(self.options, **one)
            with self.errors_printed(options):
                if is_made(options):
                    print(f"is there: {path}")
                else:
                    yield options

    @contextmanager
    def errors_printed(self, one: Options) -> Iterator[None]:
        """Print the error of one of several products, and count it."""
        try:
            yield
        except Exception as error:
            line = line_of(error)
            # A mistake of the program, or the only product.
            if line is None or not self.options.out_dir:
                raise
            print(f"failed: {redact(one.s2_images[0])}: {line}")
            self.failed += 1


def is_made(options: Options) -> bool:
    """Check whether an image is there, made with the same model, files and options."""
    outputs = Outputs(options.out, options.preview, options.uncertainty)
    if options.overwrite or not outputs.card.exists():
        return False
    old = cards.read_card(outputs.card).get("made_of")
    names = ", ".join(cards.differences(old or {}, made_of(options)))
    if names:
        how = f"with another {names}" if old else "by an earlier version"
        raise SRError(
            f"{outputs.image} is there, made {how}; give --overwrite to replace it, or "
            "another --out_dir"
        )
    whole = {path: path.exists() for path in outputs.paths}
    whole |= {path: raster.is_whole(path) for path in outputs.images}
    if missing := [str(path) for path, is_whole in whole.items() if not is_whole]:
        raise SRError(
            f"{outputs.card} is there, {', '.join(missing)} is not, or damaged; give "
            "--overwrite to make the image again"
        )
    return True
