"""Files that appear complete or not at all, and files that must not be lost."""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from srtools.errors import SRError

SIDE_FILES = (".aux.xml", ".ovr", ".msk")
"""What GDAL and QGIS put beside an image: statistics, overviews, mask."""


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path; its file becomes `path` at the end of the block.

    After an exception `path` is as it was.
    """
    with whole_files([Path(path)]) as folder:
        yield folder / Path(path).name


@contextmanager
def whole_files(paths: list[Path]) -> Iterator[Path]:
    """Give a temporary folder; its files become `paths` at the end of the block.

    The block writes each file there under its own name.  What describes a file that is
    replaced goes with it.  After an exception in it all
    of `paths` are as they were.  At the end each file appears complete, one after the
    other: a power cut in that moment leaves some new and some old.

    Arguments:
        paths: files of one folder.

    Raises:
        SRError: if one of them is a folder, or theirs cannot be written to.
    """
    refuse_folders(paths)
    folder = make_folder(paths[0].parent)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        yield Path(partial)
        for path in paths:
            for suffix in SIDE_FILES:  # of the image that was there
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            os.replace(Path(partial) / path.name, path)


def check_name(path: str | Path) -> None:
    """Check that OTB takes a path as it is.

    Raises:
        SRError: if it holds a `?`, after which OTB up to 9 expects options.
    """
    if "?" in str(path):
        raise SRError(
            f"{path} has a '?' in its name, which OTB takes for the start of options; "
            "rename the file or folder"
        )


def check_no_pattern(path: str | Path) -> None:
    """Check that TensorFlow takes a path as it is.

    Raises:
        SRError: if it holds one of `[]*?`, which TensorFlow takes for a pattern of
            several names: it would write a model there that nobody can load.
    """
    if found := set("[]*?") & set(str(Path(path).absolute())):
        raise SRError(
            f"{path} has {' '.join(sorted(found))} in its name or that of a folder "
            "above, which TensorFlow takes for a pattern; choose another name"
        )


def make_folder(folder: str | Path) -> Path:
    """Create `folder` with its parents.

    Raises:
        SRError: if it cannot be created or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SRError(
            f"folder {folder} cannot be written to ({error.strerror}); "
            "choose another one or change its permissions"
        ) from None
    return folder


def refuse_folders(paths: Sequence[Path]) -> None:
    """Check that no file is going to be written to the place of a folder.

    Raises:
        SRError: naming the folder.
    """
    for path in filter(Path.is_dir, paths):
        raise SRError(f"{path} is a folder; give the name of a file")


def check_room(folder: str | Path, needed: int, what: str) -> None:
    """Check that a disk takes so many bytes more.

    OTB does not report a disk that is full, and with no byte left it never returns.

    Arguments:
        folder: where files are to be written; it exists.
        needed: bytes.
        what: what takes them, for messages ("3 pieces of the image").

    Raises:
        SRError: saying how much is needed and how much is free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SRError(
            f"{math.ceil(needed / 1e6)} MB are needed for {what}, {folder} has "
            f"{free // 10**6} MB free; make room, or choose another folder"
        )


def refuse_existing(
    paths: Sequence[str | Path], overwrite: bool, read: Sequence[str | Path] = ()
) -> None:
    """Check that no file is lost that the user wants to keep.

    Arguments:
        paths: files that are going to be written.
        overwrite: whether they may replace existing ones.
        read: files that the run reads; they are never replaced.

    Raises:
        SRError: if one of `paths` is one of `read`, or exists already.
    """
    existing = [path for path in paths if Path(path).exists()]
    needed = [path for path in read if Path(path).exists()]
    for path in existing:
        if any(os.path.samefile(path, other) for other in needed):
            raise SRError(f"{path} is read by this very run; give another output")
        if not overwrite:
            raise SRError(
                f"{path} exists already; give --overwrite to replace it, "
                "or another output"
            )
