"""The expressions of BandMath and BandMathX that pyotb writes, run by numexpr.

Understood are numbers, bands (`im1b2`), `? :`, `||`, `&&`, comparisons, `+ - * / ^`,
signs, parentheses and the functions in `FUNCTIONS`.  Anything else is refused by name.

BandMath's parser (muParser) has C's logic: zero is false, everything else is true.
BandMathX's (muParserX) is strict: a number is no condition and a comparison is no
number, it takes `(im1b1 > 2 ? 1 : 0)`.  What it refuses is refused here as well.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# numexpr tells how many threads it uses when it is imported.
logging.getLogger("numexpr.utils").setLevel(logging.WARNING)

import numexpr  # noqa: E402

# Those that only BandMath has are in the second set.
FUNCTIONS = {
    "abs",
    "sqrt",
    "exp",
    "log",
    "log10",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "min",
    "max",
}
NOT_STRICT = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
# numexpr takes at most 31 operands and its result.
MOST_OPERANDS = 31
TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
    r"|([A-Za-z_]\w*)|(&&|\|\||[<>=!]=|[-+*/^<>?:(),]))"
)
BAND = re.compile(r"im([1-9]\d*)b([1-9]\d*)")


@dataclass(frozen=True)
class Formula:
    """An expression in numexpr's words, where every part is in parentheses."""

    code: str
    bands: frozenset[tuple[int, int]]
    """The bands it uses as (image, band), both from 1."""
    numbers: dict[str, float]
    """Its numbers by name: numexpr would compute with literals like Python does,
    where 1 / 0 is an error."""
    chooses: bool
    """Whether it only compares, negates and picks values, which any precision that can
    hold them does alike."""


class _Parser:
    """Recursive descent; each method gives (numexpr code, whether it is a truth)."""

    def __init__(self, text: str, strict: bool):
        self.text, self.strict = text, strict
        self.tokens = list(self._tokens())
        self.bands: set[tuple[int, int]] = set()
        self.numbers: dict[str, float] = {}
        self.chooses = True

    def _tokens(self) -> Iterator[str]:
        text, position = self.text.rstrip(), 0
        while position < len(text):
            match = TOKEN.match(text, position)
            if not match:
                self.unsupported(text[position:].strip()[:12])
            yield match.group(match.lastindex)
            position = match.end()

    def fail(self, message: str):
        raise ValueError(f"expression '{self.text}': {message}")

    def unsupported(self, found: str):
        self.fail(f"'{found}' is not supported here")

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else "end"

    def take(self, *wanted: str) -> str | None:
        if self.tokens and self.tokens[0] in wanted:
            return self.tokens.pop(0)
        return None

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            self.unsupported(self.peek())

    def truth(self, part: tuple[str, bool]) -> str:
        code, is_truth = part
        if self.strict and not is_truth:
            self.fail("BandMathX needs a comparison as condition, not a number")
        return code if is_truth else f"({code} != 0)"

    def number(self, part: tuple[str, bool]) -> str:
        code, is_truth = part
        if self.strict and is_truth:
            self.fail(
                "BandMathX does not compute with the result of a comparison; "
                "write (comparison ? 1 : 0)"
            )
        return _one_or_zero(code) if is_truth else code

    def parse(self) -> str:
        code = self.number(self.choice())
        if self.tokens:
            self.unsupported(self.peek())
        if len(self.bands) + len(self.numbers) > MOST_OPERANDS:
            self.fail(f"more than {MOST_OPERANDS} different bands and numbers")
        return code

    def choice(self) -> tuple[str, bool]:
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        yes = self.number(self.choice())
        self.need(":")
        no = self.number(self.choice())
        return f"where({self.truth(condition)}, {yes}, {no})", False

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
            if kind == "comparison" and left[1] and right[1]:
                codes = _one_or_zero(left[0]), _one_or_zero(right[0])
            else:
                operand = self.truth if kind == "truth" else self.number
                codes = operand(left), operand(right)
            left = f"({codes[0]} {operators[operator]} {codes[1]})", kind != "number"
            self.chooses &= kind != "number"
        return left

    def sign(self) -> tuple[str, bool]:
        if self.take("-"):
            return f"(-{self.number(self.sign())})", False
        if not self.strict and self.take("+"):
            return self.sign()
        base = self.atom()
        if self.take("^"):
            self.chooses = False
            exponent = self.number(self.sign())
            # numexpr is fast where it knows the exponent.
            exponent = self.numbers.get(exponent, exponent)
            return f"({self.number(base)} ** {exponent})", False
        return base

    def atom(self) -> tuple[str, bool]:
        token = self.tokens.pop(0) if self.tokens else "end"
        if token == "(":
            inner = self.choice()
            self.need(")")
            return inner
        if token[0].isdigit() or token[0] == ".":
            name = f"n{len(self.numbers)}"
            self.numbers[name] = float(token)
            return name, False
        if match := BAND.fullmatch(token):
            self.bands.add((int(match[1]), int(match[2])))
            return token, False
        if token in FUNCTIONS or (token in NOT_STRICT and not self.strict):
            return self.function(token), False
        return self.unsupported(token)

    def function(self, name: str) -> str:
        self.need("(")
        given = [self.number(self.choice())]
        while name in ("min", "max") and self.take(","):
            given.append(self.number(self.choice()))
        self.need(")")
        if name not in ("min", "max"):
            self.chooses = False
            return f"{NOT_STRICT.get(name, name)}({given[0]})"
        comparison = "<" if name == "min" else ">"
        # In rounds of pairs: one by one the code would double with each number.
        while len(given) > 1:
            pairs = zip(given[::2], given[1::2], strict=False)
            odd = given[-1:] if len(given) % 2 else []
            given = [f"where({a} {comparison} {b}, {a}, {b})" for a, b in pairs] + odd
        return given[0]


def _one_or_zero(truth: str) -> str:
    return f"where({truth}, 1.0, 0.0)"


@lru_cache(maxsize=256)
def translate(expression: str, strict: bool = False) -> Formula:
    """Translate one expression to numexpr.

    Arguments:
        expression: in muParser's words, or with `strict` in muParserX's.
        strict: whether numbers and truths are two things.

    Raises:
        ValueError: naming what is not supported.

    >>> translate("(im1b1 > 2 ? 1 : 0)").code
    'where((im1b1 > n0), n1, n2)'
    """
    parser = _Parser(expression, strict)
    code = parser.parse()
    return Formula(code, frozenset(parser.bands), parser.numbers, parser.chooses)


def evaluate(formula: Formula, bands: dict[str, np.ndarray]) -> np.ndarray:
    """Evaluate on bands [h, w], in float64 as the parsers do.

    Where nothing is computed float32 gives the same in half the time.  Without any
    band the result is one number, [].
    """
    numbers = {name: np.float64(value) for name, value in formula.numbers.items()}
    with np.errstate(over="ignore"):
        exact = all(number == np.float32(number) for number in numbers.values())
    exact &= all(np.can_cast(band.dtype, np.float32) for band in bands.values())
    dtype = np.float32 if formula.chooses and exact else np.float64
    operands = {
        name: value.astype(dtype, copy=False)
        for name, value in (bands | numbers).items()
    }
    return numexpr.evaluate(formula.code, local_dict=operands, global_dict={})
