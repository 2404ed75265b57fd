"""Methods of OTB's bindings that build on the others: short forms, lists, XML.

    app.IN, app.OUT = "in.tif", "out.tif"
    app.SetParameters({"in": "in.tif", "out": "out.tif"})

Source: `otbApplication.i` of OTB 8.1.1, and its Cookbook.
"""

import logging
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np
from affine import Affine
from otblite.image import Grid, Image
from otblite.parameters import INPUT, LISTS, OUTPUT, Type

log = logging.getLogger("otblite")

IMAGES = (Type.InputImage, Type.InputImageList)


class ApplicationProxy:
    """A group of parameters, or a choice: `app.METHOD.RCS`, `app.SOURCE1.IL`."""

    def __init__(self, application: Any, key: str):
        self.__dict__.update(application=application, key=key)

    def __getattr__(self, name: str) -> Any:
        return self.application.value_or_group(f"{self.key}.{name.lower()}")

    def __setattr__(self, name: str, value: Any) -> None:
        self.application.SetParameterValue(f"{self.key}.{name.lower()}", value)

    def __str__(self) -> str:
        return self.application.GetParameterString(self.key)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    __hash__ = object.__hash__


class Logger:
    """Writes to the log of otblite; names are OTB's."""

    Debug, Info, Warning, Error, Critical = (
        lambda self, text, level=level: log.log(level, text.rstrip("\n"))
        for level in (10, 20, 30, 40, 50)
    )
    Fatal = Critical


class Extras:
    """Base class of `Application`, which has the methods that these ones call."""

    @property
    def name(self) -> str:
        """Name in the registry."""
        return type(self).__name__

    def GetName(self) -> str:
        """Return the name of the application."""
        return self.name

    # Parameters as attributes.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not name.isupper():
            raise AttributeError(f"{self.name} has no attribute '{name}'")
        return self.value_or_group(name.lower())

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        elif name.isupper() and name.lower() in self._parameters:
            self.SetParameterValue(name.lower(), value)
        else:
            raise AttributeError(
                f"{self.name} takes no attribute '{name}'; parameters are set by "
                f"their names in capitals, {', '.join(self._short_forms())}, or by "
                "SetParameterString and the like"
            )

    def _short_forms(self) -> list[str]:
        return [key.upper() for key in self._parameters if "." not in key]

    def value_or_group(self, key: str) -> Any:
        """Return the value of a parameter, or a group of them.

        Raises:
            AttributeError: if there is no such key.
        """
        groups = any(other.startswith(f"{key}.") for other in self._parameters)
        parameter = self._parameters.get(key)
        if groups or (parameter and parameter.type is Type.Choice):
            return ApplicationProxy(self, key)
        if parameter is None:
            raise AttributeError(f"{self.name} has no parameter '{key}'")
        return self.GetParameterValue(key)

    # Several parameters.

    def SetParameters(self, values: Mapping[str, Any]) -> None:
        """Set several parameters."""
        for key, value in values.items():
            self.SetParameterValue(key, value)

    def GetParameters(self) -> dict[str, Any]:
        """Return the inputs that have a value."""
        return {
            key: self.GetParameterValue(key)
            for key in self.GetParametersKeys()
            if self.GetParameterRole(key) == INPUT and self.IsParameterEnabled(key)
            if self.HasValue(key)
        }

    def UpdateParameters(self) -> None:
        """Do nothing: no parameter depends on others before `Execute`."""

    def missing(self) -> list[str]:
        """List the mandatory parameters without a value, outputs too."""
        return [
            key
            for key, parameter in self._parameters.items()
            if parameter.mandatory and parameter.role == INPUT and not self.has(key)
        ]

    def IsApplicationReady(self) -> bool:
        """Check whether every mandatory parameter has a value, outputs too."""
        return not self.missing()

    def SetParameterUserValue(self, key: str, of_user: bool) -> None:
        """Let a value count as the user's, or as automatic."""
        self._parameter(key).of_user = bool(of_user)

    def GetParameterName(self, key: str) -> str:
        """Return the key: parameters have no other names here."""
        return self._parameter(key).key

    def GetParameterDescription(self, key: str) -> str:
        """Return nothing: OTB's documentation describes the parameters."""
        return self._parameter(key) and ""

    def GetLogger(self) -> Logger:
        """Return the object that writes to the log."""
        return Logger()

    def FreeRessources(self) -> None:
        """Do nothing: files are closed when the application is gone."""

    def SetNthParameterStringList(self, key: str, index: int, value: str) -> None:
        """Replace a text, or the file name of an image, of a list."""
        parameter = self._of_type(key, *LISTS)
        values = parameter.images or list(parameter.value or [])
        if not 0 <= index < len(values):
            self.fail(f"parameter '{key}' has {len(values)} values, no {index}")
        values[index] = value
        self.SetParameterStringList(key, values)

    def EnableParameter(self, key: str) -> None:
        """Enable a parameter, so that its value is used."""
        self._parameter(key).enabled = True

    def DisableParameter(self, key: str) -> None:
        """Disable a parameter, so that its default is used."""
        self._parameter(key).enabled = False

    def GetParameterTypeAsString(self, kind: int) -> str:
        """Return the name of a type of parameters."""
        return f"ParameterType_{Type(kind).name}"

    def SaveParametersToXML(self, path: str) -> None:
        """Write the values that were set as an XML file."""
        root = ElementTree.Element("OTB")
        node = ElementTree.SubElement(root, "application")
        ElementTree.SubElement(node, "name").text = self.name
        for key, parameter in self._parameters.items():
            if not self.HasUserValue(key) or parameter.role == OUTPUT:
                continue
            if any(not isinstance(image, str) for image in parameter.images):
                self.fail(
                    f"parameter '{key}' is an image in memory, which no file holds"
                )
            entry = ElementTree.SubElement(node, "parameter")
            ElementTree.SubElement(entry, "key").text = key
            ElementTree.SubElement(entry, "type").text = parameter.type.name
            value = self.GetParameterValue(key)
            is_list = isinstance(value, list)
            place = ElementTree.SubElement(entry, "values") if is_list else entry
            for item in value if is_list else [value]:
                ElementTree.SubElement(place, "value").text = str(item)
        ElementTree.indent(root)
        ElementTree.ElementTree(root).write(path, encoding="utf-8")

    def LoadParametersFromXML(self, path: str) -> None:
        """Set the values that an XML file of this application holds."""
        try:
            node = ElementTree.parse(path).getroot().find("application")
            name = node.findtext("name")
        except (ElementTree.ParseError, OSError, AttributeError) as error:
            self.fail(f"{path} is no XML file of parameters ({error})")
        if name != self.name:
            self.fail(f"{path} holds the parameters of {name}")
        for entry in node.findall("parameter"):
            key, values = entry.findtext("key"), entry.find("values")
            if values is None:
                self.SetParameterString(key, entry.findtext("value") or "")
            else:
                self.SetParameterStringList(key, [value.text for value in values])

    # Images.

    def GetParameterOutputImage(self, key: str) -> Image:
        """Return an output image, to hand it to `SetParameterInputImage`."""
        return self._image(key)

    def SetParameterInputImage(self, key: str, image: Image) -> None:
        """Take an image in memory as input."""
        self._of_type(key, Type.InputImage).images = [image]

    def AddImageToParameterInputImageList(self, key: str, image: Image) -> None:
        """Append an image in memory to a list."""
        self._of_type(key, Type.InputImageList).images.append(image)

    def SetNthParameterInputImageList(self, key: str, index: int, image: Image) -> None:
        """Replace an image of a list."""
        self._of_type(key, Type.InputImageList).images[index] = image

    def ClearParameterInputImageList(self, key: str) -> None:
        """Empty a list of images."""
        self._of_type(key, Type.InputImageList).images = []

    def GetNumberOfElementsInParameterInputImageList(self, key: str) -> int:
        """Count the images of a list."""
        return len(self._of_type(key, Type.InputImageList).images)

    def _of_type(self, key: str, *types: Type) -> Any:
        parameter = self._parameter(key)
        if parameter.type not in types:
            names = " or ".join(kind.name for kind in types)
            self.fail(f"parameter '{key}' is a {parameter.type.name}, no {names}")
        return parameter

    def PropagateConnectMode(self, in_memory: bool) -> None:
        """Do nothing: connected applications always pass images in memory."""

    def SetVectorImageFromNumpyArray(
        self, key: str, array: np.ndarray, index: int = 0
    ) -> Image:
        """Take an array [h, w] or [h, w, bands] as input; it has no georeference.

        Its memory is borrowed, as by `ImportVectorImage`.
        """
        from otblite.application import borrow

        self._check_pixels(key, array)
        height, width = array.shape[:2]
        grid = Grid(None, Affine(1, 0, -0.5, 0, 1, -0.5), width, height)
        image = borrow(array, grid, f"{self.name}: parameter '{key}'")
        self.put_image(key, image, index)
        return image

    def SetImageFromNumpyArray(
        self, key: str, array: np.ndarray, index: int = 0
    ) -> Image:
        """Import an array of one band."""
        self._check_one_band(key, array)
        return self.SetVectorImageFromNumpyArray(key, array, index)

    def put_image(self, key: str, image: Image, index: int | None = None) -> None:
        """Set an image as the input, or as the element of a list; append by default."""
        parameter = self._of_type(key, *IMAGES)
        count = len(parameter.images)
        if parameter.type is Type.InputImage:
            parameter.images = [image]
        elif index is None or index == count:
            parameter.images.append(image)
        elif index < count:
            parameter.images[index] = image
        else:
            self.fail(
                f"parameter '{key}' has {count} images, and the one of index {index} "
                "was given"
            )
