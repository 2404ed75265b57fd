"""Command lines as dataclasses: an option is declared once, with its unit and default.

    @dataclass(frozen=True, kw_only=True)
    class Options:
        out_dir: str = option(help="folder for the patches")
        patch_size: int = option(32, "side of the lr patches, pixels", kind=even)

    options = parse(Options, ["--out_dir", "patches"])

The fields are the parameters of the script when it is called from Python; the parser
takes names, types, help and defaults from them.
"""

import argparse
import dataclasses
import math
import shlex
import sys
import types
import typing
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from srtools.errors import SRError
from srtools.urls import without_secrets

Options = TypeVar("Options")
REQUIRED = dataclasses.MISSING
LARGEST = 2**31 - 1  # number: NumPy and TensorFlow know no larger seed or size
PRECISIONS = ("auto", "float32", "bfloat16")
"""Arithmetic of the network, see `srtools.network.precision`."""

SEVERAL = (
    "does a * stand for several files, where one is expected?  A Spot product of "
    "several tiles (R1C1, R1C2) is opened by its DIM_*.XML"
)


class MisuseError(SRError):
    """Options that contradict each other; the command line exits with 2."""


def option(
    default: Any = REQUIRED,
    help: str = "",
    *,
    kind: Callable[[str], Any] | None = None,
    flag: str | None = None,
    group: str | None = None,
    **details: Any,
) -> Any:
    """Declare an option: a field of a frozen dataclass.

    Arguments:
        default: value without the option; none: the option is required.
        help: meaning, with the unit.  The default is added unless it is None.
        kind: converter of the text; by default the type of the field.
        flag: another name than `--field`, for instance `--no_augment`.
        group: heading in `--help`; "advanced" for what a first run does not need.
        details: what `argparse.add_argument` takes on top (nargs, choices, metavar).
    """
    about = {"help": help, "kind": kind, "flag": flag, "group": group, **details}
    return dataclasses.field(default=default, metadata=about)


def make_parser(options: type) -> argparse.ArgumentParser:
    """Build the command line of a dataclass whose fields are declared by `option`."""
    parser = argparse.ArgumentParser(description=options.__doc__, allow_abbrev=False)
    parser.given = {}  # values of the options, for `Once`
    groups: dict[str | None, Any] = {None: parser}
    hints = typing.get_type_hints(options)
    # Required options come first.  The groups come in the order of their first option,
    # "advanced" last.
    fields = sorted(
        dataclasses.fields(options),
        key=lambda f: (f.metadata["group"] == "advanced", f.default is not REQUIRED),
    )
    for field in fields:
        details = dict(field.metadata)
        group, flag = details.pop("group"), details.pop("flag")
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        groups[group].add_argument(
            flag or f"--{field.name}",
            dest=field.name,
            **_argument(field, hints[field.name], details),
        )
    return parser


def _argument(field: dataclasses.Field, hint: Any, details: dict) -> dict[str, Any]:
    """Translate a field into the arguments of `add_argument`."""
    kind, text = details.pop("kind"), details.pop("help")
    if field.default is REQUIRED:
        details["required"] = True
    else:
        details["default"] = field.default
    if hint is bool and "action" not in details:
        details["action"] = "store_false" if field.default else "store_true"
    elif field.default not in (REQUIRED, None, ()):
        value = field.default
        many = isinstance(value, (tuple, list))
        shown = " ".join(map(str, value)) if many else value
        text = f"{text} (default: {shown})"
    if details.get("action") in (None, "extend"):
        details["type"] = kind or _plain(hint)
        details.setdefault("action", Once)
    return {**details, "help": text.replace("%", "%%")}


class Once(argparse.Action):
    """Store the value of an option, which comes once, and is not empty."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Store the value, or refuse it."""
        given = parser.given
        if "" in (values, *(values if isinstance(values, list) else ())):
            raise argparse.ArgumentError(
                self, "it is empty; is a variable of the shell not set?"
            )
        if self.dest in given:
            raise argparse.ArgumentError(
                self, f"it is given twice, {given[self.dest]} and {values}; give one"
            )
        given[self.dest] = values
        setattr(namespace, self.dest, values)


def _plain(hint: Any) -> Callable[[str], Any]:
    """Give the type of a field without `| None`."""
    if isinstance(hint, types.UnionType):
        hint = next(kind for kind in hint.__args__ if kind is not type(None))
    return hint if hint in (int, float, str) else str


def parse(options: type[Options], arguments: Sequence[str] | None = None) -> Options:
    """Read a command line; a misuse ends the program with exit code 2.

    Arguments:
        options: dataclass of the script; `--help` begins with its docstring.
        arguments: words of the command line; None: those of the program.
    """
    parser = make_parser(options)
    found, unknown = parser.parse_known_args(arguments)
    values = vars(found)
    if unknown:
        several = not unknown[0].startswith("-")
        parser.error(
            f"unrecognized arguments: {' '.join(unknown)}"
            + (f"; {SEVERAL}" if several else "")
        )
    try:
        return options(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        )
    except MisuseError as error:
        parser.error(str(error))


def command_line(script: str, options: Any) -> str:
    """Write the command that gives such options, without secrets in addresses.

    What is at its default is left out, and so is `--overwrite`.

    Arguments:
        script: name of the script.
        options: dataclass whose fields are declared by `option`.
    """
    words = [script]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value == field.default or value is None or field.name == "overwrite":
            continue
        flag = field.metadata["flag"] or f"--{field.name}"
        if field.metadata.get("action") is argparse.BooleanOptionalAction:
            flag = f"--{field.name}" if value else f"--no-{field.name}"
        words.append(flag)
        if isinstance(value, (tuple, list)):
            words += ["=".join(v) if isinstance(v, tuple) else str(v) for v in value]
        elif not isinstance(value, bool):
            words.append(str(value))
    return shlex.join(without_secrets(word) for word in words)


def number(
    least: float = -math.inf,
    most: float | None = None,
    *,
    kind: type = int,
    multiple: int = 1,
    above: float = -math.inf,
) -> Callable[[str], Any]:
    """Give a converter of numbers within bounds.

    Arguments:
        least, most: smallest and largest value that is taken; whole numbers end at
            `LARGEST`, others before infinity.
        kind: int or float.
        multiple: divisor of the value.
        above: bound that is not taken itself.
    """
    wanted = "a whole number" if kind is int else "a number"
    wanted = f"a multiple of {multiple}" if multiple > 1 else wanted
    wanted += f" of at least {least:g}" if least > -math.inf else ""
    wanted += f" above {above:g}" if above > -math.inf else ""
    wanted += f" up to {most:g}" if most is not None else ""
    if most is None:
        most = LARGEST if kind is int else sys.float_info.max

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        fits = least <= value <= most and above < value
        if not fits or (multiple > 1 and value % multiple):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return convert


def day(text: str) -> date:
    """Read a date such as 2022-07-14."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # fromisoformat takes more
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no day; YYYY-MM-DD is expected"
        ) from None
