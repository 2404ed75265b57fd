"""Parameters of an application: their types, roles, defaults, choices and values."""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from otblite.image import RAM, Image


class Type(enum.IntEnum):
    """Types of parameters, exported as `otbApplication.ParameterType_*`."""

    Int = 0
    Float = 1
    Double = 2
    String = 3
    StringList = 4
    InputFilename = 5
    InputFilenameList = 6
    OutputFilename = 7
    Directory = 8
    Choice = 9
    InputImage = 10
    InputImageList = 11
    InputVectorData = 12
    InputVectorDataList = 13
    OutputImage = 14
    OutputVectorData = 15
    Radius = 16
    Group = 17
    ListView = 18
    RAM = 19
    Bool = 22
    Field = 23
    Band = 24


class Pixel(enum.IntEnum):
    """Pixel types, exported as `otbApplication.ImagePixelType_*`."""

    uint8 = 0
    int16 = 1
    uint16 = 2
    int32 = 3
    uint32 = 4
    float = 5
    double = 6

    @property
    def numpy(self) -> np.dtype:
        """The numpy type of this pixel type."""
        names = {"float": "float32", "double": "float64"}
        return np.dtype(names.get(self.name, self.name))

    @staticmethod
    def of(dtype: np.dtype) -> "Pixel":
        """Return the pixel type of a numpy type (float for types OTB does not have)."""
        return next((p for p in Pixel if p.numpy == dtype), Pixel.float)


INPUT, OUTPUT = 0, 1
INTEGERS = {Type.Int, Type.RAM, Type.Radius}
FLOATS = {Type.Float, Type.Double}
LISTS = {Type.StringList, Type.ListView, Type.InputImageList}
INTEGER, NUMBER, TEXT, TEXTS = "an integer", "a number", "text", "a list of texts"
# Parameters of a window, in its order.
BOX = ("starty", "startx", "sizey", "sizex")
TRUE, FALSE = ("true", "on", "1", "yes"), ("false", "off", "0", "no")


@dataclass
class Parameter:
    """One parameter; applications declare them as data."""

    key: str
    type: Type
    default: Any = None
    mandatory: bool = True
    choices: tuple[str, ...] = ()
    minimum: float = -math.inf
    maximum: float = math.inf
    role: int = INPUT
    value: Any = None
    """Value set by the user, or computed by the application."""
    automatic: Any = None
    """Value chosen by the application where the user set none."""
    images: list[Image | str] = field(default_factory=list)
    """For input images: connected images, and names of files to open."""
    of_user: bool = True
    """False if the value that was set counts as automatic."""
    enabled: bool = True
    """False if the value is to be ignored."""
    pixel: Pixel = Pixel.float
    """For output images: the pixel type of the file."""

    @property
    def current(self) -> Any:
        """Value set by the user, else that of the application, else the default."""
        chosen = self.default if self.automatic is None else self.automatic
        return chosen if self.value is None else self.value

    def check(self, value: Any) -> Any:
        """Take a value as `SetParameterValue` of OTB does, which converts nothing.

        Raises:
            TypeError: for a value of another type, even if it could be converted.
            ValueError: for a value that is not supported.
        """
        if self.type in INTEGERS:
            return self.from_integer(value)
        if self.type in FLOATS:
            return self.from_float(value)
        if self.type is Type.Bool:
            return _expect(value, bool, "True or False")
        if self.type in LISTS:
            return self.from_list(_expect(value, list, TEXTS))
        return self.from_text(value)

    def from_integer(self, value: Any) -> float:
        """Take an integer."""
        number = int(_expect(value, int, INTEGER))
        if self.type is Type.Bool:
            return bool(number)
        return self._number(float(number) if self.type in FLOATS else number)

    def from_float(self, value: Any) -> float:
        """Take a number."""
        number = float(_expect(value, (int, float), NUMBER))
        if self.type in INTEGERS:
            raise ValueError(f"{INTEGER} is expected, got {number}")
        return self._number(number)

    def from_text(self, value: Any) -> Any:
        """Take a text, or the number or switch that it spells."""
        text = _expect(value, str, TEXT)
        if self.type is Type.ListView:
            return [text]
        if self.type in LISTS:
            raise ValueError(f"{TEXTS} is expected, got '{text}'")
        if self.type in INTEGERS | FLOATS:
            try:
                number = float(text)
            except ValueError:
                raise ValueError(f"{NUMBER} is expected, got '{text}'") from None
            return self._number(int(number) if self.type in INTEGERS else number)
        if self.type is Type.Bool:
            if text.lower() not in TRUE + FALSE:
                raise ValueError(f"on or off is expected, got '{text}'")
            return text.lower() in TRUE
        if self.type is Type.Choice and text not in self.choices:
            raise ValueError(
                f"'{text}' is not supported; choose from {', '.join(self.choices)}"
            )
        return text

    def from_list(self, value: Iterable[Any]) -> list[str]:
        """Take a list of texts."""
        if self.type not in LISTS:
            raise ValueError(f"one value is expected, got the list {value}")
        return [_expect(item, str, TEXT) for item in value]

    def _number(self, number: float) -> float:
        if self.type not in INTEGERS | FLOATS:
            raise ValueError(f"{TEXT} is expected, got {number}")
        if number < self.minimum:
            raise ValueError(f"at least {self.minimum} is expected, got {number}")
        if number > self.maximum:
            raise ValueError(f"at most {self.maximum} is supported, got {number}")
        return number


def _expect(value: Any, kinds: type | tuple[type, ...], words: str) -> Any:
    """Check that a value has the type that OTB's bindings demand; return it."""
    if not isinstance(value, kinds):
        kind = type(value).__name__
        raise TypeError(f"{words} is expected, got {value!r}, which is {kind}")
    return value


def input_image(key: str = "in", **options: Any) -> Parameter:
    """Declare an input image."""
    return Parameter(key, Type.InputImage, **options)


def input_images(key: str = "il") -> Parameter:
    """Declare a list of input images."""
    return Parameter(key, Type.InputImageList)


def output_image(key: str = "out", **options: Any) -> Parameter:
    """Declare an output image."""
    return Parameter(key, Type.OutputImage, **options)


def ram() -> Parameter:
    """Declare the memory, in MB, that the windows in flight may take together."""
    return Parameter("ram", Type.RAM, RAM, mandatory=False, minimum=1)


def number(key: str, default: float | None = None, **options: Any) -> Parameter:
    """Declare an integer (if the default is one) or floating point parameter."""
    kind = Type.Int if isinstance(default, int) else Type.Float
    return Parameter(key, kind, default, **options)


def choice(key: str, *choices: str) -> Parameter:
    """Declare a choice; the first one is the default."""
    return Parameter(key, Type.Choice, choices[0], choices=choices)
