"""Several products in one command, one image each; a bad one does not stop the others.

A run that was interrupted goes on: images of the same model, products and options are
left as they are, and the pieces of the one that was begun are used.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from srtools import cards, fingerprints
from srtools.errors import SRError, line_of
from srtools.inference import prepare
from srtools.inference.outputs import Outputs


def outputs(products: tuple[str, ...], folder: str) -> dict[str, Path]:
    """Give the image of each product, named after it.

    >>> outputs(("in/S2A_x.SAFE",), "out")
    {'in/S2A_x.SAFE': PosixPath('out/S2A_x_sr.tif')}

    Raises:
        SRError: if two have the same name.
    """
    named: dict[Path, str] = {}
    for product in products:
        path = Path(folder) / f"{Path(product).stem}_sr.tif"
        if path in named:
            raise SRError(
                f"{named[path]} and {product} would both become {path}; rename one of "
                "them, or give it by itself"
            )
        named[path] = product
    return {product: path for path, product in named.items()}


def run(options: Any, infer: Callable[[Any], dict | None]) -> int:
    """Make an image of each product, and print a line for each.

    Arguments:
        options: `srtools.cli.inference.Options` with `out_dir`.
        infer: makes one image.

    Returns:
        Number of products that failed.

    Raises:
        SRError: if two products have the same name.
    """
    failed = 0
    for line, good in _lines(options, infer):
        tqdm.write(line)
        failed += not good
    return failed


def _lines(
    options: Any, infer: Callable[[Any], dict | None]
) -> Iterator[tuple[str, bool]]:
    for product, path in outputs(options.s2_images, options.out_dir).items():
        one = replace(options, s2_images=(product,), out=str(path), out_dir=None)
        try:
            there = is_made(one)
            if not there:
                infer(one)
            yield f"{'is there' if there else 'written'}: {path}", True
        except Exception as error:
            told = line_of(error)
            if told is None:  # a mistake of the program
                raise
            yield f"failed: {product}: {told}", False


def is_made(options: Any) -> bool:
    """Check whether an image is there, made with the same model, files and options.

    Raises:
        SRError: naming what differs.
    """
    outputs = Outputs.of(options)
    if options.overwrite or not outputs.card.exists():
        return False
    old = cards.read_card(outputs.card).get("made_of")
    names = ", ".join(fingerprints.differences(old or {}, prepare.made_of(options)))
    if names:
        how = f"with another {names}" if old else "by an earlier version"
        raise SRError(
            f"{outputs.image} is there, made {how}; give --overwrite to replace it, or "
            "another --out_dir"
        )
    return all(path.exists() for path in outputs.paths)
