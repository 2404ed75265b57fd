"""OTB's command line: `otbcli_ExtractROI -in a.tif -out b.tif uint16 -sizex 100`.

The programs of a real OTB further down the PATH are run instead, unless OTBLITE is 1.
"""

import logging
import os
import re
import shutil
import sys
from pathlib import Path

from otblite import __version__
from otblite.application import Application
from otblite.applications import APPLICATIONS
from otblite.finder import chosen
from otblite.parameters import LISTS, OUTPUT, Pixel, Type

log = logging.getLogger("otblite")


class Misuse(Exception):
    """Wrong arguments."""


def main() -> int:
    """Run the application in the name of the program, or in the first argument."""
    program, arguments = Path(sys.argv[0]), sys.argv[1:]
    here = str(program.resolve().parent)
    others = [p for p in os.get_exec_path() if os.path.realpath(p) != here]
    real = shutil.which(program.name, path=os.pathsep.join(others))
    if real and not chosen():
        os.execv(real, [real, *arguments])
    name = program.stem.partition("_")[2]
    first, *others = [name, *arguments] if name else arguments or [""]
    return run(first, others)


def run(name: str, arguments: list[str]) -> int:
    """Run an application; return the exit code."""
    logging.basicConfig(format="%(asctime)s (%(levelname)s) %(message)s")
    log.setLevel(os.environ.get("OTB_LOGGER_LEVEL") or "INFO")
    try:
        if name not in APPLICATIONS:
            raise Misuse(f"{name} is not among {', '.join(APPLICATIONS)}.")
        values = parse(arguments)
        app = APPLICATIONS[name](values.pop("progress", ["true"])[:1] != ["false"])
        if "version" in values or "help" in values:
            print(describe(app, values.get("help", ["none"])))
            return 0
        if not values:
            raise Misuse(f"Waiting for at least one parameter.\n\n{describe(app)}")
        assign(app, values)
        if missing := app.missing():
            words = f"Missing mandatory parameter -{', -'.join(missing)}."
            raise Misuse(f"{words}\n\n{describe(app)}")
        app.ExecuteAndWriteOutput()
    except Misuse as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except (RuntimeError, TypeError) as error:
        log.critical("%s", error)
        return 1
    print_outputs(app)
    return 0


def parse(arguments: list[str]) -> dict[str, list[str]]:
    """Sort the arguments by key; "-5" is a number and no key."""
    values: dict[str, list[str]] = {}
    for argument in arguments:
        if re.match("-[A-Za-z]", argument):
            values[argument[1:]] = last = []
        elif not values:
            raise Misuse(f"{argument} comes before any parameter.")
        else:
            last.append(argument)
    return values


def assign(app: Application, values: dict[str, list[str]]) -> None:
    """Set the parameters."""
    if path := values.pop("inxml", None):
        app.LoadParametersFromXML(path[0])
    save = values.pop("outxml", None)
    for key, texts in values.items():
        if key not in app.GetParametersKeys():
            raise Misuse(f"Parameter -{key} does not exist in the application.")
        if not texts:
            raise Misuse(f"No value associated to parameter -{key}.")
        if app.GetParameterType(key) in LISTS:
            app.SetParameterStringList(key, texts)
            continue
        app.SetParameterString(key, texts[0])
        if app.GetParameterType(key) is Type.OutputImage and texts[1:]:
            if texts[1] not in Pixel.__members__:
                raise Misuse(f"Invalid output type for parameter -{key}: {texts[1]}.")
            app.SetParameterOutputImagePixelType(key, Pixel[texts[1]])
    if save:
        app.SaveParametersToXML(save[0])


def describe(app: Application, keys: list[str] = ()) -> str:
    """Return the help: of some parameters, or of all."""
    lines = [f"This is the {app.name} application, version {__version__} of otblite"]
    if not keys:
        lines += ["", type(app).__doc__, "", "Parameters:"]
    missing = app.missing()
    for parameter in app.declare():
        key, value = parameter.key, parameter.default
        if parameter.role != OUTPUT and (not keys or key in keys):
            facts = ["mandatory" if parameter.mandatory else "optional"]
            facts += ["/".join(parameter.choices)] if parameter.choices else []
            facts += [] if value is None else [f"default value is {value}"]
            flag, kind = "MISSING" * (key in missing), f"<{parameter.type.name}>"
            lines.append(f"{flag:8}-{key:<26} {kind:18} ({', '.join(facts)})")
    return "\n".join(lines)


def print_outputs(app: Application) -> None:
    """Print the values that the application computed."""
    keys = [k for k in app.GetParametersKeys() if app.GetParameterRole(k) == OUTPUT]
    if keys:
        print("Output parameters value:")
    for key in filter(app.HasValue, keys):
        value = app.GetParameterValue(key)
        number = isinstance(value, float)
        print(f"{key}: {f'{value:.10g}' if number else app.GetParameterString(key)}")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1] if sys.argv[1:] else "", sys.argv[2:]))
