"""Command line of exercise 2, `sr_model.py`, and network options of exercise 3."""

from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from srtools.conventions import BANDS
from srtools.options import parser
from srtools.options.parser import number, option


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Options for the size of the network."""

    filters: int = option(
        64,
        "channels inside the network",
        kind=number(len(BANDS), 4096),  # each band starts in a channel
        group="network",
    )
    blocks: int = option(4, "residual blocks", kind=number(0, 256), group="network")
    kernel: int = option(
        4,
        "side of the kernels of the transposed convolutions, pixels",
        choices=(2, 4, 6),
        group="network",
    )

    @property
    def network_size(self) -> dict[str, Any]:
        """The options of this class, as parameters of `SRModel`."""
        return {f.name: getattr(self, f.name) for f in fields(NetworkOptions)}


class Options(NetworkOptions):
    """Print the network, layer by layer."""


parse = partial(parser.parse, Options)
