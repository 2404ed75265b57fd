"""Parameters of an application: their types, roles, defaults, choices and values."""

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from otblite.image import Image


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
    Bool = 20
    Field = 21
    Band = 22


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
        """Give the pixel type of a numpy type (float for types OTB does not have)."""
        return next((p for p in Pixel if p.numpy == dtype), Pixel.float)


INPUT, OUTPUT = 0, 1
NUMBERS = {Type.Int: int, Type.RAM: int, Type.Radius: int}
NUMBERS |= {Type.Float: float, Type.Double: float}
# Memory, in MB, of applications that are not told how much they may take.
RAM = 256
LISTS = {Type.StringList, Type.ListView, Type.InputImageList}
TRUE, FALSE = ("true", "on", "1", "yes"), ("false", "off", "0", "no")


@dataclass
class Parameter:
    """One parameter; applications declare them as data."""

    key: str
    type: Type
    default: Any = None
    mandatory: bool = True
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    role: int = INPUT
    value: Any = None
    """What the user set, or what the application computed."""
    images: list[Image | str] = field(default_factory=list)
    """For input images: connected images, and names of files to open."""
    pixel: Pixel = Pixel.float
    """For output images: the pixel type of the file."""

    @property
    def current(self) -> Any:
        """The value, or the default."""
        return self.default if self.value is None else self.value

    def check(self, value: Any) -> Any:
        """Convert a value to this parameter's type.

        Raises:
            ValueError: saying what came and what was expected.
        """
        if self.type is Type.Choice:
            name = str(value)
            if name not in self.choices:
                raise ValueError(
                    f"'{name}' is not supported; choose from {', '.join(self.choices)}"
                )
            return name
        if self.type is Type.Bool:
            name = str(value).lower()
            if name not in TRUE + FALSE:
                raise ValueError(f"on or off is expected, got '{value}'")
            return name in TRUE
        if self.type in NUMBERS:
            return self._number(value)
        if self.type in LISTS:
            items = value if isinstance(value, (list, tuple)) else [value]
            return [str(item) for item in items]
        return str(value)

    def _number(self, value: Any) -> float:
        convert = NUMBERS[self.type]
        try:
            number = convert(value)
            if convert is int and number != float(value):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            kind = "an integer" if convert is int else "a number"
            raise ValueError(f"{kind} is expected, got '{value}'") from None
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"at least {self.minimum} is expected, got {number}")
        return number


def input_image(key: str = "in", **options: Any) -> Parameter:
    """Declare an input image."""
    return Parameter(key, Type.InputImage, **options)


def input_images(key: str = "il") -> Parameter:
    """Declare a list of input images."""
    return Parameter(key, Type.InputImageList)


def output_image(key: str = "out", **options: Any) -> Parameter:
    """Declare an output image."""
    return Parameter(key, Type.OutputImage, role=OUTPUT, **options)


def ram() -> Parameter:
    """Declare the memory, in MB, that the windows in flight may take together."""
    return Parameter("ram", Type.RAM, RAM, mandatory=False, minimum=1)


def number(key: str, default: float | None = None, **options: Any) -> Parameter:
    """Declare an integer (if the default is one) or floating point parameter."""
    kind = Type.Int if isinstance(default, int) else Type.Float
    return Parameter(key, kind, default, **options)


def choice(key: str, *choices: str, default: str | None = None) -> Parameter:
    """Declare a choice; the first one is the default unless another is given."""
    return Parameter(key, Type.Choice, default or choices[0], choices=choices)
