"""The expressions of BandMath and BandMathX that scripts write, run by numexpr.

Supported are numbers, `pi`, `e`, bands (`im1b2`), indices (`idxX`, `idxY`), `? :`,
`||`, `&&`, `or`, `and`, comparisons, `+ - * / ^`, signs, parentheses, functions.
Anything else is refused by name.

BandMath's parser (muParser) has C's logic: zero is false, everything else is true; it
has coordinates (`idxPhyX`, `idxPhyY`).
BandMathX's (muParserX) is strict: a number is no condition and a comparison is no
number, it takes `(im1b1 > 2 ? 1 : 0)`.  otblite refuses the same expressions.
It also has vectors: all bands of an image (`im1`), `{im1b1, 2}`, the operators and
functions on them, measures of neighbourhoods (`mean(im1b1N3x3)`), and those of whole
bands (`im1b1Mean`).

Source: muParser, muParserX; OTB's functions: its Cookbook, and answers of OTB 8.1.1.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# numexpr logs the number of its threads when it is imported.
logging.getLogger("numexpr.utils").setLevel(logging.WARNING)

import numexpr  # noqa: E402

# Functions of one number or two, and numexpr's code for them.
OF_ONE = {
    name: f"{name}({{0}})"
    for name in "abs sqrt exp log log10 sin cos tan sinh cosh tanh".split()
} | {"ln": "log({0})", "log2": f"(log({{0}}) / {float(np.log(2))!r})"}
NDVI = "where(abs({1} + {0}) < 1e-6, 0.0, (({1} - {0}) / ({1} + {0})))"
# Those that one of the two parsers does not have; BandMathX writes vasin.
ARCS = {"asin": "arcsin({0})", "acos": "arccos({0})", "atan": "arctan({0})"}
NOT_STRICT = {
    **OF_ONE,
    **ARCS,
    "ndvi": NDVI,
    "atan2": "arctan2({0}, {1})",
    "asinh": "arcsinh({0})",
    "acosh": "arccosh({0})",
    "atanh": "(0.5 * log((1 + {0}) / (1 - {0})))",  # of -0 it is 0
    "rint": "floor({0} + 0.5)",
    "sign": "where({0} > 0, 1.0, where({0} < 0, -1.0, 0.0))",
}
# The same for each component of a vector: vsqrt, vacos...
OF_COMPONENTS = {f"v{name}": code for name, code in (OF_ONE | ARCS).items()}
STRICT = {**OF_ONE, **OF_COMPONENTS, "ndvi": NDVI, "pow": "({0} ** {1})"}
CONSTANTS = {"pi": np.pi, "e": np.e, "euler": np.euler_gamma}
CONSTANTS |= {f"ln{n}": np.log(n) for n in (2, 10)}
CONSTANTS |= {f"log{n}e": 1 / np.log(n) for n in (2, 10)}
NOT_STRICT_CONSTANTS = CONSTANTS | {"_pi": np.pi, "_e": np.e}
# Words between vectors: numexpr's operator, and whether the right one is a number.
WORDS = {"mult": ("*", False), "div": ("/", False), "pow": ("**", False)}
WORDS |= {"mlt": ("*", True), "dv": ("/", True), "pw": ("**", True)}
NUMBER, TRUTH, VECTOR, NEIGHBOURHOOD = "number", "truth", "vector", "neighbourhood"
MEASURES = ("mean", "var", "median", "vmin", "vmax")
# Where BandMathX begins to look for an extreme.  So there vmax is never negative.
START = {"min": 1e30, "max": -1e30}
START |= {"vmin": np.finfo(np.float64).max, "vmax": np.finfo(np.float64).tiny}
# numexpr takes at most 31 operands and its result.
MOST_OPERANDS = 31
TOKEN = re.compile(
    r"\s*(?:(0x[\da-fA-F]+|0b[01]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
    r"|([A-Za-z_]\w*)|(&&|\|\||[<>=!]=|[-+*/^<>?:(),{}]))"
)
BAND = re.compile(r"im([1-9]\d*)b([1-9]\d*)")
WHOLE = re.compile(r"im([1-9]\d*)")
AROUND = re.compile(r"im([1-9]\d*)b([1-9]\d*)N(\d*[13579])x(\d*[13579])")
OF_BAND = re.compile(r"im([1-9]\d*)b([1-9]\d*)(Mini|Maxi|Mean|Sum|Var)")
SPACING = re.compile(r"im([1-9]\d*)Phy([XY])")
INDEX = re.compile(r"idx(Phy)?[XY]")


@dataclass(frozen=True)
class Formula:
    """An expression in numexpr's words, where every part is in parentheses."""

    code: str
    operands: frozenset[str]
    """Names of its operands: bands (`im1b2`), `idxX`, statistics of a band
    (`im1b2Mean`) or of the neighbourhood of each pixel (`im1b2N3x3mean`)."""
    numbers: dict[str, float]
    """Its numbers by name: numexpr would compute with literals like Python does,
    where 1 / 0 is an error."""
    chooses: bool
    """True if it only compares, negates and selects values: the result is then the same
    in any precision that can hold them."""


@dataclass(frozen=True)
class Value:
    """A part of an expression: its kind, and code for each component."""

    codes: tuple[str, ...]
    kind: str = NUMBER


class _Parser:
    """Recursive descent parser; each method returns a value."""

    def __init__(self, text: str, strict: bool, bands: tuple[int, ...]):
        self.text, self.strict, self.bands = text, strict, bands
        self.tokens = list(self._tokens())
        self.operands: set[str] = set()
        self.numbers: dict[str, float] = {}
        self.chooses = True
        self.functions = STRICT if strict else NOT_STRICT
        self.methods = SHARED | (WITH_VECTORS if strict else WITHOUT_VECTORS)
        self.constants = CONSTANTS if strict else NOT_STRICT_CONSTANTS

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

    def unsupported(self, token: str):
        self.fail(f"'{token}' is not supported here")

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else "end"

    def take(self, *tokens: str) -> str | None:
        if self.tokens and self.tokens[0] in tokens:
            return self.tokens.pop(0)
        return None

    def need(self, token: str) -> None:
        if not self.take(token):
            self.unsupported(self.peek())

    # Kinds of values.

    def varies(self, part: Value) -> bool:
        return not self.operands.isdisjoint(re.findall(r"\w+", *part.codes))

    def truth(self, part: Value, cut: bool = False) -> str:
        if part.kind == TRUTH:
            return part.codes[0]
        if self.strict:
            self.fail(f"BandMathX needs a comparison as condition, not a {part.kind}")
        if cut:  # behind the point: `and`, `or`, and all that muParser computes at once
            return f"(~({part.codes[0]} ** 2 < 1))"
        return f"({part.codes[0]} != 0)"

    def number(self, part: Value) -> str:
        if part.kind == TRUTH and self.strict:
            self.fail(
                "BandMathX does not compute with the result of a comparison; "
                "write (comparison ? 1 : 0)"
            )
        if part.kind == VECTOR:
            self.fail(
                "a number is expected, not a vector; operators between vectors are "
                "+, -, mult, div and pow, with a number on the right mlt, dv and pw"
            )
        if part.kind == NEIGHBOURHOOD:
            self.fail(
                "of a neighbourhood only a measure can be used: "
                f"{', '.join(MEASURES)}, like mean(im1b1N3x3)"
            )
        return _one_or_zero(part.codes[0]) if part.kind == TRUTH else part.codes[0]

    def vector(self, part: Value) -> tuple[str, ...]:
        if part.kind != VECTOR:
            self.fail(f"a vector is expected, not {_spell(part)}")
        return part.codes

    def components(self, part: Value) -> tuple[str, ...]:
        return part.codes if part.kind == VECTOR else (self.number(part),)

    def alike(self, one: Value, other: Value) -> list[tuple[str, str]]:
        """Pair the components of two vectors."""
        if {one.kind, other.kind} != {VECTOR} or len(one.codes) != len(other.codes):
            self.fail(
                "two vectors of one length are expected, got "
                f"{_spell(one)} and {_spell(other)}"
            )
        return list(zip(one.codes, other.codes, strict=True))

    # From the loosest to the tightest.

    def parse(self) -> tuple[str, ...]:
        result = self.choice()
        while not self.strict and self.take(","):  # muParser's last one counts
            result = self.choice()
        codes = self.components(result)
        if self.tokens:
            self.unsupported(self.peek())
        return codes

    def formula(self, code: str) -> Formula:
        names = set(re.findall(r"[A-Za-z_]\w*", code))
        numbers = {key: self.numbers[key] for key in self.numbers if key in names}
        operands = frozenset(names & self.operands)
        if len(operands) + len(numbers) > MOST_OPERANDS:
            self.fail(f"more than {MOST_OPERANDS} different bands and numbers")
        return Formula(code, operands, numbers, self.chooses)

    def choice(self) -> Value:
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        yes = self.choice()
        self.need(":")
        no = self.choice()
        test = self.truth(condition)
        if VECTOR in (yes.kind, no.kind):
            codes = (f"where({test}, {a}, {b})" for a, b in self.alike(yes, no))
            return Value(tuple(codes), VECTOR)
        return Value((f"where({test}, {self.number(yes)}, {self.number(no)})",))

    # Operators, numexpr's name, kind of operands.  BandMath has `and` and `or` beside
    # `||`; BandMathX where one expects them.
    OR, AND, WORD = {"||": "|", "or": "|"}, {"&&": "&"}, {"and": "&"}
    TIGHTER = (
        ({op: op for op in ("==", "!=", "<", ">", "<=", ">=")}, "comparison"),
        ({op: op for op in "+-"}, NUMBER),
        ({op: op for op in ("*", "/", *WORDS)}, NUMBER),
    )
    LEVELS = {
        False: ((OR | WORD, TRUTH), (AND, TRUTH), *TIGHTER),
        True: ((OR, TRUTH), (AND | WORD, TRUTH), *TIGHTER),
    }

    def binary(self, level: int) -> Value:
        if level == len(self.LEVELS[self.strict]):
            return self.sign()
        operators, kind = self.LEVELS[self.strict][level]
        left = self.binary(level + 1)
        while operator := self.take(*operators):
            right = self.binary(level + 1)
            self.chooses &= kind != NUMBER
            if VECTOR in (left.kind, right.kind) or operator in WORDS:
                left = self.of_vectors(left, operator, right)
                continue
            if kind == "comparison" and left.kind == right.kind == TRUTH:
                codes = _one_or_zero(left.codes[0]), _one_or_zero(right.codes[0])
            else:
                parts = (left, right)
                cut = operator in ("and", "or") or not any(map(self.varies, parts))
                codes = (
                    self.truth(part, cut) if kind == TRUTH else self.number(part)
                    for part in parts
                )
            code = f"({f' {operators[operator]} '.join(codes)})"
            left = Value((code,), NUMBER if kind == NUMBER else TRUTH)
        return left

    def of_vectors(self, left: Value, operator: str, right: Value) -> Value:
        """Compute component by component, or all of them with one number."""
        symbol, by_number = WORDS.get(operator, (operator, operator == "*"))
        if operator in WORDS and not self.strict:
            self.unsupported(operator)
        if by_number:
            if operator == "*" and left.kind != VECTOR:
                left, right = right, left
            if left.kind != VECTOR:
                self.fail(f"'{operator}' needs a vector on its left")
            other = self.number(right)
            pairs = [(code, other) for code in left.codes]
        elif operator in ("+", "-", *WORDS):
            pairs = self.alike(left, right)
        else:
            self.fail(
                f"'{operator}' does not take vectors; between them it is mult, div, "
                "pow, with a number on the right mlt, dv, pw"
            )
        return Value(tuple(f"({a} {symbol} {b})" for a, b in pairs), VECTOR)

    def sign(self) -> Value:
        if self.take("-"):
            # BandMathX's whole numbers have no -0, and 1 / -0 would be -infinity.
            zero = "0 " * self.strict
            return Value((f"({zero}-{self.number(self.sign())})",))
        if not self.strict and self.take("+"):
            return self.sign()
        base = self.atom()
        if self.take("^"):
            self.chooses = False
            exponent = self.number(self.sign())
            # numexpr is fast where it knows the exponent.
            exponent = self.numbers.get(exponent, exponent)
            return Value((f"({self.number(base)} ** {exponent})",))
        return base

    def atom(self) -> Value:
        token = self.tokens.pop(0) if self.tokens else "end"
        if token == "(":
            inner = self.choice()
            self.need(")")
            return inner
        if token == "{" and self.strict:
            return Value(tuple(map(self.number, self.arguments("}"))), VECTOR)
        if token[0].isdigit() or token[0] == ".":
            whole = token[1:2] in ("x", "b")  # 0x10 or 0b10
            if whole and not self.strict:
                self.unsupported(token)
            number = int(token, 0) if whole else float(token)
            return Value((self.constant(float(number)),))
        if token in self.constants and self.peek() != "(":
            return Value((self.constant(self.constants[token]),))
        index = INDEX.fullmatch(token)
        if BAND.fullmatch(token) or index and not (index[1] and self.strict):
            return Value((self.operand(token),))
        if self.strict and (OF_BAND.fullmatch(token) or SPACING.fullmatch(token)):
            return Value((self.operand(token),))
        if self.strict and AROUND.fullmatch(token):
            return Value((token,), NEIGHBOURHOOD)
        if self.strict and (match := WHOLE.fullmatch(token)):
            image = int(match[1])
            if image > len(self.bands):
                self.fail(f"'{token}' is not among the inputs")
            numbers = range(1, self.bands[image - 1] + 1)
            return Value(tuple(self.operand(f"{token}b{n}") for n in numbers), VECTOR)
        if token in self.functions or token in self.methods:
            self.need("(")
            return self.function(token, self.arguments(")"))
        return self.unsupported(token)

    def constant(self, number: float) -> str:
        name = f"n{len(self.numbers)}"
        self.numbers[name] = number
        return name

    def operand(self, name: str) -> str:
        self.operands.add(name)
        return name

    def arguments(self, end: str) -> list[Value]:
        values = [self.choice()]
        while self.take(","):
            values.append(self.choice())
        self.need(end)
        return values

    def function(self, name: str, values: list[Value]) -> Value:
        self.chooses &= self.methods.get(name) is _Parser.extreme
        if name in self.methods:
            return self.methods[name](self, name, values)
        code = self.functions[name]
        self.count(name, values, 1 + ("{1}" in code))
        if name in OF_COMPONENTS:
            return Value(tuple(map(code.format, self.vector(*values))), VECTOR)
        return Value((code.format(*map(self.number, values)),))

    def count(self, name: str, values: list[Value], length: int) -> list[Value]:
        if len(values) != length:
            self.fail(f"{name} takes {length} value(s), got {len(values)}")
        return values

    # Functions of several values.

    def extreme(self, name: str, values: list[Value]) -> Value:
        return Value((self.extreme_of(name, [self.number(value) for value in values]),))

    def extreme_of(self, name: str, codes: list[str]) -> str:
        """Pick the least or the largest, in rounds of pairs; NaN is neither.

        One by one the code would double with each number.  In BandMath the first
        number counts even if it is NaN.
        """
        smaller = name in ("min", "vmin")
        begin = START[name] if self.strict else np.inf if smaller else -np.inf
        none = self.constant(begin)
        first, rest = (none, codes) if self.strict else (codes[0], codes[1:])
        rest = [f"where({code} == {code}, {code}, {none})" for code in rest]
        while len(rest) > 1:
            pairs = zip(rest[::2], rest[1::2], strict=False)
            odd = rest[-1:] if len(rest) % 2 else []
            rest = [_of_two(smaller, *pair) for pair in pairs] + odd
        return _of_two(smaller, rest[0], first) if rest else first

    def sum(self, name: str, values: list[Value]) -> Value:
        total = f"({' + '.join(self.number(value) for value in values)})"
        return Value((total if name == "sum" else f"({total} / {len(values)}.0)",))

    def choose(self, name: str, values: list[Value]) -> Value:
        vector, places = self.count(name, values, 2)
        codes, chosen = self.vector(vector), []
        if places.kind != VECTOR:
            self.fail("bands() takes a list of numbers, like bands(im1, {1, 2})")
        for code in self.vector(places):
            # Only numbers that are written in the expression have a fixed value.
            index = self.numbers.get(code, code)
            if index not in range(1, len(codes) + 1):
                self.fail(f"bands() takes numbers from 1 to {len(codes)}, not {index}")
            chosen.append(codes[int(index) - 1])
        return Value(tuple(chosen), VECTOR)

    def join(self, name: str, values: list[Value]) -> Value:
        return Value(sum(map(self.components, values), ()), VECTOR)

    def scalar(self, name: str, values: list[Value]) -> Value:
        return Value(self.vector(*self.count(name, values, 1))[:1])

    def products(self, name: str, values: list[Value]) -> Value:
        if name == "vnorm":
            codes = self.vector(*self.count(name, values, 1))
            return Value((f"sqrt({' + '.join(f'{c} * {c}' for c in codes)})",), VECTOR)
        pairs = self.alike(*self.count(name, values, 2))
        return Value((f"({' + '.join(f'{a} * {b}' for a, b in pairs)})",), VECTOR)

    def measure(self, name: str, values: list[Value]) -> Value:
        if name in ("vmin", "vmax"):
            self.count(name, values, 1)
        return Value(tuple(self.measured(name, value) for value in values), VECTOR)

    def measured(self, name: str, value: Value) -> str:
        if value.kind == NEIGHBOURHOOD:
            return self.operand(value.codes[0] + name)
        if name in ("vmin", "vmax"):
            return self.extreme_of(name, list(self.vector(value)))
        codes = self.components(value)
        mean = f"(({' + '.join(codes)}) / {len(codes)}.0)"
        if name == "mean":
            return mean
        if name == "var":
            squares = " + ".join(f"({code} - {mean}) ** 2" for code in codes)
            return f"(({squares}) / {len(codes)}.0)"
        return self.fail("median takes neighbourhoods only, like im1b1N3x3")


SHARED: dict[str, Callable] = {
    "min": _Parser.extreme,
    "max": _Parser.extreme,
    "sum": _Parser.sum,
}
WITHOUT_VECTORS: dict[str, Callable] = {"avg": _Parser.sum}
WITH_VECTORS: dict[str, Callable] = {
    "bands": _Parser.choose,
    "cat": _Parser.join,
    "vect2scal": _Parser.scalar,
    "vnorm": _Parser.products,
    "dotpr": _Parser.products,
    **dict.fromkeys(MEASURES, _Parser.measure),
}


def _one_or_zero(truth: str) -> str:
    return f"where({truth}, 1.0, 0.0)"


def _spell(value: Value) -> str:
    return f"one of {len(value.codes)}" if value.kind == VECTOR else f"a {value.kind}"


def _of_two(smaller: bool, one: str, other: str) -> str:
    return f"where({one} {'<' if smaller else '>'} {other}, {one}, {other})"


@lru_cache(maxsize=256)
def translate(
    expression: str, strict: bool = False, bands: tuple[int, ...] = ()
) -> tuple[Formula, ...]:
    """Translate one expression to a formula, or one for each component of a vector.

    Arguments:
        strict: whether it is in muParserX's words, not in muParser's.
        bands: number of bands of each image, for expressions of all of them.

    Raises:
        ValueError: naming the part that is not supported.

    >>> translate("(im1b1 > 2 ? 1 : 0)")[0].code
    'where((im1b1 > n0), n1, n2)'
    >>> [formula.code for formula in translate("im1 mlt 2", True, (2,))]
    ['(im1b1 * n0)', '(im1b2 * n0)']
    """
    parser = _Parser(expression, strict, bands)
    return tuple(map(parser.formula, parser.parse()))


def evaluate(formula: Formula, operands: dict[str, np.ndarray]) -> np.ndarray:
    """Evaluate on operands [h, w], in float64 as the parsers do.

    A formula that only chooses among values is evaluated in float32, in half the time.
    Without any band the result is one number, [].
    """
    numbers = {name: np.float64(value) for name, value in formula.numbers.items()}
    with np.errstate(over="ignore"):
        exact = all(number == np.float32(number) for number in numbers.values())
    exact &= all(
        np.can_cast(operand.dtype, np.float32) for operand in operands.values()
    )
    dtype = np.float32 if formula.chooses and exact else np.float64
    arrays = {
        name: value.astype(dtype, copy=False)
        for name, value in (operands | numbers).items()
    }
    return numexpr.evaluate(formula.code, local_dict=arrays, global_dict={})
