"""The applications, one class each, by name."""

from otblite.application import Application
from otblite.applications import (
    bandmath,
    info,
    measuring,
    patches,
    resampling,
    serve,
    stacking,
)

_found = {
    name: kind
    for module in (bandmath, info, measuring, patches, resampling, serve, stacking)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Application) and kind != Application
}
APPLICATIONS: dict[str, type[Application]] = dict(sorted(_found.items()))
