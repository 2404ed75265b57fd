"""The answer of a check: lines of pass and fail, with a hint for each fail."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Line:
    """One check and its outcome."""

    passed: bool
    statement: str
    hint: str = ""

    def __str__(self) -> str:
        if self.passed:
            return f"pass  {self.statement}"
        return f"FAIL  {self.statement}\n      hint: {self.hint}"


@dataclass
class Report:
    """All lines of one exercise."""

    lines: list[Line] = field(default_factory=list)

    def check(self, passed: bool, statement: str, hint: str) -> bool:
        """Add a line; return True if it passed."""
        self.lines.append(Line(bool(passed), statement, hint))
        return bool(passed)

    @property
    def passed(self) -> bool:
        """True if no line failed; a report without lines does not pass."""
        return bool(self.lines) and all(line.passed for line in self.lines)

    @property
    def failed(self) -> list[Line]:
        """The lines that failed."""
        return [line for line in self.lines if not line.passed]

    def __str__(self) -> str:
        count = len(self.lines) - len(self.failed)
        end = f"{count} of {len(self.lines)} passed"
        lines, hints = [], set()
        for line in self.lines:
            repeated = line.hint in hints and not line.passed
            lines.append(str(replace(line, hint="as above") if repeated else line))
            hints |= set() if line.passed else {line.hint}
        return "\n".join([*lines, end])
