"""The SavedModel that exercise 5 serves: its crop, arithmetic, views and intervals."""

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srtools import cards
from srtools.conventions import FACTOR, INPUT, OUTPUT_DN, S2_SPACING_METRES
from srtools.errors import SRError
from srtools.inference import plans
from srtools.network import intervals, precision, saved_model, serving
from srtools.network.saved_model import ModelInfo
from srtools.network.serving import INTERVAL, cropped

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """A network, and the way in which it is served."""

    model_dir: str
    model: ModelInfo
    arithmetic: str
    """"float32" or "bfloat16"."""
    model_crop: int
    """Crop of the model's output, output pixels."""
    views: int
    """1, or 8 for the self-ensemble."""
    calibration: intervals.Record | None
    """Calibration of the intervals; None if there are none."""

    @property
    def crop(self) -> int:
        """Output pixels that are lost on each side, those without interval included."""
        return self.model_crop + (intervals.CUT if self.calibration else 0)

    @property
    def context_metres(self) -> float:
        """How far beyond an area the network and the interpolation look, metres."""
        kernel = plans.KERNEL_PIXELS * S2_SPACING_METRES
        return self.crop / FACTOR * plans.lr_spacing(self.model) + kernel

    @property
    def names(self) -> list[str]:
        """Names of the outputs, whose bands are stacked."""
        return [cropped(self.crop)] + ([INTERVAL] if self.calibration else [])

    def save(self, folder: Path, make_network: Callable[..., Any]) -> str:
        """Write another SavedModel to `folder` if need be; return the one to serve."""
        served, crop = self.model_dir, self.model_crop
        if self.arithmetic == "bfloat16":
            half = folder / "bfloat16"
            served = precision.save_in_bfloat16(served, make_network, crop, half)
        if self.views > 1 or self.calibration:
            around = folder / "around"
            served = serving.save(served, around, crop, self.views, self.calibration)
        return served


def choose(
    path: str, arithmetic: str, crop: int | None, views: int, uncertainty: bool
) -> Served:
    """Check that a SavedModel is complete, and made for Sentinel-2; choose its crop."""
    model = saved_model.describe(path)
    saved_model.check_weights(path)
    cards.check_conventions(
        model.card, f"the card of {path}", "train a model with sr_train.py"
    )
    arithmetic = precision.choose(arithmetic)
    crop, calibration = choose_crop(model, crop), None
    if uncertainty:
        calibration = intervals.record_of(model.card, views, path)
    return Served(path, model, arithmetic, crop, views, calibration)


def choose_crop(model: ModelInfo, crop: int | None = None) -> int:
    """Choose the `_crop` output whose crop is at least the receptive field.

    Arguments:
        model: network, whose card has the receptive field.
        crop: wish of the user in output pixels; None: the smallest that will do.
    """
    names = (re.fullmatch(rf"{OUTPUT_DN}_crop(\d+)", name) for name in model.outputs)
    crops = sorted(int(match[1]) for match in names if match)
    field = model.card.get("receptive_field", {})
    if crop is None:
        # Without a card the receptive field is unknown: the largest crop is safest.
        needed = FACTOR * field.get("margin", math.inf)
        crop = next((c for c in crops if c >= needed), crops[-1] if crops else 0)
        if math.isfinite(needed) and crop < needed:
            raise SRError(
                f"the model's largest crop ({crop} pixels) is less than its receptive "
                f"field ({needed}); train it with larger inference_cropping"
            )
    elif crop < FACTOR * field.get("margin", 0):
        log.warning("a crop of %d is less than the receptive field: seams remain", crop)
    model.need(INPUT, cropped(crop))
    if crop % (2 * FACTOR):
        raise SRError(
            f"a crop that is a multiple of {2 * FACTOR} is needed, not {crop}"
        )
    return crop
