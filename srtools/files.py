"""Files that appear complete or not at all, and files that must not be lost."""

import fcntl
import glob
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from srtools.errors import SRError
from srtools.urls import redact

VIEWER_FILES = (".aux.xml", ".ovr")
"""Suffixes of the statistics and overviews that a viewer puts beside an image."""

SIDE_FILES = (*VIEWER_FILES, ".msk")
"""The same, and that of its mask."""

LONGEST_NAME = 255 - len(".partial--12345678")
"""Longest name of a file whose temporary folder has a valid name, bytes."""


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path; its file becomes `path` if the block does not raise."""
    with whole_files([Path(path)]) as folder:
        yield folder / Path(path).name


@contextmanager
def whole_files(paths: list[Path], replaced: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield a temporary folder; its files become `paths` at the end of the block.

    The block writes each file there under its own name.  After an exception all of
    `paths` are unchanged.  A replaced file loses its side files.  A symbolic link stays
    and its target is replaced.  The files appear one after the other: a power cut in
    that moment leaves some new and some old.

    Arguments:
        paths: files of one folder.
        replaced: files of an earlier run to remove, unless they are among `paths`.
    """
    refuse_folders(paths)
    with partial_folder(paths[0]) as partial:
        yield partial
        for path in dict.fromkeys([*paths, *replaced]):
            target = Path(os.path.realpath(path))
            for image in (path, target):
                for suffix in SIDE_FILES:
                    image.with_name(image.name + suffix).unlink(missing_ok=True)
            if path in paths:
                # Beside a link may be another disk than beside its target.
                move = os.replace if target.parent == partial.parent else shutil.move
                move(partial / path.name, target)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def partial_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; if `path` is a link, beside its target.

    The folder is removed at the end.  Folders that killed processes left for the same
    path are removed first; those of living processes are locked.
    """
    path = Path(os.path.realpath(path))
    parent, prefix = make_folder(path.parent, room=0), f".partial-{path.name}-"
    # Longer suffixes than eight letters belong to a path with a longer name.
    for orphan in parent.glob(f"{glob.escape(prefix)}????????"):
        with suppress(SRError, OSError), lock(orphan, "in use", require_locks=True):
            shutil.rmtree(orphan)
    busy = f"{path} is written by another run; wait for it, or give another output"
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=parent, ignore_cleanup_errors=True
    ) as folder:
        with lock(folder, busy):
            yield Path(folder)


@contextmanager
def lock(
    folder: str | Path,
    busy: str | None,
    shared: bool = False,
    require_locks: bool = False,
) -> Iterator[None]:
    """Lock a folder for this process until the block or the process ends.

    On network file systems without locks every process gets the folder.

    Arguments:
        busy: message if another process has locked it; None: wait for that process.
        shared: let other processes lock it at the same time if they share it, too.
        require_locks: raise OSError if the file system has no locks.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, mode | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise SRError(busy) from None
        except OSError:
            if require_locks:
                raise
        # Another process may have removed the folder a moment ago, with its lock.
        if not os.path.samestat(os.stat(folder), os.fstat(handle)):
            raise SRError(busy or f"{folder} was removed; start again")
        yield
    finally:
        os.close(handle)


def check_name(path: str | Path, library: str = "OTB") -> None:
    """Raise if a path has characters that OTB or TensorFlow (`library`) misreads.

    OTB up to 9 expects options after a `?`.  TensorFlow takes `[]*?` for a pattern of
    several names: it would write a model there that nobody can load.
    """
    letters = {"OTB": "?", "TensorFlow": "[]*?"}[library]
    if refused := sorted(set(letters) & set(str(Path(path).absolute()))):
        raise SRError(
            f"{path} has {' '.join(refused)} in its name or that of a folder above, "
            f"which {library} does not take for a part of a name; choose another one"
        )


def make_folder(folder: str | Path, room: int = 4096) -> Path:
    """Create a folder, or the target of a link, with its parents; return `folder`.

    A test file of `room` bytes is written, because a full disk takes empty files.
    """
    folder = Path(folder)
    try:
        Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(room))
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise SRError(
            f"folder {folder} cannot be written to ({reason}); "
            "choose another one, make room, or change its permissions"
        ) from None
    return folder


def refuse_folders(paths: Sequence[Path]) -> None:
    """Raise if one of the files to write is an existing folder."""
    for path in filter(Path.is_dir, paths):
        raise SRError(f"{path} is a folder; give the name of a file")


def check_room(folder: str | Path, needed: int, use: str) -> None:
    """Raise if the disk of a folder has fewer than `needed` bytes free.

    OTB does not report a full disk.  `use` names the bytes ("3 pieces of the image").
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SRError(
            f"{math.ceil(needed / 1e6)} MB are needed for {use}, {folder} has "
            f"{free // 10**6} MB free; make room, or choose another folder"
        )


def refuse_existing(
    paths: Sequence[str | Path], overwrite: bool, read: Sequence[str | Path] = ()
) -> None:
    """Raise if files exist without `overwrite`, or if their names are too long.

    An empty folder may be replaced.

    Arguments:
        paths: files that the run is going to write.
        read: files that the run reads, which are never replaced.
    """
    for name in (os.path.basename(os.path.realpath(path)) for path in paths):
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise SRError(
                f"the name {name} is too long, at most {LONGEST_NAME} bytes are "
                "possible; choose a shorter one"
            )
    inputs = [path for path in read if Path(path).exists()]
    for path in filter(Path.exists, map(Path, paths)):
        if path.is_dir() and not any(path.iterdir()):
            continue
        if any(os.path.samefile(path, other) for other in inputs):
            raise SRError(f"{path} is read by this very run; give another output")
        if not overwrite:
            raise SRError(
                f"{path} exists already; give --overwrite to replace it, "
                "or another output"
            )


def states(paths: Iterable[str | Path]) -> list[list]:
    """Return [name, size, modification time] of each file, to detect changes.

    Of a URL or a missing file only [path] is returned, without a token, which changes.
    """
    return [
        [path.name, path.stat().st_size, path.stat().st_mtime_ns]
        if (path := Path(file)).exists()
        else [redact(str(file))]
        for file in paths
    ]
