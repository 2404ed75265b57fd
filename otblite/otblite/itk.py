"""Objects of OTB's bindings for sizes, positions and metadata.

They are no tuples and no dicts: code that takes them for such fails on OTB, so it
fails here.  Their names are those of OTB.
"""

import weakref
from typing import Any


class _Pair:
    """Two numbers: indices 0 and 1, no slices, equal to nothing but itself."""

    def __init__(self):
        self._values = [0, 0]

    @classmethod
    def of(cls, first: float, second: float) -> "_Pair":
        """Make one; OTB's are made empty and filled."""
        pair = cls()
        pair._values = [first, second]
        return pair

    def __str__(self) -> str:
        return "[{},{}]".format(*self._values)

    def __len__(self) -> int:
        return 2

    def _check(self, index: int) -> int:
        if not 0 <= index < 2:
            raise IndexError(f"index 0 or 1 is expected, got {index}")
        return index

    def __getitem__(self, index: int) -> float:
        return self._values[self._check(index)]

    def __setitem__(self, index: int, value: float) -> None:
        self._values[self._check(index)] = value

    GetElement, SetElement = __getitem__, __setitem__


class itkSize(_Pair):
    """Width and height in pixels."""


class itkIndex(_Pair):
    """Column and row of a pixel."""


class itkPoint(_Pair):
    """Coordinates (x, y)."""


class itkVector(_Pair):
    """Pixel size (x, y)."""


class itkRegion:
    """A rectangle of pixels, with the keys `index` and `size`."""

    def __init__(self):
        self._parts = {"index": itkIndex(), "size": itkSize()}

    @classmethod
    def of(cls, index: itkIndex, size: itkSize) -> "itkRegion":
        """Make one; OTB's are made empty and filled."""
        region = cls()
        region._parts.update(index=index, size=size)
        return region

    def __len__(self) -> int:
        return 2

    def __str__(self) -> str:
        return "{{index:{index}, size:{size}}}".format(**self._parts)

    def keys(self) -> list[str]:
        """List the keys."""
        return list(self._parts)

    def __getitem__(self, key: str) -> _Pair:
        if key not in self._parts:
            raise IndexError(f"'index' or 'size' is expected, got {key!r}")
        return self._parts[key]

    def __setitem__(self, key: str, value: _Pair) -> None:
        self[key]  # raises if there is no such key
        self._parts[key] = value


class itkMetaDataDictionary:
    """Metadata of an image, by name; it has no `get`, and raises IndexError."""

    def __init__(self, entries: dict[str, Any] | None = None):
        self._entries = entries or {}

    def __len__(self) -> int:
        return len(self._entries)

    def keys(self) -> tuple[str, ...]:
        """List the names."""
        return tuple(self._entries)

    def __getitem__(self, key: str) -> Any:
        if key not in self._entries:
            raise IndexError(f"{', '.join(self._entries)} are known, not {key!r}")
        return self._entries[key]


class ImageMetadata:
    """The sensor metadata of an image; a GeoTIFF that GDAL made has none.

    In OTB it lies in the memory of the application that has the image.
    """

    def __init__(self, application: Any, projection: str):
        self._application = weakref.ref(application)
        self._projection = projection

    @property
    def projection(self) -> str:
        """The CRS as WKT, empty if there is none; not to be seen in OTB.

        Raises:
            RuntimeError: if the application is gone.
        """
        if self._application() is None:
            raise RuntimeError(
                "the application that exported the image is gone, and its metadata "
                "with it; OTB crashes here: keep the application (or the pyotb object) "
                "in a variable as long as its export"
            )
        return self._projection

    def has(self, key: str) -> bool:
        """Check whether a key is known."""
        return self._keys() != ""

    def __getitem__(self, key: str) -> None:
        self._keys()

    def _keys(self) -> str:
        return self.projection and ""

    GetKeyListNum = GetKeyListStr = GetKeyListL1D = GetKeyListTime = _keys
