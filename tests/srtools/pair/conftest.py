"""The ground that the tests of a pair share."""

import pytest

from tests.ground import Scene


@pytest.fixture(scope="package")
def scene(tmp_path_factory, write_raster_in) -> Scene:
    return Scene(tmp_path_factory.mktemp("pair"), write_raster_in)
