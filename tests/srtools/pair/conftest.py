"""The ground that the tests of a pair share."""

import pytest

from tests.ground import Scene


@pytest.fixture(scope="package")
def scene(tmp_path_factory) -> Scene:
    return Scene(tmp_path_factory.mktemp("pair"))
