"""A plain table that grows line by line, so that a long run can be watched."""

from dataclasses import dataclass

TITLES = ("size", "what", "measured", "target")
WIDTHS = (6, 58, 20, 18)


@dataclass(frozen=True)
class Row:
    """One number: of which size of scene, what it is, and what it should be."""

    size: int | str
    what: str
    measured: str
    target: str = ""


class Table:
    """Prints rows as they come."""

    def heading(self, part: str) -> None:
        """Begin the rows of a part."""
        print(f"\n{part}\n{self._line(TITLES)}\n{self._line('-' * w for w in WIDTHS)}")

    def add(self, row: Row) -> None:
        """Print a row."""
        cells = (str(row.size), row.what, row.measured, row.target)
        print(self._line(cells), flush=True)

    @staticmethod
    def _line(cells) -> str:
        padded = [cell.ljust(w) for cell, w in zip(cells, WIDTHS, strict=True)]
        return "  ".join(padded).rstrip()
