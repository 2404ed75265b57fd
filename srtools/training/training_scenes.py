"""The scenes of a training: folders of exercise 1, and checks that they are alike."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from srtools.cards import agree
from srtools.conventions import DATASET_CARD, KINDS
from srtools.errors import SRError
from srtools.patches import footprints, patch_files

log = logging.getLogger(__name__)

GROUPS = ("train", "valid")


@dataclass(frozen=True)
class Scene:
    """The patches of one Spot image: a folder of exercise 1."""

    folder: str
    files: dict[str, dict[str, str]]
    """{group: {kind: patches image}}, without empty groups."""
    card: dict
    """Content of dataset.json; empty for patches made elsewhere."""

    def record(self) -> dict:
        """Return the entry of the scene in the card of a model."""
        return {
            "name": Path(self.folder).absolute().name,
            "patches": {
                group: patch_files.describe_patches(kinds["lr"]).count
                for group, kinds in self.files.items()
            },
            "ground": footprints.ground_of(self.card, "train"),
            # The places of the other groups have no use in the card of a model.
            "dataset": {k: v for k, v in self.card.items() if k != "groups"},
        }


def read_scenes(folders: Sequence[str]) -> list[Scene]:
    """Read scenes; refuse unlike ones, and validation on another's training ground."""
    scenes = [_read(folder) for folder in folders]
    for group in GROUPS:
        if not any(group in scene.files for scene in scenes):
            patch_files.check_patches(folders[0], group)  # raises an error
    for earlier, scene in combinations(scenes, 2):
        _check_alike(earlier, scene)
        _check_leak(earlier, scene)
        _check_leak(scene, earlier)
    return scenes


def _read(folder: str) -> Scene:
    card = patch_files.check_card(folder)
    if verdict := patch_files.pair_verdict(card):
        log.warning("%s", verdict)
    # A scene for training only has empty groups, which its card lists.
    groups = [group for group in GROUPS if group not in patch_files.empty_groups(card)]
    files = {name: patch_files.check_patches(folder, name) for name in groups}
    return Scene(folder, files, card)


def _check_alike(one: Scene, other: Scene) -> None:
    if Path(one.folder).resolve() == Path(other.folder).resolve():
        raise SRError(f"--patches names {other.folder} twice; name each scene once")
    for (text, first), (_, second) in zip(_facts(one), _facts(other), strict=True):
        if None not in (first, second) and not agree(first, second):
            raise SRError(
                f"{one.folder} and {other.folder} do not fit together: "
                f"{text.format(first)} in the first, {text.format(second)} in the "
                "second; make both with the same options of sr_dataset.py"
            )
    offsets = [scene.card.get("offset") for scene in (one, other)]
    if None not in offsets and offsets[0] != offsets[1]:
        log.warning(
            f"the offset of Sentinel-2 is {offsets[0]} DN in {one.folder} and "
            f"{offsets[1]} DN in {other.folder}: both are reflectance x 10000 only if "
            "the products have these offsets"
        )


def _facts(scene: Scene) -> list[tuple]:
    """Return text and value of the properties that scenes share; None is unknown."""
    lr = next(iter(scene.files.values()))["lr"]
    return [
        ("lr pixels of {} m", scene.card.get("lr", {}).get("spacing")),
        ("hr pixels of {} m", scene.card.get("hr", {}).get("spacing")),
        ("harmonized is {}", scene.card.get("harmonized")),
        ("lr patches of {} pixels a side", patch_files.describe_patches(lr).size),
    ]


def _check_leak(train: Scene, valid: Scene) -> None:
    ground = footprints.ground_of(train.card, "train")
    if count := footprints.shared(ground, footprints.ground_of(valid.card, "valid")):
        raise SRError(
            f"{count} validation patches of {valid.folder} show ground of the "
            f"training patches of {train.folder}; leave one of them out, or make "
            f"its patches with --proportions 1 0 0 ({DATASET_CARD} lists the places)"
        )


def files_by_group(scenes: Sequence[Scene]) -> dict[str, dict[str, list[str]]]:
    """Return {group: {kind: patches images}}, with the images of all scenes."""
    return {
        group: {
            kind: [s.files[group][kind] for s in scenes if group in s.files]
            for kind in KINDS
        }
        for group in GROUPS
    }
