"""The scenes that one model is trained on: folders of exercise 1, checked together."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srtools.cards import agree
from srtools.conventions import DATASET_CARD, FACTOR, KINDS
from srtools.errors import SRError
from srtools.images import ground, patch_files

log = logging.getLogger(__name__)

GROUPS = ("train", "valid")

Files = dict[str, list[str]]
"""Patches images of each kind, "lr" and "hr", one after the other."""


@dataclass(frozen=True)
class Scene:
    """The patches of one Spot image."""

    folder: str
    """Folder of exercise 1."""
    files: dict[str, dict[str, str]]
    """Patches image of each kind, for each group that is not empty."""
    card: dict
    """Content of dataset.json; empty for patches made elsewhere."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return Path(self.folder).absolute().name

    def record(self, metrics: dict | None) -> dict:
        """Give what the card of a model keeps."""
        return {
            "name": self.name,
            "patches": {
                group: patch_files.describe_patches(kinds["lr"]).count
                for group, kinds in self.files.items()
            },
            "metrics": metrics,
            "ground": ground.ground_of(self.card, "train"),
            # Where the other patches lie is of no use there.
            "dataset": {k: v for k, v in self.card.items() if k != "groups"},
        }


def read_scenes(folders: Sequence[str], train_size: int | None) -> list[Scene]:
    """Read the cards of all scenes and describe their patches.

    Arguments:
        folders: folders of exercise 1.
        train_size: lr pixels a side of the crops to train on; None: whole patches.

    Raises:
        SRError: if the patches of one are not made for this network, do not fit those
            of another, or show its ground; or if a group is empty in all.
    """
    scenes = [_read(folder, train_size) for folder in folders]
    for verdict in (patch_files.pair_verdict(scene.card) for scene in scenes):
        if verdict:
            log.warning("%s", verdict)
    for group in GROUPS:
        if not any(group in scene.files for scene in scenes):
            patch_files.check_patches(folders[0], group, FACTOR)  # says what is missing
    for number, scene in enumerate(scenes):
        for earlier in scenes[:number]:
            _check_together(earlier, scene)
    return scenes


def _read(folder: str, train_size: int | None) -> Scene:
    card = patch_files.check_card(folder)
    # A scene may be for training only: then its card says that no patch is elsewhere.
    empty = patch_files.empty_groups(card)
    files = {
        group: patch_files.check_patches(folder, group, FACTOR)
        for group in GROUPS
        if group not in empty
    }
    if "train" in files:
        patch_files.check_train_size(train_size, files["train"])
    return Scene(folder, files, card)


def _check_together(one: Scene, other: Scene) -> None:
    """Check that two scenes can be learned by one network, and do not leak."""
    if Path(one.folder).resolve() == Path(other.folder).resolve():
        raise SRError(f"--patches names {other.folder} twice; name each scene once")
    sizes = [patch_files.describe_patches(_first(scene)).size for scene in (one, other)]
    said = {
        f"{kind} pixels of {{}} m": [
            s.card.get(kind, {}).get("spacing") for s in (one, other)
        ]
        for kind in KINDS
    }
    said["harmonized is {}"] = [s.card.get("harmonized") for s in (one, other)]
    said["lr patches of {} pixels a side"] = sizes
    for what, (first, second) in said.items():
        if None not in (first, second) and not agree(first, second):
            raise SRError(
                f"{one.folder} and {other.folder} do not go together: "
                f"{what.format(first)} here, {what.format(second)} there; make both "
                "with the same options of sr_dataset.py"
            )
    offsets = [scene.card.get("offset") for scene in (one, other)]
    if None not in offsets and offsets[0] != offsets[1]:
        log.warning(
            "from Sentinel-2 of %s %s DN were subtracted, of %s %s: both are "
            "reflectance x 10000 only if their products differ by that",
            *(one.folder, offsets[0], other.folder, offsets[1]),
        )
    for learned, tried in ((one, other), (other, one)):
        places = [
            ground.ground_of(scene.card, group)
            for scene, group in ((learned, "train"), (tried, "valid"))
        ]
        if seen := ground.shared(*places):
            raise SRError(
                f"{seen} validation patches of {tried.folder} show ground of the "
                f"training patches of {learned.folder}; leave one of them out, or make "
                f"its patches with --proportions 1 0 0 ({DATASET_CARD} tells where)"
            )


def _first(scene: Scene) -> str:
    return next(iter(scene.files.values()))["lr"]


def files_of(scenes: Sequence[Scene]) -> dict[str, Files]:
    """Give the patches images of each group and kind, scene after scene."""
    return {
        group: {
            kind: [s.files[group][kind] for s in scenes if group in s.files]
            for kind in KINDS
        }
        for group in GROUPS
    }
