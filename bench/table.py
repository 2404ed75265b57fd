"""A plain table that grows line by line, so that a long run can be watched."""

from dataclasses import dataclass

TITLES = ("size", "quantity", "measured", "target")
WIDTHS = (6, 58, 20, 18)


@dataclass(frozen=True)
class Row:
    """One number: the size of its scene, its label, its value and its target."""

    size: int | str
    label: str
    measured: str
    target: str = ""


class Table:
    """Prints rows as they come."""

    def heading(self, part: str) -> None:
        """Begin the rows of a part."""
        print(f"\n{part}\n{self._line(TITLES)}\n{self._line('-' * w for w in WIDTHS)}")

    def add(self, row: Row) -> None:
        """Print a row."""
        cells = (str(row.size), row.label, row.measured, row.target)
        print(self._line(cells), flush=True)

    @staticmethod
    def _line(cells) -> str:
        padded = [cell.ljust(w) for cell, w in zip(cells, WIDTHS, strict=True)]
        return "  ".join(padded).rstrip()
