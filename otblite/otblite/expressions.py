"""The expressions of BandMath and BandMathX that pyotb writes, run by numexpr.

Understood are numbers, bands (`im1b2`), `? :`, `||`, `&&`, comparisons, `+ - * / ^`,
signs, `!`, parentheses and the functions in `FUNCTIONS`.  Anything else is refused
by name.  muParser's logic is C's: zero is false, everything else is true.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import numexpr
import numpy as np

FUNCTIONS = {
    "abs", "sqrt", "exp", "log", "log10", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "floor", "ceil",
}  # fmt: skip
RENAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
# Python's and numexpr's `&` and `|` bind tighter than comparisons; every part is put
# in parentheses, so that does not matter.
TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
    r"|([A-Za-z_]\w*)|(&&|\|\||[<>=!]=|[-+*/^<>!?:(),]))"
)
BAND = re.compile(r"im([1-9]\d*)b([1-9]\d*)")


class _Parser:
    """Recursive descent; each method gives (numexpr code, whether it is a truth)."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = list(self._tokens())
        self.bands: set[tuple[int, int]] = set()

    def _tokens(self) -> Iterator[str]:
        text, position = self.text.rstrip(), 0
        while position < len(text):
            match = TOKEN.match(text, position)
            if not match:
                self.fail(text[position:].strip()[:12])
            yield match.group(match.lastindex)
            position = match.end()

    def fail(self, found: str):
        raise ValueError(f"expression '{self.text}': '{found}' is not supported here")

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else "end"

    def take(self, *wanted: str) -> str | None:
        if self.tokens and self.tokens[0] in wanted:
            return self.tokens.pop(0)
        return None

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            self.fail(self.peek())

    def parse(self) -> str:
        code = _number(self.choice())
        if self.tokens:
            self.fail(self.peek())
        return code

    def choice(self) -> tuple[str, bool]:
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        yes = _number(self.choice())
        self.need(":")
        no = _number(self.choice())
        return f"where({_truth(condition)}, {yes}, {no})", False

    # From the loosest to the tightest: operators, numexpr's name, kind of operands.
    LEVELS = (
        ({"||": "|"}, "truth"),
        ({"&&": "&"}, "truth"),
        ({op: op for op in ("==", "!=", "<", ">", "<=", ">=")}, "comparison"),
        ({"+": "+", "-": "-"}, "number"),
        ({"*": "*", "/": "/"}, "number"),
    )

    def binary(self, level: int) -> tuple[str, bool]:
        if level == len(self.LEVELS):
            return self.sign()
        operators, kind = self.LEVELS[level]
        left = self.binary(level + 1)
        while operator := self.take(*operators):
            right = self.binary(level + 1)
            operand = _truth if kind == "truth" else _number
            code = f"({operand(left)} {operators[operator]} {operand(right)})"
            left = code, kind != "number"
        return left

    def sign(self) -> tuple[str, bool]:
        if self.take("-"):
            return f"(-{_number(self.sign())})", False
        if self.take("+"):
            return self.sign()
        if self.take("!"):
            return f"(~{_truth(self.sign())})", True
        base = self.atom()
        if self.take("^"):
            return f"({_number(base)} ** {_number(self.sign())})", False
        return base

    def atom(self) -> tuple[str, bool]:
        token = self.tokens.pop(0) if self.tokens else "end"
        if token == "(":
            inner = self.choice()
            self.need(")")
            return inner
        if token[0].isdigit() or token[0] == ".":
            return repr(float(token)), False
        if match := BAND.fullmatch(token):
            self.bands.add((int(match[1]), int(match[2])))
            return token, False
        if token in FUNCTIONS:
            self.need("(")
            argument = _number(self.choice())
            self.need(")")
            return f"{RENAMED.get(token, token)}({argument})", False
        if token in ("min", "max"):
            return self.extreme("<" if token == "min" else ">"), False
        return self.fail(token)

    def extreme(self, comparison: str) -> str:
        self.need("(")
        best = _number(self.choice())
        while self.take(","):
            other = _number(self.choice())
            best = f"where({best} {comparison} {other}, {best}, {other})"
        self.need(")")
        return best


def _truth(part: tuple[str, bool]) -> str:
    code, is_truth = part
    return code if is_truth else f"({code} != 0)"


def _number(part: tuple[str, bool]) -> str:
    code, is_truth = part
    return f"where({code}, 1.0, 0.0)" if is_truth else code


@lru_cache(maxsize=256)
def translate(expression: str) -> tuple[str, frozenset[tuple[int, int]]]:
    """Translate one expression to numexpr.

    Returns:
        The numexpr code, and the bands it uses as (image, band), both from 1.

    Raises:
        ValueError: naming what is not supported.

    >>> translate("(im1b1 > 2 ? 1 : 0)")[0]
    'where((im1b1 > 2.0), 1.0, 0.0)'
    """
    parser = _Parser(expression)
    code = parser.parse()
    return code, frozenset(parser.bands)


def evaluate(code: str, bands: dict[str, np.ndarray]) -> np.ndarray:
    """Evaluate translated code on bands [h, w], in float64 as muParser does."""
    wide = {name: band.astype(np.float64) for name, band in bands.items()}
    return numexpr.evaluate(code, local_dict=wide, global_dict={})
