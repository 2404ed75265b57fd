"""Command lines as dataclasses: each option is declared once, with unit and default.

@dataclass(frozen=True, kw_only=True)
class Options:
    out_dir: str = option(help="folder for the patches")
    patch_size: int = option(32, "side of the lr patches, pixels", kind=number(2))

options = parse(Options, ["--out_dir", "patches"])
"""

import argparse
import dataclasses
import math
import shlex
import sys
import typing
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from srtools.errors import SRError
from srtools.urls import without_secrets

Options = TypeVar("Options")
REQUIRED = dataclasses.MISSING
LARGEST = 2**31 - 1  # NumPy and TensorFlow take no larger seed or size
PRECISIONS = ("auto", "float32", "bfloat16")  # see `srtools.network.precision`
SEVERAL_FILES = (
    "; does a * stand for several files where one is expected?  A Spot product of "
    "several tiles (R1C1, R1C2) is opened by its DIM_*.XML"
)


class MisuseError(SRError):
    """Options contradict each other; the program ends with exit code 2."""


def option(
    default: Any = REQUIRED,
    help: str = "",
    *,
    kind: Callable[[str], Any] | None = None,
    group: str | None = None,
    **details: Any,
) -> Any:
    """Declare an option, a field of a frozen dataclass.

    A `bool` becomes `--field`, or `--no_field` if its default is True.

    Arguments:
        default: value if the option is missing; without it the option is required.
        help: meaning, with the unit.  The parser adds the default unless it is None.
        kind: converter of the text; by default the type of the field.
        group: heading in `--help`; "advanced" for options that a first run ignores.
        details: further arguments of `argparse.add_argument` (nargs, choices, metavar).
    """
    about = {"help": help, "kind": kind, "group": group, **details}
    return dataclasses.field(default=default, metadata=about)


def make_parser(options: type) -> argparse.ArgumentParser:
    """Build the parser of a dataclass with fields declared by `option`."""
    parser = argparse.ArgumentParser(description=options.__doc__, allow_abbrev=False)
    groups: dict[str | None, Any] = {None: parser}
    hints = typing.get_type_hints(options)
    # Required options come first.  Groups are sorted by first option, "advanced" last.
    fields = sorted(
        dataclasses.fields(options),
        key=lambda f: (f.metadata["group"] == "advanced", f.default is not REQUIRED),
    )
    for field in fields:
        group = field.metadata["group"]
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        details = _argument(field, hints[field.name])
        groups[group].add_argument(_flag(field), dest=field.name, **details)
    return parser


def _flag(field: dataclasses.Field) -> str:
    return f"--no_{field.name}" if field.default is True else f"--{field.name}"


def _argument(field: dataclasses.Field, hint: Any) -> dict[str, Any]:
    """Translate a field with its type `hint` into arguments of `add_argument`."""
    details = {k: v for k, v in field.metadata.items() if k not in ("group", "kind")}
    kinds, default = typing.get_args(hint) or (hint,), field.default
    if bool in kinds:
        details["action"] = "store_false" if default else "store_true"
    else:
        kind = next((kind for kind in (int, float) if kind in kinds), str)
        details |= {"type": field.metadata["kind"] or kind, "action": Once}
        details["required"] = default is REQUIRED
        if default not in (REQUIRED, None):
            shown = default if isinstance(default, tuple) else [default]
            details["help"] += f" (default: {' '.join(map(str, shown))})"
    # The dataclass sets the default of a missing option.
    details["default"] = None if default is None else argparse.SUPPRESS
    return {**details, "help": details["help"].replace("%", "%%")}


class Once(argparse.Action):
    """Action of argparse that refuses an empty option, or one that is given twice."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Store the value, or refuse it."""
        if "" in (values, *(values if isinstance(values, list) else ())):
            raise argparse.ArgumentError(
                self, "it is empty; is a variable of the shell not set?"
            )
        given = getattr(namespace, self.dest, None)
        if given is not None:
            raise argparse.ArgumentError(
                self, f"it is given twice, {given} and {values}; give one"
            )
        setattr(namespace, self.dest, values)


def parse(options: type[Options], arguments: Sequence[str] | None = None) -> Options:
    """Read a command line into the dataclass `options`; a misuse exits with code 2.

    `--help` begins with the docstring of the dataclass.
    """
    parser = make_parser(options)
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        advice = "" if unknown[0].startswith("-") else SEVERAL_FILES
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{advice}")
    values = vars(given).items()
    try:
        return options(**{k: tuple(v) if isinstance(v, list) else v for k, v in values})
    except MisuseError as error:
        parser.error(str(error))


def command_line(script: str, options: Any) -> str:
    """Return the command line of `script` with `options`, without secrets in URLs.

    Options at their default are left out, and so is `--overwrite`.
    """
    words = [script]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value == field.default or field.name == "overwrite":
            continue
        words.append(_flag(field))
        if not isinstance(value, bool):
            words += map(str, value if isinstance(value, tuple) else [value])
    return shlex.join(without_secrets(word) for word in words)


def number(
    least: float = -math.inf,
    most: float = math.inf,
    *,
    kind: type = int,
    multiple: int = 1,
) -> Callable[[str], Any]:
    """Return a converter, for `option`, from text to a finite number within bounds.

    Numbers of the type int are at most `LARGEST`, and multiples of `multiple`.
    """
    wanted = "a whole number" if kind is int else "a number"
    wanted = f"a multiple of {multiple}" if multiple > 1 else wanted
    wanted += f" of at least {least:g}" if least > -math.inf else ""
    wanted += f" up to {most:g}" if most < math.inf else ""
    most = min(most, LARGEST if kind is int else sys.float_info.max)

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most or (multiple > 1 and value % multiple):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return convert


def day(text: str) -> date:
    """Convert a text such as 2022-07-14 to a date."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # fromisoformat takes more
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a day; YYYY-MM-DD is expected"
        ) from None
