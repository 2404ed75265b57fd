"""Receptive and expression fields: which input pixels each part of an output needs.

A network turns `rfield` input pixels into `efield` output pixels, in the words of
OTBTF.  Source: the grids of `TensorflowModelServe` of OTBTF.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from affine import Affine
from otblite.image import Grid, Window

# Rounding of coordinates, pixels: below it two positions are equal.
TINY = 1e-6


class Span(NamedTuple):
    """One axis of a source: metres count from the first source's corner."""

    start: float
    """Corner of its first pixel."""
    spacing: float
    size: int
    """Number of pixels."""
    rfield: int
    """Receptive field, pixels."""


def _up(place: float, span: Span) -> float:
    """Move a place up to the next corner of a pixel.

    >>> _up(50.0, Span(3.0, 6.0, 80, 16)), _up(51.0, Span(3.0, 6.0, 80, 16))
    (51.0, 51.0)
    """
    pixels = math.ceil((place - span.start) / span.spacing - TINY)
    return span.start + pixels * span.spacing


class Axis:
    """Rows or columns of the output, and of the sources."""

    def __init__(
        self, spans: Sequence[Span], efield: int, scale: float, patches: bool = False
    ):
        """Lay out the output.

        Arguments:
            spans: of the sources; the output takes the spacing of the first one.
            efield: expression field, output pixels.
            scale: spacing of the output over that of the first source.
            patches: whether the network is given one patch for each output pixel.

        Raises:
            ValueError: if a receptive field is too small for the expression field, or
                an image too small for its receptive field.
        """
        self.spans, self.efield, self.patches = spans, efield, patches
        self.spacing = spans[0].spacing * scale
        # Input pixels that an expression field covers, and those that the network needs
        # beside them.
        covered = [
            1 + int((efield - 1) * self.spacing / span.spacing + TINY) for span in spans
        ]
        for needed, span in zip(covered, spans, strict=True):
            if needed > span.rfield:
                raise ValueError(
                    f"an expression field of {efield} needs a receptive field of at "
                    f"least {needed}, not {span.rfield}"
                )
        self.paddings = [
            span.rfield - pixels for pixels, span in zip(covered, spans, strict=True)
        ]
        # Range of the centres of receptive fields that lie in every source.
        first = max(s.start + s.rfield // 2 * s.spacing for s in spans)
        last = min(
            s.start + (s.rfield // 2 + s.size - s.rfield + 1) * s.spacing for s in spans
        )
        if not patches:
            # Only whole pixels of every source.
            first = max(_up(first, span) for span in spans)
            last = min(-_up(-last, span._replace(start=-span.start)) for span in spans)
        size = math.floor((last - first) / self.spacing + TINY) + efield - 1
        self.size = size - size % efield
        if last <= first or self.size < efield:
            sizes = ", ".join(f"{s.size} pixels for {s.rfield}" for s in spans)
            raise ValueError(
                f"the images, or the area that they share, are smaller than the "
                f"receptive field ({sizes})"
            )
        # Centre of the first output pixel, as OTBTF has it.
        self.first = first + spans[0].spacing / 2 - self.spacing * (efield // 2)

    @property
    def corner(self) -> float:
        """Corner of the first output pixel.

        A network's output is centred on its receptive field.  With the spacing of the
        input it keeps its grid, and that of a patch belongs to the middle of the patch.
        OTBTF places a fully convolutional output half an input pixel from where half
        an output pixel is meant.
        """
        if self.patches:
            return self.first - self.spacing / 2
        begin, _ = self.needed(0, 0, self.efield)
        span = self.spans[0]
        cut = (span.rfield - self.efield * self.spacing / span.spacing) / 2
        cut = math.ceil(cut) if self.spacing == span.spacing else cut
        return span.start + (begin + cut) * span.spacing

    def align(self, start: int, size: int) -> tuple[int, int]:
        """Widen a part of the output to whole expression fields."""
        first = start // self.efield * self.efield
        last = -(-(start + size) // self.efield) * self.efield
        return first, last - first

    def needed(self, source: int, start: int, size: int) -> tuple[int, int]:
        """Return first pixel and number of pixels of a source for an aligned part."""
        span, padding = self.spans[source], self.paddings[source]
        border = (span.spacing - self.spacing) / 2
        begin = self._pixel(source, self.first + start * self.spacing + border)
        end = self.first + (start + size - 1) * self.spacing - border
        return (
            begin - math.ceil(padding / 2),
            self._pixel(source, end) - begin + 1 + padding,
        )

    def patches_of(self, source: int, start: int, size: int) -> list[int]:
        """Return the first pixel of the patch for each output pixel."""
        return [
            self._pixel(source, self.first + (start + number) * self.spacing)
            - self.spans[source].rfield // 2
            for number in range(size)
        ]

    def _pixel(self, source: int, place: float) -> int:
        span = self.spans[source]
        return math.floor((place - span.start) / span.spacing + TINY)


class Geometry:
    """The output's grid, and the windows of the sources for a part of it."""

    def __init__(
        self,
        sources: Sequence[Grid],
        rfields: Sequence[tuple[int, int]],
        efield: tuple[int, int],
        scale: float,
        patches: bool = False,
    ):
        """Lay out the output; see `Axis`.  Fields are (height, width) pixels."""
        first = sources[0].transform
        rows, cols = [], []
        for grid, (height, width) in zip(sources, rfields, strict=True):
            place = grid.transform
            down, right = (place.f - first.f) * -1, place.c - first.c
            if first.e > 0:  # an image without georeference counts downwards
                down = -down
            rows.append(Span(down, abs(place.e), grid.height, height))
            cols.append(Span(right, abs(place.a), grid.width, width))
        self.rows = Axis(rows, efield[0], scale, patches)
        self.cols = Axis(cols, efield[1], scale, patches)
        corner = (
            first
            @ Affine.scale(1 / abs(first.a), 1 / abs(first.e))
            @ Affine.translation(self.cols.corner, self.rows.corner)
            @ Affine.scale(self.cols.spacing, self.rows.spacing)
        )
        self.grid = Grid(sources[0].crs, corner, self.cols.size, self.rows.size)

    def align(self, window: Window) -> Window:
        """Widen a window of the output to whole expression fields."""
        row, height = self.rows.align(window.row, window.height)
        col, width = self.cols.align(window.col, window.width)
        return Window(row, col, height, width)

    def needed(self, source: int, window: Window) -> Window:
        """Return the pixels of a source for an aligned window of the output."""
        row, height = self.rows.needed(source, window.row, window.height)
        col, width = self.cols.needed(source, window.col, window.width)
        return Window(row, col, height, width)
